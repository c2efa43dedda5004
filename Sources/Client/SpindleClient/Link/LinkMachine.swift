package import NIOCore

/// When a link connects, waits and gives up. Decides; ``Link`` connects and keeps the time.
///
/// ```
/// idle → connecting → up → waiting → connecting …      (every state can go to closed)
/// ```
package struct LinkMachine {
    /// A connection that lasted this long starts the back-off anew; one that ended sooner counts as a failed attempt.
    package static let stableAfter = TimeAmount.seconds(1)

    private enum State {
        /// Nothing to do. Can transition to: connecting, closed.
        case idle(failures: Int)
        /// Can transition to: up, waiting, closed.
        case connecting(failures: Int)
        /// Can transition to: waiting, closed.
        case up(since: NIODeadline, failures: Int)
        /// Backing off. Can transition to: connecting, idle, closed.
        case waiting(failures: Int)
        case closed
    }

    private var state = State.idle(failures: 0)
    private let initial: TimeAmount
    private let cap: TimeAmount

    package init(initial: TimeAmount, cap: TimeAmount) {
        self.initial = initial
        self.cap = cap
    }

    package var isUp: Bool { if case .up = state { true } else { false } }
    package var isClosed: Bool { if case .closed = state { true } else { false } }
    /// Which endpoint's turn it is: one further with every failure.
    package var failures: Int {
        switch state {
        case .idle(let failures), .connecting(let failures), .up(_, let failures), .waiting(let failures): failures
        case .closed: 0
        }
    }

    /// There is something to send. True: connect now.
    package mutating func workArrived() -> Bool {
        guard case .idle(let failures) = state else { return false }
        state = .connecting(failures: failures)
        return true
    }

    /// HELLO and AUTH are done.
    package mutating func connected(now: NIODeadline) {
        guard case .connecting(let failures) = state else { return }
        state = .up(since: now, failures: failures)
    }

    /// Longest wait that a broker can ask for.
    package static let retryAfterMax = TimeAmount.seconds(60)

    /// The attempt failed or the connection ended. How long to wait; nil once closed. `random` is 0 to 1: full jitter. `atLeast`: what the
    /// broker asked for.
    package mutating func ended(now: NIODeadline, random: Double, atLeast: TimeAmount? = nil) -> TimeAmount? {
        let failures: Int
        switch state {
        case .closed, .idle, .waiting: return nil
        case .connecting(let before): failures = before + 1
        case .up(let since, let before): failures = now - since >= Self.stableAfter ? 1 : before + 1
        }
        state = .waiting(failures: failures)
        return max(Self.delay(failures: failures, initial: initial, cap: cap, random: random), min(atLeast ?? .zero, Self.retryAfterMax))
    }

    /// The wait is over. True: connect now; false: there is nothing to connect for.
    package mutating func waitEnded(hasWork: Bool) -> Bool {
        guard case .waiting(let failures) = state else { return false }
        state = hasWork ? .connecting(failures: failures) : .idle(failures: failures)
        return hasWork
    }

    package mutating func close() { state = .closed }

    /// Exponential, capped, with full jitter. Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    package static func delay(failures: Int, initial: TimeAmount, cap: TimeAmount, random: Double) -> TimeAmount {
        let doublings = min(max(failures - 1, 0), 30)
        let (grown, overflow) = initial.nanoseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
        let ceiling = overflow ? cap.nanoseconds : min(grown, cap.nanoseconds)
        return .nanoseconds(Int64(Double(ceiling) * min(max(random, 0), 1)))
    }
}
