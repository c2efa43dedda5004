/// A mechanism that authenticates a connection, and the task that asks it.
struct Consulting {
    enum Answer: Sendable {
        case answer([UInt8])
        case accepted
    }

    var exchange: (any CredentialExchange)?
    var task: Task<Void, Never>?
}
