import SpindleNode

/// The clients' sockets: how many there are, how many there may be, the listeners that pause for it, and who is about to say who it is.
struct ClientSockets {
    var counts = ConnectionCounts()
    /// Set before the first listener is opened.
    var budget: SocketBudget
    var gates: [AcceptGate] = []
    /// Of those connections that authenticate by a mechanism.
    var exchanges = AuthenticationExchanges<SessionID>()
    private var lastSession: UInt64 = 0

    init(budget: SocketBudget) { self.budget = budget }

    /// Connections are numbered from here on; a number is never used twice in the life of a node.
    mutating func nextSession() -> SessionID {
        lastSession += 1
        return SessionID(rawValue: lastSession)
    }
}
