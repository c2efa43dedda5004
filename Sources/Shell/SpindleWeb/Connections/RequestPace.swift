/// Judges whether the peer of a connection does its part in time: sends a request, all of it, and takes the answer. What takes the
/// server itself long is never late. `now` is in milliseconds of any steady clock.
package struct RequestPace {
    /// What the peer did not do in time.
    package enum Lateness: String, Sendable, Hashable {
        case firstRequest = "it sent no request"
        case nextRequest = "it sent no further request"
        case body = "it sent its request too slowly"
        case answer = "it did not take the answer"
    }

    package struct Deadline: Sendable, Hashable {
        package let at: Int64
        package let lateness: Lateness

        package init(at: Int64, lateness: Lateness) {
            self.at = at
            self.lateness = lateness
        }
    }

    private enum Input {
        case firstRequest(since: Int64)
        case nextRequest(since: Int64)
        case body(since: Int64, bytes: Int64)
    }

    private let limits: WebServerLimits
    private var input: Input
    /// Requests that were read whole or in part, and whose answers haven't ended.
    private var unanswered = 0
    /// What waits for the peer is too much since then.
    private var blockedSince: Int64?

    package init(limits: WebServerLimits, now: Int64) {
        self.limits = limits
        input = .firstRequest(since: now)
    }

    /// No request came yet.
    package var isFresh: Bool { if case .firstRequest = input { true } else { false } }

    package mutating func head(now: Int64) {
        unanswered += 1
        input = .body(since: now, bytes: 0)
    }

    package mutating func body(bytes: Int) {
        guard case .body(let since, let before) = input else { return }
        input = .body(since: since, bytes: before + Int64(bytes))
    }

    package mutating func endOfRequest(now: Int64) { input = .nextRequest(since: now) }

    package mutating func endOfAnswer(now: Int64) {
        unanswered = max(0, unanswered - 1)
        guard unanswered == 0, case .nextRequest = input else { return }
        input = .nextRequest(since: now)
    }

    /// - Parameter isWritable: false: the socket is full, and so is what may wait before it.
    package mutating func output(isWritable: Bool, now: Int64) { blockedSince = isWritable ? nil : blockedSince ?? now }

    /// The next moment at which the peer is late; nil while nothing is awaited of it.
    package var deadline: Deadline? {
        var deadlines: [Deadline] = []
        if let blockedSince { deadlines.append(Deadline(at: blockedSince + limits.unreadMilliseconds, lateness: .answer)) }
        switch input {
        case .firstRequest(let since):
            deadlines.append(Deadline(at: since + limits.firstRequestMilliseconds, lateness: .firstRequest))
        case .nextRequest(let since):
            if unanswered == 0 { deadlines.append(Deadline(at: since + limits.idleMilliseconds, lateness: .nextRequest)) }
        case .body(let since, let bytes):
            let earned = bytes * 1_000 / limits.bodyBytesPerSecondMin
            deadlines.append(Deadline(at: since + limits.bodyMilliseconds + earned, lateness: .body))
        }
        return deadlines.min { $0.at < $1.at }
    }
}
