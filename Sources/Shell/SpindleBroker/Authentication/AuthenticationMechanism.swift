import SpindleText

/// A way to say who one is besides tokens and certificates: AUTH method 2. The broker counts the rounds, bounds the bytes and keeps the
/// time; a mechanism judges bytes. Source: `protocol/connection.md`, "Mechanisms".
package protocol AuthenticationMechanism: Sendable {
    /// What clients call it: 1 to 255 letters, digits, '.', '-' and '_'.
    var name: String { get }
    /// Begins with one connection.
    func exchange() -> any AuthenticationExchange
}

/// One connection's exchange with a mechanism; gone when it is answered or the connection ends.
package protocol AuthenticationExchange: Sendable {
    /// Judges what the client sent in this round. One call at a time; its task is cancelled when the connection ends. It runs on no
    /// event loop, so a mechanism that is slow holds up its own client only.
    func answer(_ data: [UInt8]) async -> AuthenticationStep
}

/// What follows a round.
package enum AuthenticationStep: Sendable {
    /// The client must answer these bytes: at most 64 KiB, and at most three times.
    case challenge([UInt8])
    /// The client is the principal of this name; `data` is the mechanism's last word to it.
    case principal(String, data: [UInt8])
    /// In a sentence for the client, which says nothing about which part was wrong.
    case refused(String)
}

/// The mechanisms of a broker, by name.
struct AuthenticationMechanisms: Sendable {
    private let byName: [String: any AuthenticationMechanism]

    init(_ mechanisms: [any AuthenticationMechanism]) throws(BrokerStartError) {
        var byName: [String: any AuthenticationMechanism] = [:]
        for mechanism in mechanisms {
            guard Name.isPlain(mechanism.name) else {
                throw BrokerStartError(
                    .configuration, "the mechanism “\(mechanism.name)”: 1 to \(Name.bytesMax) letters, digits, '.', '-' and '_' can name one, no others")
            }
            guard byName.updateValue(mechanism, forKey: mechanism.name) == nil else {
                throw BrokerStartError(.configuration, "the mechanism '\(mechanism.name)' is configured twice")
            }
        }
        self.byName = byName
    }

    subscript(name: String) -> (any AuthenticationMechanism)? { byName[name] }

    /// What a client is told that named `name`.
    func unknown(_ name: String) -> String {
        let known = byName.keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
        let advice = byName.isEmpty ? "this broker has none: use a token or a client certificate" : "this broker has \(known)"
        return "unknown mechanism '\(name)'; \(advice)"
    }
}

/// The exchanges under way: one for each connection that authenticates by a mechanism.
struct AuthenticationExchanges<ID: Hashable> {
    private struct Running {
        var exchange: any AuthenticationExchange
        var round: Task<Void, Never>?
    }

    private var running: [ID: Running] = [:]

    mutating func begin(_ exchange: any AuthenticationExchange, of connection: ID) { running[connection] = Running(exchange: exchange) }

    /// Has the exchange of `connection` judge `data`, and hands on what follows. Returns whether there is an exchange.
    mutating func answer(_ data: [UInt8], of connection: ID, then: @escaping @Sendable (AuthenticationStep) -> Void) -> Bool {
        guard let exchange = running[connection]?.exchange else { return false }
        running[connection]?.round = Task { then(await exchange.answer(data)) }
        return true
    }

    /// Forgets the exchange, and stops what it does.
    mutating func end(of connection: ID) { running.removeValue(forKey: connection)?.round?.cancel() }
}
