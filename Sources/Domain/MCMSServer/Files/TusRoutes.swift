internal import Digests
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import MCMSFiles
internal import NIOCore
internal import SpindleText

/// Header fields of tus 1.0: https://tus.io/protocols/resumable-upload
enum TusHeader {
    static let version = "1.0.0"
    static let extensions = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,concatenation"
    static let checksums = "sha1,sha256,md5"
    static let mediaType = "application/offset+octet-stream"

    static let tusResumable = name("Tus-Resumable")
    static let tusVersion = name("Tus-Version")
    static let tusExtension = name("Tus-Extension")
    static let tusMaxSize = name("Tus-Max-Size")
    static let tusChecksumAlgorithm = name("Tus-Checksum-Algorithm")
    static let uploadOffset = name("Upload-Offset")
    static let uploadLength = name("Upload-Length")
    static let uploadDeferLength = name("Upload-Defer-Length")
    static let uploadMetadata = name("Upload-Metadata")
    static let uploadConcat = name("Upload-Concat")
    static let uploadExpires = name("Upload-Expires")
    static let uploadChecksum = name("Upload-Checksum")
    static let methodOverride = name("X-HTTP-Method-Override")
    static let expose = name("Access-Control-Expose-Headers")

    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a valid field name") }
        return name
    }
}

extension APIRoutes {
    /// tus 1.0 at `/api/upload`.
    mutating func addTus(_ files: FileServices) {
        on(.options, "api/upload", nil) { _ in Self.tusOptions(files) }
        on(.options, "api/upload/{id}", nil) { _ in Self.tusOptions(files) }
        on(.post, "api/upload", .uploadFiles) { call in try await Self.tus(call) { try await Self.tusCreate(files, call) } }
        on(.head, "api/upload/{id}", .uploadFiles) { call in try await Self.tus(call) { try await Self.tusHead(files, call) } }
        on(.patch, "api/upload/{id}", .uploadFiles) { call in try await Self.tus(call) { try await Self.tusPatch(files, call) } }
        on(.delete, "api/upload/{id}", .uploadFiles) { call in
            try await Self.tus(call, isRequired: false) { try await Self.tusDelete(files, call) }
        }
        // For clients whose proxies know GET and POST only.
        on(.post, "api/upload/{id}", .uploadFiles) { call in
            try await Self.tus(call) {
                switch call.request.headers[TusHeader.methodOverride]?.uppercased() {
                case "PATCH": try await Self.tusPatch(files, call)
                case "DELETE": try await Self.tusDelete(files, call)
                case "HEAD": try await Self.tusHead(files, call)
                default:
                    throw Problem(.methodNotAllowed, "POST is not possible at an upload.", action: "Use PATCH, or X-HTTP-Method-Override: PATCH.")
                }
            }
        }
    }

    private static func tusOptions(_ files: FileServices) -> Response {
        Response(
            status: .noContent,
            headers: [
                TusHeader.tusResumable: TusHeader.version, TusHeader.tusVersion: TusHeader.version, TusHeader.tusExtension: TusHeader.extensions,
                TusHeader.tusMaxSize: "\(files.uploads.limits.bytesMax)", TusHeader.tusChecksumAlgorithm: TusHeader.checksums,
            ])
    }

    /// Checks the version, and says it in the answer.
    private static func tus(_ call: APIRequest, isRequired: Bool = true, _ body: () async throws -> Response) async throws -> Response {
        let said = call.request.headers[TusHeader.tusResumable]
        guard said == TusHeader.version || said == nil && !isRequired else {
            var problem = Problem(
                .wrongVersion, said.map { "Tus-Resumable is “\($0.prefix(40))”." } ?? "The header Tus-Resumable is missing.",
                action: "Send Tus-Resumable: \(TusHeader.version), or upload by parts: POST /api/upload/parts.")
            problem.headers[TusHeader.tusVersion] = TusHeader.version
            throw problem
        }
        var response: Response
        do {
            response = try await body()
        } catch let error as FileError {
            var problem = Problem(error)
            // tus has a status of its own for it.
            if case .digestMismatch = error { problem.kind = .checksumMismatch }
            problem.headers[TusHeader.tusResumable] = TusHeader.version
            throw problem
        }
        response.headers[TusHeader.tusResumable] = TusHeader.version
        response.headers[TusHeader.expose] =
            "Upload-Offset, Location, Upload-Length, Tus-Version, Tus-Resumable, Tus-Max-Size, Tus-Extension, Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Expires, Upload-Checksum, Tus-Checksum-Algorithm"
        return response
    }

