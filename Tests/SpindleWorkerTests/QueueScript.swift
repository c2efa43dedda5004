import FakeBroker
import SpindleClient
import SpindleWire
import SpindleWorker
import Synchronization

/// What a worker told the fake broker about its messages.
enum Settled: Sendable, Equatable {
    case acknowledged(UInt64, result: String = "")
    case givenBack(UInt64, NackItem.Disposition, delayMilliseconds: UInt64, reason: String)
    /// A SETTLE: acknowledged ids, and `destination: body` of what it published.
    case settled([UInt64], [String], result: String = "")
    case extended(UInt64, percent: UInt8, note: String)
}

/// A fake broker with one queue whose messages are handed out once, in order.
final class QueueScript: Sendable {
    private struct State {
        var waiting: [(id: UInt64, body: String)]
        var parked: [(FakePeer, FakeFrame)] = []
    }

    /// Recorded before it is answered: whoever has the answer finds the record.
    let settled = Recorder<Settled>()
    /// Who asked for messages, once for each LEASE.
    let asked = Recorder<FakePeer>()
    private let leaseAction = Mutex<(@Sendable () -> Void)?>(nil)
    private let state: Mutex<State>
    private let leaseMilliseconds: UInt32
    private let refuses: @Sendable (FakeFrame) -> ErrorCode?

    /// - Parameter refuses: the error that a frame is refused with, if any: of the item for ACK, NACK and EXTEND.
    init(_ bodies: [String], leaseMilliseconds: UInt32 = 30_000, refuses: @escaping @Sendable (FakeFrame) -> ErrorCode? = { _ in nil }) {
        state = Mutex(State(waiting: bodies.enumerated().map { (UInt64($0.offset + 1), $0.element) }))
        self.leaseMilliseconds = leaseMilliseconds
        self.refuses = refuses
    }

    /// Called at each LEASE.
    func onLease(_ action: @escaping @Sendable () -> Void) { leaseAction.withLock { $0 = action } }

    func start() async throws -> FakeServer {
        try await FakeServer.start { peer, frame in try? self.answer(peer, frame) }
    }

    private func answer(_ peer: FakePeer, _ frame: FakeFrame) throws {
        let refusal = refuses(frame)
        switch frame.opcode {
        case .lease:
            asked.record(peer)
            leaseAction.withLock { $0 }?()
            if let refusal { return peer.refuse(frame, WireError(refusal, "scripted")) }
            let max = Int(try frame.read { span throws(WireError) in try LeaseRequest(span).messagesMax })
            let given = state.withLock { state in
                let given = Array(state.waiting.prefix(max))
                state.waiting.removeFirst(given.count)
                return given
            }
            guard let first = given.first else { return } // waits, like a long poll that nothing ends
            peer.grant(frame, given.map(\.body), firstID: first.id, leaseMilliseconds: leaseMilliseconds)
        case .ack:
            let (tokens, results) = try frame.read { span throws(WireError) in
                let request = try AckRequest(span)
                return (request.tokens, request.results)
            }
            for (index, token) in tokens.enumerated() {
                let result = results.first { $0.index == index }?.bytes ?? []
                settled.record(.acknowledged(token.messageID, result: String(decoding: result, as: UTF8.self)))
            }
            peer.status(frame, count: tokens.count, refusal.map { ItemStatus($0) } ?? .ok)
        case .nack:
            let items = try frame.read { span throws(WireError) in try NackRequest(span).items }
            for item in items {
                settled.record(.givenBack(
                    item.token.messageID, item.disposition, delayMilliseconds: item.delayMilliseconds, reason: item.reason))
            }
            peer.status(frame, count: items.count, refusal.map { ItemStatus($0) } ?? .ok)
        case .extend:
            let items = try frame.read { span throws(WireError) in try ExtendRequest(span).items }
            for item in items { settled.record(.extended(item.token.messageID, percent: item.percent, note: item.note)) }
            peer.reply(frame) {
                ExtendReply(
                    leaseMilliseconds: leaseMilliseconds,
                    items: items.map { _ in
                        refusal == .cancelled
                            ? .init(status: .ok, isCancelled: true) : .init(status: refusal.map { ItemStatus($0) } ?? .ok, isCancelled: false)
                    }
                ).encode(into: &$0)
            }
        case .settle:
            if let refusal { return peer.refuse(frame, WireError(refusal, "scripted")) }
            let (event, groups) = try frame.read { span throws(WireError) in
                let request = try SettleRequest(span)
                var published: [String] = []
                for group in request.groups {
                    var offset = group.records.lowerBound
                    while offset < group.records.upperBound {
                        let length = try RecordView.length(in: span, at: offset)
                        let record = try RecordView.decode(span.extracting(offset..<(offset + length)))
                        let kind = group.kind == .queue ? "queue" : "topic"
                        published.append("\(kind) \(group.name) [\(record.correlationID ?? "-")]: \(String(decoding: record.body, as: UTF8.self))")
                        offset += length
                    }
                }
                let result = request.results.first?.bytes ?? []
                return (
                    Settled.settled(request.acks.map(\.messageID), published, result: String(decoding: result, as: UTF8.self)), request.groups.count)
            }
            settled.record(event)
            peer.reply(frame) { SettleReply(firstIDs: [UInt64](repeating: 1, count: groups)).encode(into: &$0) }
        default:
            peer.refuse(frame, WireError(.unsupported, "not in this script"))
        }
    }
}

extension FakeServer {
    func worker(_ configuration: WorkerConfiguration = .init(queues: [.init("work")], stopDeadline: .seconds(20))) -> SpindleWorker {
        let client = SpindleClient(
            configuration: ClientConfiguration(
                endpoints: [.init(host: "127.0.0.1", port: port)], credential: .token("secret"), clientName: "test",
                backoff: .init(initial: .milliseconds(1), cap: .milliseconds(20))))
        return SpindleWorker(client: client, configuration: configuration, closesClient: true)
    }
}
