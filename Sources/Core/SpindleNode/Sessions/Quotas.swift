/// What principals have in use, over all their connections. Principals that spoke once are numbered, and stay.
struct Quotas: Sendable {
    /// What is in use, by a session or by all sessions of a principal.
    struct Usage: Equatable, Sendable {
        /// Requests that wait for an answer, and their bytes.
        var requests = 0
        var requestBytes = 0
        var subscriptions = 0
        /// LEASEs that wait, and messages that are awaited.
        var waits = 0

        static func += (a: inout Usage, b: Usage) {
            a.requests += b.requests
            a.requestBytes += b.requestBytes
            a.subscriptions += b.subscriptions
            a.waits += b.waits
        }

        static func -= (a: inout Usage, b: Usage) {
            a.requests -= b.requests
            a.requestBytes -= b.requestBytes
            a.subscriptions -= b.subscriptions
            a.waits -= b.waits
        }
    }

    /// The account of sessions that are not authenticated.
    static let noAccount: UInt32 = 0

    private var accounts: [String: UInt32] = [:]
    /// By account.
    private var usages = [Usage()]
    /// Bytes of the request that is being received; 0 between requests.
    var receivedBytes = 0

    /// The number under which the principal's usage is kept.
    mutating func account(of principal: String) -> UInt32 {
        if let known = accounts[principal] { return known }
        let account = UInt32(usages.count)
        accounts[principal] = account
        usages.append(Usage())
        return account
    }

    subscript(account: UInt32) -> Usage { usages[Int(account)] }

    mutating func add(_ usage: Usage, to account: UInt32) { usages[Int(account)] += usage }

    mutating func subtract(_ usage: Usage, from account: UInt32) { usages[Int(account)] -= usage }
}