    private static func tusCreate(_ files: FileServices, _ call: APIRequest) async throws -> Response {
        let headers = call.request.headers
        let metadata = try TusMetadata(headers[TusHeader.uploadMetadata] ?? "")
        let size = try number(headers, TusHeader.uploadLength)
        let concat = headers[TusHeader.uploadConcat]
        if let concat, concat.hasPrefix("final;") {
            guard size == nil else { throw FileError.invalid(field: "Upload-Length", problem: "is that of the pieces, and must not be sent with final") }
            return try await tusFinal(files, call, concat, metadata)
        }
        let isDeferred = headers[TusHeader.uploadDeferLength] == "1"
        guard size != nil || isDeferred else {
            throw FileError.invalid(field: "Upload-Length", problem: "is missing; send it, or Upload-Defer-Length: 1")
        }
        if let concat {
            guard concat == "partial" else { throw FileError.invalid(field: "Upload-Concat", problem: "must be partial, or final;URL URL …") }
            return try await tusBody(
                files, call, try await files.uploads.createPartial(size: size, metadata: metadata.text, by: try call.caller()))
        }
        let upload = try await files.uploads.create(try tusFile(files, metadata, size: size), by: try call.caller())
        return try await tusBody(files, call, upload)
    }

    /// What the metadata says of the file.
    private static func tusFile(_ files: FileServices, _ metadata: TusMetadata, size: Int64?, concat: String? = nil) throws -> NewUpload {
        guard let routing = metadata["routingId"] else {
            throw FileError.invalid(field: "Upload-Metadata", problem: "has no routingId; needed are routingId and filename")
        }
        guard let name = metadata["filename"] else {
            throw FileError.invalid(field: "Upload-Metadata", problem: "has no filename; needed are routingId and filename")
        }
        let revision = try metadata["revision"].map { text in
            guard let number = Int(text), number >= 0 else { throw FileError.invalid(field: "revision", problem: "must be a number from 0") }
            return number
        }
        return NewUpload(
            .tus, routing: routing, revision: revision, names: try files.uploads.names(name: name, path: metadata["logicalPath"], routing: routing),
            size: size, metadata: metadata.text, concatenation: concat)
    }

    /// Answers a creation, whose request may have the first bytes.
    private static func tusBody(_ files: FileServices, _ call: APIRequest, _ created: UploadRecord) async throws -> Response {
        var upload = created
        let headers = call.request.headers
        // Relative, so that it holds behind any proxy.
        var answer: HTTPFields = [.location: "/api/upload/\(upload.id)"]
        if headers[.contentType]?.lowercased() == TusHeader.mediaType {
            upload = try await files.uploads.append(
                to: upload.id, at: 0, size: nil, checksum: try checksum(headers), call.request.body) { Array($0.readableBytesView) }
            answer[TusHeader.uploadOffset] = "\(upload.receivedBytes)"
        }
        answer[TusHeader.uploadExpires] = httpDate(upload.expiresAt.milliseconds)
        return Response(status: .created, headers: answer)
    }

    private static func tusFinal(_ files: FileServices, _ call: APIRequest, _ concat: String, _ metadata: TusMetadata) async throws -> Response {
        let names = concat.dropFirst("final;".count).split(separator: " ").map { $0.split(separator: "/").last.map(String.init) ?? "" }
        guard (1...1_000).contains(names.count) else { throw FileError.invalid(field: "Upload-Concat", problem: "names \(names.count) uploads, from 1 to 1000 are possible") }
        var partials: [UploadRecord] = []
        for name in names {
            let partial = try await files.store.upload(name)
            guard partial.way == .partial else { throw FileError.invalid(field: "Upload-Concat", problem: "names \(name), which is not partial") }
            guard partial.principal == call.principal.name else { throw FileError.notPermitted("The upload “\(name)” is somebody else's.") }
            partials.append(partial)
        }
        let upload = try await files.uploads.concatenate(
            partials, into: try tusFile(files, metadata, size: nil, concat: concat), by: try call.caller())
        return Response(
            status: .created,
            headers: [.location: "/api/upload/\(upload.id)", TusHeader.uploadExpires: httpDate(upload.expiresAt.milliseconds)])
    }

