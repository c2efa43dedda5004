import Foundation
import MCMS
import Outbox
import SpindleText
import Synchronization

/// What the scripts of the flow need of a broker: two queues with attempts, leases and dead letters, topics, and the word of dead messages.
/// How the real one does it is the matter of `SpindleNodeTests`.
final class ScriptedBroker: OutboxPublisher {
    struct Message: Sendable {
        var id: UInt64
        var body: [UInt8]
        var attempts = 0
        var holder: String?
        var leaseEnd: Int64 = 0
        var isCancelled = false
    }

    private struct Queue {
        let attemptsMax: Int
        var messages: [Message] = []
        var dead: [Message] = []
        var isPaused = false
        var isFull = false
    }

    private struct State {
        var queues = [MCMSNames.generationQueue: Queue(attemptsMax: 3), MCMSNames.resultQueue: Queue(attemptsMax: 8)]
        var topics: [String: [[UInt8]]] = [:]
        var deaths: [DeadMessage] = []
        var deathsHandled = 0
        var isAway = false
        var nextID: UInt64 = 0x40
        var keys: [String: UInt64] = [:]
        var sent: [String] = []
        var offset: Int64 = 0
        var now: @Sendable () -> Timestamp = { Timestamp(milliseconds: 0) }
    }

    private static let lease: Int64 = 60_000
    private let state = Mutex(State())

    struct Away: Error, CustomStringConvertible { let description = "the broker is away" }

    var now: @Sendable () -> Timestamp {
        get { state.withLock { $0.now } }
        set { state.withLock { $0.now = newValue } }
    }

    // MARK: The outbox's side

    func publish(_ messages: [OutboxMessage]) async -> [OutboxPublishResult] {
        state.withLock { state in messages.map { Self.publish($0, &state) } }
    }

    private static func publish(_ message: OutboxMessage, _ state: inout State) -> OutboxPublishResult {
        guard !state.isAway else { return .unavailable(reason: "the broker is away") }
        switch message.draft.destination {
        case .topic(let name):
            state.topics[name, default: []].append(message.draft.payload)
            state.sent.append(name)
            return .published
        case .queue(let name):
            if let known = state.keys[message.id] { return .stored(messageID: known) }
            guard let queue = state.queues[name] else { return .held(reason: "no such queue") }
            if queue.isPaused { return .held(reason: "paused") }
            if queue.isFull { return .held(reason: "full") }
            state.sent.append(name)
            let id = put(message.draft.payload, on: name, &state)
            state.keys[message.id] = id
            return .stored(messageID: id)
        }
    }

    @discardableResult
    func takeSent() -> [String] {
        state.withLock { state in
            defer { state.sent = [] }
            return state.sent
        }
    }

    @discardableResult
    private static func put(_ body: [UInt8], on queue: String, _ state: inout State) -> UInt64 {
        state.nextID += 0x40
        state.queues[queue]?.messages.append(Message(id: state.nextID, body: body))
        return state.nextID
    }

    func put(_ body: [UInt8], on queue: String) { state.withLock { _ = Self.put(body, on: queue, &$0) } }

    // MARK: Leases

    private static func time(_ state: State) -> Int64 { state.now().milliseconds - state.offset }

    func lease(_ queue: String, by who: String) -> Message? {
        state.withLock { state in
            guard !state.isAway, let index = state.queues[queue]?.messages.firstIndex(where: { $0.holder == nil }) else { return nil }
            let end = Self.time(state) + Self.lease
            state.queues[queue]?.messages[index].holder = who
            state.queues[queue]?.messages[index].leaseEnd = end
            state.queues[queue]?.messages[index].attempts += 1
            return state.queues[queue]?.messages[index]
        }
    }

    func held(by who: String) -> Message? {
        state.withLock { state in
            state.queues.values.flatMap(\.messages).first { $0.holder == who && $0.leaseEnd > Self.time(state) }
        }
    }

    func acknowledge(_ who: String) { end(who) { _, _ in nil } }
    func kill(_ who: String, reason: String) { end(who) { _, _ in reason } }
    func nack(_ who: String, reason: String) { end(who, retries: true) { message, attemptsMax in message.attempts >= attemptsMax ? reason : nil } }

    /// Ends the lease that `who` holds. `reason`: why it is dead; nil: it is gone, or ready again.
    private func end(_ who: String, retries: Bool = false, _ reason: (Message, Int) -> String?) {
        state.withLock { state in
            for (name, queue) in state.queues {
                guard let index = queue.messages.firstIndex(where: { $0.holder == who }) else { continue }
                let message = queue.messages[index]
                if let reason = reason(message, queue.attemptsMax) {
                    Self.die(index, of: name, reason, &state)
                } else if retries, !message.isCancelled {
                    state.queues[name]?.messages[index].holder = nil
                } else {
                    state.queues[name]?.messages.remove(at: index)
                }
            }
        }
    }

