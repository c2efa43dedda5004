/// A way to authenticate besides tokens and certificates, which the broker must know under the same name: AUTH method 2.
public protocol CredentialMechanism: Sendable, Hashable {
    /// Its name at the broker: 1 to 255 letters, digits, '.', '-' and '_'.
    var name: String { get }
    /// Begins with one connection. Called again for each, so that a ticket that expires can be fetched anew.
    func exchange() -> any CredentialExchange
}

/// One connection's exchange with the broker's side of a mechanism. Each message holds at most 64 KiB, and an exchange has at most four
/// rounds. What throws ends the attempt to connect.
public protocol CredentialExchange: Sendable {
    /// The bytes of the first round.
    func begin() async throws -> [UInt8]
    /// The bytes that answer the broker's challenge.
    func answer(_ challenge: [UInt8]) async throws -> [UInt8]
    /// The broker lets the client in, with these last words: a mechanism in which the broker proves itself throws where it does not.
    func accepted(_ proof: [UInt8]) async throws
}

extension CredentialExchange {
    public func accepted(_ proof: [UInt8]) async throws {}
}
