package import NIOCore

/// What a consumer holds, asks for and extends. Decides; ``ConsumerCore`` sends and keeps the time.
package struct ConsumerMachine {
    package struct Settings {
        /// Deliveries held at once: under way, waiting to be taken, being worked on.
        package var inFlightMax: Int
        /// LEASE requests that may be unanswered at once.
        package var leasesMax: Int
        /// Most messages asked for in one LEASE.
        package var messagesPerLeaseMax: Int

        package init(inFlightMax: Int, leasesMax: Int, messagesPerLeaseMax: Int) {
            self.inFlightMax = inFlightMax
            self.leasesMax = leasesMax
            self.messagesPerLeaseMax = messagesPerLeaseMax
        }
    }

    private struct Held {
        var extendAt: NIODeadline
        var lease: TimeAmount
        var isSettling = false
        var isExtending = false
        var isCancelled = false
        var progress: Progress?
    }

    package struct Progress: Sendable, Equatable {
        package var percent: Int?
        package var note: String

        package init(percent: Int?, note: String) {
            self.percent = percent
            self.note = note
        }
    }

    private let settings: Settings
    private var held: [DeliveryToken: Held] = [:]
    /// Messages asked for and not yet answered.
    private var asked = 0
    private var leases = 0
    private var isStopped = false
    private var isPaused = false

    package init(_ settings: Settings) { self.settings = settings }

    package var heldCount: Int { held.count }
    /// Whether what comes for a LEASE is wanted.
    package var isLeasing: Bool { !isStopped && !isPaused }

    /// How many messages to ask for now; nil: no LEASE now. Must be called again until it says nil.
    package mutating func ask() -> Int? {
        guard !isStopped, !isPaused, leases < settings.leasesMax else { return nil }
        let free = settings.inFlightMax - held.count - asked
        // One LEASE is always out while there is room; a further one only when it is worth a frame.
        guard free >= (leases == 0 ? 1 : max(1, settings.inFlightMax / 4)) else { return nil }
        let count = min(free, settings.messagesPerLeaseMax)
        leases += 1
        asked += count
        return count
    }

    /// A LEASE for `count` was answered. False: the consumer is stopped or pauses, and the messages go back.
    package mutating func granted(_ tokens: [DeliveryToken], lease: TimeAmount, asked count: Int, now: NIODeadline) -> Bool {
        leaseEnded(asked: count)
        guard !isStopped, !isPaused else { return false }
        for token in tokens { held[token] = Held(extendAt: now + Self.third(lease), lease: lease) }
        return true
    }

    /// A LEASE for `count` failed.
    package mutating func leaseEnded(asked count: Int) {
        leases -= 1
        asked -= count
    }

    /// An ACK, NACK or SETTLE for it goes out: from now on a lost lease is the settlement's to report.
    package mutating func settling(_ token: DeliveryToken) { held[token]?.isSettling = true }

    /// Settled, lost or given up: not held any more.
    package mutating func remove(_ token: DeliveryToken) { held[token] = nil }

    /// Goes out with the next extension, which is due at once. False: not held.
    package mutating func report(_ progress: Progress, for token: DeliveryToken, now: NIODeadline) -> Bool {
        guard held[token] != nil else { return false }
        held[token]?.progress = progress
        held[token]?.extendAt = now
        return true
    }

    /// When an extension is due next; nil: never.
    package var nextExtension: NIODeadline? {
        held.values.lazy.filter { !$0.isExtending }.map(\.extendAt).min() // a minimum: the order of iteration doesn't matter
    }

    /// What to extend now, in order of ids. Those due within a tenth of their lease go along, so that they share a frame.
    package mutating func dueExtensions(now: NIODeadline) -> [(token: DeliveryToken, progress: Progress?)] {
        let due = held.filter { !$0.value.isExtending && $0.value.extendAt <= now + .nanoseconds($0.value.lease.nanoseconds / 10) }
        return due.keys.sorted { ($0.messageID, $0.epoch) < ($1.messageID, $1.epoch) }.map { token in
            let progress = held[token]?.progress
            held[token]?.progress = nil
            held[token]?.isExtending = true
            return (token, progress)
        }
    }

    /// Extended until `lease` after it was sent. True: cancelled, and the holder does not know yet.
    package mutating func extended(_ token: DeliveryToken, lease: TimeAmount, sent: NIODeadline, cancelled: Bool) -> Bool {
        guard var entry = held[token] else { return false }
        entry.isExtending = false
        entry.lease = lease
        // A report may have come since.
        entry.extendAt = entry.progress == nil ? sent + Self.third(lease) : sent
        let isNews = cancelled && !entry.isCancelled
        entry.isCancelled = entry.isCancelled || cancelled
        held[token] = entry
        return isNews
    }

    /// The broker says the lease is gone. True: the holder must be told; false: it is being settled, which will tell.
    package mutating func lost(_ token: DeliveryToken) -> Bool {
        guard let entry = held[token] else { return false }
        guard !entry.isSettling else {
            held[token]?.isExtending = false
            held[token]?.extendAt = .distantFuture
            return false
        }
        held[token] = nil
        return true
    }

    /// The extension got no answer: once more, soon.
    package mutating func extensionFailed(_ token: DeliveryToken, now: NIODeadline) {
        guard let entry = held[token] else { return }
        held[token]?.isExtending = false
        held[token]?.extendAt = now + min(.nanoseconds(entry.lease.nanoseconds / 10), .seconds(1))
    }

    /// The broker has another log than before: every lease is gone. Those whose holders must be told.
    package mutating func loseAll() -> [DeliveryToken] {
        let lost = held.keys.sorted { ($0.messageID, $0.epoch) < ($1.messageID, $1.epoch) }
        held = [:]
        return lost
    }

    /// The broker says that it was cancelled. True: the holder does not know yet.
    package mutating func cancelled(_ token: DeliveryToken) -> Bool {
        guard let entry = held[token], !entry.isCancelled else { return false }
        held[token]?.isCancelled = true
        return true
    }

    package mutating func stop() { isStopped = true }

    /// Nothing is asked for until ``resume()``.
    package mutating func pause() { isPaused = true }

    package mutating func resume() { isPaused = false }

    private static func third(_ lease: TimeAmount) -> TimeAmount { .nanoseconds(lease.nanoseconds / 3) }
}