    private static func tusHead(_ files: FileServices, _ call: APIRequest) async throws -> Response {
        _ = try await upload(files, call)
        // Who asks wants to go on: a request that hangs must not move the offset afterwards.
        files.uploads.interrupt(call.id)
        let upload = try await files.store.upload(call.id)
        var headers: HTTPFields = [TusHeader.uploadOffset: "\(upload.receivedBytes)", .cacheControl: "no-store"]
        if let size = upload.size { headers[TusHeader.uploadLength] = "\(size)" } else { headers[TusHeader.uploadDeferLength] = "1" }
        if !upload.metadata.isEmpty { headers[TusHeader.uploadMetadata] = upload.metadata }
        if let concat = upload.concatenation { headers[TusHeader.uploadConcat] = concat }
        headers[TusHeader.uploadExpires] = httpDate(upload.expiresAt.milliseconds)
        return Response(status: .ok, headers: headers)
    }

    private static func tusPatch(_ files: FileServices, _ call: APIRequest) async throws -> Response {
        let headers = call.request.headers
        guard headers[.contentType]?.lowercased() == TusHeader.mediaType else {
            throw Problem(
                .wrongMediaType, "Content-Type is “\((headers[.contentType] ?? "").prefix(100))”.", action: "Send Content-Type: \(TusHeader.mediaType).")
        }
        guard let offset = try number(headers, TusHeader.uploadOffset) else {
            throw FileError.invalid(field: "Upload-Offset", problem: "is missing")
        }
        _ = try await upload(files, call)
        let upload = try await files.uploads.append(
            to: call.id, at: offset, size: try number(headers, TusHeader.uploadLength), checksum: try checksum(headers), call.request.body
        ) { Array($0.readableBytesView) }
        return Response(
            status: .noContent,
            headers: [TusHeader.uploadOffset: "\(upload.receivedBytes)", TusHeader.uploadExpires: httpDate(upload.expiresAt.milliseconds)])
    }

    private static func tusDelete(_ files: FileServices, _ call: APIRequest) async throws -> Response {
        _ = try await upload(files, call)
        try await files.uploads.delete(call.id, reason: "its uploader gave it up", by: try call.caller())
        return Response(status: .noContent)
    }

    private static func number(_ headers: HTTPFields, _ name: HTTPField.Name) throws -> Int64? {
        guard let text = headers[name] else { return nil }
        guard let number = Int64(text), number >= 0, text.utf8.allSatisfy({ (48...57).contains($0) }) else {
            throw FileError.invalid(field: "\(name)", problem: "is “\(text.prefix(40))”, and must be a number of bytes")
        }
        return number
    }

    private static func checksum(_ headers: HTTPFields) throws -> UploadService.Checksum? {
        guard let text = headers[TusHeader.uploadChecksum] else { return nil }
        let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
        guard let algorithm = parts.first.flatMap({ DigestStream.Algorithm(rawValue: $0.lowercased()) }) else {
            throw FileError.invalid(field: "Upload-Checksum", problem: "names no algorithm that is known here: \(TusHeader.checksums)")
        }
        guard parts.count == 2, let digest = Data(base64Encoded: parts[1]), digest.count == algorithm.bytes else {
            throw FileError.invalid(field: "Upload-Checksum", problem: "has no \(algorithm.rawValue) in Base64")
        }
        return .init(algorithm: algorithm, digest: [UInt8](digest))
    }

    /// RFC 9110 §5.6.7.
    static func httpDate(_ milliseconds: Int64) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "GMT")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds) / 1_000))
    }
}

/// `Upload-Metadata`: names, each with a value in Base64.
struct TusMetadata {
    let text: String
    private var values: [String: String] = [:]

    static let bytesMax = 8 << 10

    init(_ text: String) throws {
        guard text.utf8.count <= Self.bytesMax else {
            throw FileError.invalid(field: "Upload-Metadata", problem: "has more than \(Self.bytesMax) bytes")
        }
        self.text = text
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
            guard let name = parts.first else { continue }
            guard parts.count <= 2, values[name] == nil else {
                throw FileError.invalid(field: "Upload-Metadata", problem: "has “\(name.prefix(40))” twice, or with more than one value")
            }
            guard parts.count == 2 else {
                values[name] = ""
                continue
            }
            guard let data = Data(base64Encoded: parts[1]), let value = String(validating: data, as: UTF8.self) else {
                throw FileError.invalid(field: "Upload-Metadata", problem: "has a value of “\(name.prefix(40))” that is no UTF-8 in Base64")
            }
            values[name] = value
        }
    }

    /// Nil: it is missing or empty.
    subscript(_ name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }
}
