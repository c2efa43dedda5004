// Who a connection speaks for. The fields by position are frozen: every later version can read them. Source: `protocol/connection.md`.

/// `u8 method · string credential · tail`. Reply: `string principal · tail`.
///
/// With ``Method/mechanism`` the tail has tag 1, the mechanism's bytes, in both directions.
package struct AuthRequest: Equatable, Sendable {
    package enum Method: UInt8, Sendable {
        /// The credential is a token.
        case token = 0
        /// The credential is empty: the TLS client certificate says who it is.
        case clientCertificate = 1
        /// The credential names a mechanism, whose bytes ``AuthRequest/data`` are.
        case mechanism = 2
    }

    package var method: Method
    package var credential: String
    /// The mechanism's bytes of this round; nil with the other methods.
    package var data: [UInt8]?

    package init(method: Method, credential: String) {
        self.method = method
        self.credential = credential
    }

    /// One round of a mechanism.
    package init(mechanism: String, data: [UInt8]) {
        method = .mechanism
        credential = mechanism
        self.data = data
    }

    package func encode(into writer: inout WireWriter) {
        writer.u8(method.rawValue)
        writer.string(credential)
        if let data { writer.tag(AuthData.tag, bytes: data) }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let raw = try reader.u8("method")
        guard let method = Method(rawValue: raw) else {
            throw WireError(
                .authenticationFailed, "authentication method \(raw): 0 (token), 1 (client certificate) and 2 (a mechanism) are known")
        }
        self.method = method
        switch method {
        case .token, .clientCertificate:
            credential = try reader.string("credential")
            try reader.skipTail(hasCommonTags: false)
        case .mechanism:
            credential = try reader.name("mechanism")
            guard let data = try AuthData.read(&reader) else {
                throw .malformed("AUTH by the mechanism '\(credential)' without tag \(AuthData.tag), its bytes; send the tag, empty where there are none")
            }
            self.data = data
        }
    }
}

/// An empty principal asks for another round of the mechanism.
package struct AuthReply: Equatable, Sendable {
    package var principal: String
    /// The mechanism's bytes: a challenge, or its last word with the principal. Nil with the other methods.
    package var data: [UInt8]?

    package init(principal: String, data: [UInt8]? = nil) {
        self.principal = principal
        self.data = data
    }

    /// What the client must answer; nil where the connection is open.
    package var challenge: [UInt8]? { principal.isEmpty ? data : nil }

    package func encode(into writer: inout WireWriter) {
        writer.name(principal)
        if let data { writer.tag(AuthData.tag, bytes: data) }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        principal = try reader.string("principal")
        data = try AuthData.read(&reader)
        guard !principal.isEmpty || data != nil else { throw .malformed("AUTH's reply has neither a principal nor a challenge") }
    }
}

/// The bytes of a mechanism in AUTH's tail.
enum AuthData {
    static let tag: UInt16 = 1

    /// Reads the rest of the frame as a tail; nil where it does not have the tag.
    static func read(_ reader: inout WireReader) throws(WireError) -> [UInt8]? {
        let tail = try reader.span(reader.remaining, "tail")
        var data: [UInt8]?
        for field in try TaggedTail.fields(in: tail, known: [tag], hasCommonTags: false) {
            guard field.range.count <= WireLimits.authenticationDataBytesMax else {
                throw WireError(
                    .invalidArgument,
                    "\(field.range.count) bytes of an authentication mechanism, at most \(WireLimits.authenticationDataBytesMax) are allowed")
            }
            data = tail.extracting(field.range).withUnsafeBytes { [UInt8]($0) }
        }
        return data
    }
}
