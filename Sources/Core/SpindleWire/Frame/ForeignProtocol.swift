/// What speaks at the other end, where a frame's length shows that it is no Spindle: a client at the wrong port, or the wrong server.
enum ForeignProtocol: CaseIterable {
    case httpAnswer
    case httpRequest
    case tls

    /// - Parameter bytes: the first four that came, as a little-endian number.
    init?(firstBytes bytes: UInt32) {
        func number(_ text: StaticString) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(text.utf8Start[$1]) << (8 * UInt32($1)) }
        }
        switch bytes {
        case number("HTTP"): self = .httpAnswer
        case number("GET "), number("POST"), number("PUT "), number("HEAD"), number("OPTI"), number("PATC"), number("DELE"): self = .httpRequest
        // A record of the type handshake or alert, version 3.x.
        case let other where [0x16, 0x15].contains(other & 0xFF) && other >> 8 & 0xFF == 3: self = .tls
        default: return nil
        }
    }

    var sentence: String {
        switch self {
        case .httpAnswer: "a web server answers here, not a broker: look at the port"
        case .httpRequest: "this is a request for a web server: a broker has this port, look at the address"
        case .tls: "TLS comes to a port without it: look at the port, or at the address's scheme"
        }
    }
}
