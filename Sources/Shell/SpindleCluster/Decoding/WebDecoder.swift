/// Reads a web server of the description.
enum WebDecoder {
    static func web(_ node: ConfigNode, _ diagnostics: Diagnostics) -> WebConfiguration {
        let reader = MappingReader(node, shape: "web", diagnostics)
        defer { reader.finish() }
        let web = WebConfiguration(
            name: reader.declaredName(as: .web), host: reader.reference("host", to: .host),
            principal: reader.reference("principal", to: .principal), port: reader.required("port", .port),
            listen: reader.optional("listen", .address) ?? "127.0.0.1",
            tls: reader.mapping("tls", shape: "webTLS", required: false).map(tls),
            redirectPort: reader.optional("redirectPort", .port),
            allowPlaintext: reader.optional("allowPlaintext", .bool) ?? false,
            signInVisitors: reader.optional("signInVisitors", .bool) ?? false,
            origins: reader.scalars("origins", .origin, of: "origins").map(\.value))
        if web.tls == nil, web.redirectPort != nil {
            diagnostics.report("found \"redirectPort\" without \"tls\", expected it only where it leads to HTTPS", at: reader.place(of: "redirectPort"))
        }
        let isLoopback = ClusterDecoder.isLoopback(web.listen)
        if web.tls == nil, !web.allowPlaintext, !isLoopback {
            diagnostics.report(
                "found the address \"\(web.listen)\" without \"tls\", expected a loopback address (127.0.0.1), a \"tls\" section, or allowPlaintext: true",
                at: reader.place(of: "listen"))
        } else if web.signInVisitors, !isLoopback || !web.origins.isEmpty {
            diagnostics.report(
                "found signInVisitors: true for a server that others can reach, expected it only with a loopback address and without \"origins\"",
                at: reader.place(of: "signInVisitors"))
        }
        return web
    }

    static func sessions(_ reader: MappingReader) -> SessionConfiguration {
        defer { reader.finish() }
        var sessions = SessionConfiguration()
        sessions.idle = reader.optional("idle", .duration(.seconds(60)...Duration.seconds(400 * 86_400))) ?? sessions.idle
        sessions.absolute = reader.optional("absolute", .duration(.seconds(60)...Duration.seconds(400 * 86_400))) ?? sessions.absolute
        return sessions
    }

    private static func tls(_ reader: MappingReader) -> WebTLSConfiguration {
        defer { reader.finish() }
        return WebTLSConfiguration(certificate: reader.required("certificate", .path), key: reader.required("key", .path))
    }
}

extension ScalarType where Value == String {
    /// Scheme, host and port, as browsers send them: in small letters, without a slash at the end.
    static let origin = text("an origin such as https://mcms.example.lan, in small letters and without a slash at the end") { text in
        guard let scheme = ["https://", "http://"].first(where: text.hasPrefix) else { return false }
        let authority = text.dropFirst(scheme.count)
        return (1...253).contains(authority.utf8.count)
            && authority.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                    UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
                    true
                default: false
                }
            }
    }
}