    private static func die(_ index: Int, of name: String, _ reason: String, _ state: inout State) {
        guard var message = state.queues[name]?.messages.remove(at: index) else { return }
        let attempts = message.attempts
        message.holder = nil
        message.attempts = 0
        state.queues[name]?.dead.append(message)
        state.deaths.append(
            DeadMessage(
                queue: name, messageId: String(message.id, radix: 16), ending: .dead, reason: reason, attempts: attempts,
                deadLetterQueue: name + ".dead", diedAt: state.now()))
    }

    /// The process is gone: its leases run out.
    func forget(_ who: String) {
        state.withLock { state in
            for (name, queue) in state.queues {
                for index in queue.messages.indices where queue.messages[index].holder == who {
                    state.queues[name]?.messages[index].holder = "nobody"
                }
            }
        }
    }

    func expire() {
        state.withLock { state in
            let now = Self.time(state)
            for name in state.queues.keys {
                while let queue = state.queues[name], let index = queue.messages.firstIndex(where: { $0.holder != nil && $0.leaseEnd <= now }) {
                    if queue.messages[index].isCancelled {
                        state.queues[name]?.messages.remove(at: index)
                    } else if queue.messages[index].attempts >= queue.attemptsMax {
                        Self.die(index, of: name, "the lease ended", &state)
                    } else {
                        state.queues[name]?.messages[index].holder = nil
                    }
                }
            }
        }
    }

    /// The wall clock was set; the broker's time follows the boot clock.
    func step(by milliseconds: Int64) { state.withLock { $0.offset += milliseconds } }

    // MARK: Operators

    func cancel(_ ids: [UInt64], in queue: String) throws {
        try state.withLock { state in
            guard !state.isAway else { throw Away() }
            for id in ids {
                guard let index = state.queues[queue]?.messages.firstIndex(where: { $0.id == id }), let message = state.queues[queue]?.messages[index] else { continue }
                if message.holder == nil {
                    state.queues[queue]?.messages.remove(at: index)
                } else {
                    state.queues[queue]?.messages[index].isCancelled = true
                    // Its holder is told, and gives it back.
                    state.queues[queue]?.messages[index].leaseEnd = 0
                }
                state.deaths.append(
                    DeadMessage(
                        queue: queue, messageId: String(id, radix: 16), ending: .cancelled, reason: "cancelled", attempts: message.attempts,
                        deadLetterQueue: nil, diedAt: state.now()))
            }
        }
        expire()
    }

    func redrive(_ queue: String) -> Int {
        state.withLock { state in
            let dead = state.queues[queue]?.dead ?? []
            state.queues[queue]?.dead = []
            state.queues[queue]?.messages += dead
            return dead.count
        }
    }

    func find(_ queue: String, _ isMeant: ([UInt8]) -> Bool) -> [UInt64] {
        state.withLock { $0.queues[queue]?.messages.filter { isMeant($0.body) }.map(\.id) ?? [] }
    }

    func letter(_ id: UInt64, in queue: String) -> [UInt8]? {
        state.withLock { state in
            state.queues[String(queue.dropLast(".dead".count))]?.dead.first { $0.id == id }?.body
        }
    }

    func nextDeath() -> (DeadMessage, cursor: String)? {
        state.withLock { state in
            guard !state.isAway, state.deathsHandled < state.deaths.count else { return nil }
            return (state.deaths[state.deathsHandled], "1:\(state.deathsHandled)")
        }
    }

    func deathWasHandled() { state.withLock { $0.deathsHandled += 1 } }

    func readyCount(_ queue: String) -> Int { state.withLock { $0.queues[queue]?.messages.count { $0.holder == nil } ?? 0 } }

    func events(of topic: String) -> [[UInt8]] { state.withLock { $0.topics[topic] ?? [] } }

    func counts(_ queue: String) -> String {
        state.withLock { state in
            guard let queue = state.queues[queue] else { return "no such queue" }
            let leased = queue.messages.count { $0.holder != nil }
            return "ready \(queue.messages.count - leased) leased \(leased) dead \(queue.dead.count)"
        }
    }

    func set(_ words: [String]) -> String {
        state.withLock { state in
            switch words[0] {
            case "pause", "resume": state.queues[words[1]]?.isPaused = words[0] == "pause"
            case "full", "room": state.queues[words[1]]?.isFull = words[0] == "full"
            default: state.isAway = words[1] == "away"
            }
            return "ok"
        }
    }
}

/// A share that scripts change.
final class ScriptedShare: OutputShare {
    private struct State {
        var files: Set<String> = []
        var isGone = false
    }

    private let state = Mutex(State())

    func set(_ words: [String]) -> String {
        state.withLock { state in
            switch (words[0], words[1]) {
            case ("file", let path): state.files.insert(path)
            case (_, "gone"): state.isGone = true
            case (_, "missing"): state.files = []
            default: state.isGone = false
            }
            return "ok"
        }
    }

    func validate(_ output: ReportedOutput) async throws(OutputShareError) -> OutputFile {
        let (isGone, isThere) = state.withLock { ($0.isGone, $0.files.contains(output.path)) }
        guard !isGone else { throw .unavailable(reason: "not mounted") }
        guard isThere else { throw .missing(path: output.path) }
        return OutputFile(path: output.path, size: 1, sha256: String(repeating: "0", count: 64))
    }
}
