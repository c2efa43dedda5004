import SpindleClient
import Synchronization

/// A checker outside the broker. It knows every answer that the broker gave and every message that it delivered, and holds them against
/// what was promised:
/// - a confirmed publish is delivered until it is settled; none is lost;
/// - what was confirmed as acknowledged, or as a dead letter, is never delivered from its queue again;
/// - the epoch of a message rises with every delivery, its attempts rise too, but for releases;
/// - a message has one id for ever, and of several with one deduplication key one is accepted;
/// - a settlement happens whole or not at all.
///
/// Messages are numbered from 0. Twenty-four bytes are kept for each.
final class ConfirmationChecker: Sendable {
    struct Totals: Sendable {
        var confirmed = 0
        var acknowledged = 0
        var dead = 0
        var deliveries = 0
        var duplicates = 0
        var refused = 0

        /// What a test prints at its end, and `./dev soak` adds up.
        func line(_ what: String, cycles: Int) -> String { "\(what): \(cycles) cycles, \(text)" }

        private var text: String { "\(confirmed) confirmed publishes, \(acknowledged) confirmed acks, \(dead) dead letters, \(duplicates) duplicates refused" }
    }

    private struct Facts: OptionSet {
        let rawValue: UInt16
        static let confirmed = Facts(rawValue: 1)
        static let acknowledged = Facts(rawValue: 2)
        /// Its ack's answer got lost or came too late: it may come again, and need not.
        static let maybeSettled = Facts(rawValue: 4)
        static let dead = Facts(rawValue: 8)
        static let seenDead = Facts(rawValue: 16)
        static let released = Facts(rawValue: 32)
        static let delivered = Facts(rawValue: 64)
        /// A worker asked for its death; the answer may still be on its way.
        static let condemned = Facts(rawValue: 128)
        /// Its dead letter was acknowledged, and that was confirmed.
        static let buried = Facts(rawValue: 256)
    }

    private struct Entry {
        var id: UInt64 = 0
        var epoch: UInt32 = 0
        var attempt: UInt16 = 0
        var facts: Facts = []
        var copy: UInt8 = 0
    }

    private struct State {
        var entries: [Entry] = []
        var totals = Totals()
        var open = 0
        var violations: [String] = []
        /// Of a settlement with unknown outcome: the message that it published, the one that it acknowledged, and that one's epoch then.
        var pairs: [(published: Int, acknowledged: Int, epoch: UInt32)] = []
    }

    private let allowsLateDeliveries: Bool
    private let state = Mutex(State())
    private static let violationsKept = 20

    /// `allowsLateDeliveries`: a delivery may be on its way for longer than its lease, because the test holds the broker or the network up.
    init(allowsLateDeliveries: Bool = false) { self.allowsLateDeliveries = allowsLateDeliveries }

    var totals: Totals { state.withLock { $0.totals } }
    var violations: [String] { state.withLock { $0.violations } }
    /// Confirmed and not yet settled.
    var backlog: Int { state.withLock { $0.open } }

    private func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    private static func report(_ text: String, _ state: inout State) {
        if state.violations.count < violationsKept { state.violations.append(text) }
    }

    // MARK: Publishing

    /// The numbers of messages that are going to be published.
    func issue(_ count: Int) -> Range<Int> {
        state.withLock { state in
            let first = state.entries.count
            state.entries += [Entry](repeating: Entry(), count: count)
            return first..<first + count
        }
    }

    func published(_ number: Int, copy: Int, _ outcome: PublishOutcome) {
        change { state in
            switch outcome {
            case .stored(let id):
                let known = state.entries[number].id
                if known != 0, known != id.rawValue { Self.report("\(number) was stored twice: \(known) and copy \(copy) as \(id.rawValue)", &state) }
                Self.confirm(number, id, &state)
            case .duplicate(let id):
                state.totals.duplicates += 1
                let known = state.entries[number].id
                // 0: a second copy in one batch with the first, whose id the broker can't tell.
                guard id.rawValue != 0 else { return Self.confirm(number, &state) }
                if known != 0, known != id.rawValue { Self.report("\(number) is told to be \(id.rawValue), and is \(known)", &state) }
                Self.confirm(number, id, &state)
            case .refused: state.totals.refused += 1
            }
        }
    }

    /// A whole request was refused.
    func refused() { change { $0.totals.refused += 1 } }

    /// By a settlement, whose answer names no id.
    func published(_ number: Int) { change { Self.confirm(number, &$0) } }

    private static func confirm(_ number: Int, _ id: MessageID, _ state: inout State) {
        state.entries[number].id = id.rawValue
        confirm(number, &state)
    }

    private static func confirm(_ number: Int, _ state: inout State) {
        if state.entries[number].facts.insert(.confirmed).inserted {
            state.totals.confirmed += 1
            if !isDone(state.entries[number]) { state.open += 1 }
        }
    }

    private static func isDone(_ entry: Entry) -> Bool { !entry.facts.isDisjoint(with: [.acknowledged, .maybeSettled, .dead]) }

