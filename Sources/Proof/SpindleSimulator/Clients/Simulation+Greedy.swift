internal import SpindleNode
internal import SpindleText
internal import SpindleWire

/// A client with every right and a small quota, which pipelines more than it may have and leaves without a word.
struct GreedyState {
    /// 0: not connected.
    var session: UInt64 = 0
    /// Requests of this connection that are not answered.
    var unanswered: Set<UInt32> = []
}

// Greedy clients: LEASEs and AWAITs without end, large BROWSEs, connections that are abandoned. The others' promises hold beside them, and
// what they left is gone with them.
extension Simulation {
    /// Nothing is ever published to it: what waits there waits.
    static let greedyQueue = "greedy"
    static let greedyQuota: PrincipalQuota = {
        var quota = PrincipalQuota()
        quota.requests = 48
        quota.waits = 40
        quota.bytesInFlight = 64 << 10
        return quota
    }()

    static let greedyPrincipal = Principal(
        name: "greedy", publish: [.init("*")], lease: [.init("*")], read: [.init("*")], admin: [.init("*")], quota: greedyQuota)

    func isGreedy(_ session: UInt64) -> Bool { session != 0 && session == greedy.session }

    func declareGreedyQueue() {
        var policy = QueuePolicyFields()
        policy.deadLetterQueue = ""
        _ = try? broker.declare(Self.greedyQueue, policy)
    }

    func beGreedy() {
        guard greedy.session != 0 else { return connectGreedy() }
        switch random.below(8) {
        case 0: abandon()
        case 1, 2: greedyBrowse()
        case 3, 4: greedyAwait()
        case _: greedyLeases()
        }
        checkGreed()
    }

    private func connectGreedy() {
        let session = nextSession
        nextSession += 1
        greedy = GreedyState(session: session)
        broker.connected(SessionID(rawValue: session))
        sendGreedy(.hello) { HelloRequest(clientName: "greedy", clientVersion: "1").encode(into: &$0) }
        sendGreedy(.auth) { AuthRequest(method: .token, credential: "g").encode(into: &$0) }
        broker.turn()
    }

    private func sendGreedy(_ opcode: Opcode, _ body: (inout WireWriter) -> Void) {
        var writer = WireWriter()
        body(&writer)
        let correlation = nextCorrelation
        nextCorrelation += 1
        greedy.unanswered.insert(correlation)
        broker.received(SessionID(rawValue: greedy.session), opcode, correlation, writer.span)
    }

    private func greedyLeases() {
        note("greedy LEASEs")
        for _ in 0..<1 + random.below(30) {
            let wait = UInt32(1 + random.below(500_000))
            sendGreedy(.lease) {
                LeaseRequest(queue: Self.greedyQueue, messagesMax: 1_000, bytesMax: 60_000, leaseMilliseconds: 0, waitMilliseconds: wait).encode(into: &$0)
            }
        }
    }

    private func greedyAwait() {
        let queue = random.below(profile.queues.count)
        let ids = someMessages(queue).map { oracle.messages[$0].id }
        guard !ids.isEmpty else { return }
        note("greedy AWAITs of \(name(queue, false))")
        for _ in 0..<1 + random.below(20) {
            let wait = UInt32(1 + random.below(500_000))
            sendGreedy(.await) { AwaitRequest(queue: name(queue, false), ids: ids, waitMilliseconds: wait).encode(into: &$0) }
        }
    }

    private func greedyBrowse() {
        let queue = random.below(profile.queues.count)
        var filter = MessageFilter()
        filter.headersContaining = Array(repeating: .init(name: "", text: "k" + String(repeating: "9", count: 200)), count: WireLimits.filterHeadersMax)
        note("greedy BROWSEs of \(name(queue, false))")
        for _ in 0..<1 + random.below(4) {
            sendGreedy(.browse) {
                BrowseRequest(queue: name(queue, false), after: 0, messagesMax: 1_000, bytesMax: 60_000, parts: .records, filter: filter).encode(into: &$0)
            }
        }
    }

    private func abandon() {
        note("the greedy client leaves \(greedy.unanswered.count) requests behind")
        broker.disconnected(SessionID(rawValue: greedy.session))
        greedy = GreedyState()
        broker.turn()
        let left = broker.node.waits(on: Self.greedyQueue)
        if left > 0 { oracle.fail(12, "\(left) LEASEs of a connection that is gone wait") }
    }

    private func checkGreed() {
        let waits = broker.node.waits(on: Self.greedyQueue)
        if waits > Self.greedyQuota.waits { oracle.fail(12, "\(waits) LEASEs of a principal wait, its quota is \(Self.greedyQuota.waits)") }
    }

    /// A frame to the greedy client: an answer that it gets, or a refusal that names its quota.
    func receivedGreedy(_ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        guard !header.flags.contains(.push) else { return }
        guard greedy.unanswered.remove(header.correlationID) != nil else {
            return oracle.fail(12, "the greedy client got an answer to nothing that it asked")
        }
        guard header.flags.contains(.error) else { return }
        let error = try ErrorReply(body)
        switch ErrorCode(rawValue: error.code) {
        case .tooManyInFlight where error.retryAfterMilliseconds > 0: return
        // A full disk, and queues that come, go and do not keep results.
        case .noSpace, .noSuchQueue, .invalidArgument: return
        default: oracle.fail(12, "the greedy client was refused: \(error.message)")
        }
    }
}