    // MARK: Deliveries

    func delivered(_ number: Int, copy: Int, _ delivery: Delivery) {
        change { state in
            state.totals.deliveries += 1
            guard state.entries.indices.contains(number) else { return Self.report("\(number) was never published", &state) }
            var entry = state.entries[number]
            let id = delivery.token.messageID.rawValue
            let epoch = delivery.token.epoch
            // It was on its way while its lease ended and another began.
            if epoch < entry.epoch, allowsLateDeliveries { return }
            if epoch <= entry.epoch { Self.report("\(number): epoch \(epoch) after \(entry.epoch)", &state) }
            if entry.facts.contains(.acknowledged) { Self.report("\(number) was delivered after its ack was confirmed", &state) }
            if entry.facts.contains(.dead) { Self.report("\(number) was delivered from its queue after it was confirmed dead", &state) }
            if entry.id != 0, entry.id != id { Self.report("\(number) was confirmed as \(entry.id) and delivered as \(id)", &state) }
            if entry.facts.contains(.delivered), entry.copy != copy { Self.report("\(number): two copies of one key were delivered", &state) }
            let attemptsMin = Int(entry.attempt) + (entry.facts.contains(.released) ? 0 : 1)
            if delivery.attempt < attemptsMin { Self.report("\(number): attempt \(delivery.attempt) after \(entry.attempt)", &state) }
            entry.id = id
            entry.epoch = epoch
            entry.attempt = UInt16(clamping: delivery.attempt)
            entry.copy = UInt8(clamping: copy)
            entry.facts.remove(.released)
            entry.facts.insert(.delivered)
            state.entries[number] = entry
        }
    }

    func acknowledged(_ number: Int) {
        change { state in
            let wasDone = Self.isDone(state.entries[number])
            guard state.entries[number].facts.insert(.acknowledged).inserted else { return Self.report("\(number) was acknowledged twice", &state) }
            state.totals.acknowledged += 1
            if !wasDone, state.entries[number].facts.contains(.confirmed) { state.open -= 1 }
        }
    }

    /// A dead letter by its worker's word.
    func died(_ number: Int) {
        change { state in
            let wasDone = Self.isDone(state.entries[number])
            guard state.entries[number].facts.insert(.dead).inserted else { return Self.report("\(number) died twice", &state) }
            state.totals.dead += 1
            if !wasDone, state.entries[number].facts.contains(.confirmed) { state.open -= 1 }
        }
    }

    /// Nobody knows whether it was settled.
    func maybeSettled(_ number: Int) {
        change { state in
            let wasDone = Self.isDone(state.entries[number])
            state.entries[number].facts.insert(.maybeSettled)
            if !wasDone, state.entries[number].facts.contains(.confirmed) { state.open -= 1 }
        }
    }

    func condemned(_ number: Int) { change { $0.entries[number].facts.insert(.condemned) } }

    func released(_ number: Int) { change { $0.entries[number].facts.insert(.released) } }

    /// A settlement that acknowledged one and published another has no answer.
    func maybeSettled(_ number: Int, epoch: UInt32, publishing published: Int) {
        maybeSettled(number)
        change { $0.pairs.append((published, number, epoch)) }
    }

    /// Found in the dead-letter queue.
    func foundDead(_ number: Int) {
        change { state in
            guard state.entries.indices.contains(number) else { return Self.report("the dead letter \(number) was never published", &state) }
            let facts = state.entries[number].facts
            if !facts.contains(.condemned) { Self.report("\(number) is a dead letter, and nobody made it one", &state) }
            if facts.contains(.acknowledged) { Self.report("\(number) was acknowledged, and is a dead letter", &state) }
            if facts.contains(.buried) { Self.report("\(number) is a dead letter again after its ack was confirmed", &state) }
            state.entries[number].facts.insert(.seenDead)
        }
    }

    func buried(_ number: Int) { change { $0.entries[number].facts.insert(.buried) } }

    // MARK: The end

    /// What is wrong when nothing is left in the queue and in its dead-letter queue.
    func verdict() -> [String] {
        state.withLock { state in
            for pair in state.pairs where state.entries[pair.published].facts.contains(.delivered) && state.entries[pair.acknowledged].epoch > pair.epoch {
                Self.report("half a settlement: \(pair.published) was published, \(pair.acknowledged) was not acknowledged", &state)
            }
            var lost = 0
            for (number, entry) in state.entries.enumerated() {
                let isLost = entry.facts.contains(.confirmed) && !Self.isDone(entry) || entry.facts.contains(.dead) && !entry.facts.contains(.seenDead)
                guard isLost else { continue }
                lost += 1
                Self.report("\(number) was confirmed and is gone (id \(entry.id), attempt \(entry.attempt), facts \(entry.facts.rawValue))", &state)
            }
            return lost > 0 ? ["\(lost) lost"] + state.violations : state.violations
        }
    }
}
