internal import Glibc
internal import Synchronization

/// One failpoint, the count of passes after which it acts, and what it does then.
package final class ArmedFailpoint: Sendable {
    /// The environment variable from which the broker's command takes it. For tests only.
    package static let variable = "SPINDLE_FAILPOINT"
    static let passesMax = 1_000_000

    package enum Action: String, CaseIterable, Sendable {
        /// As if by `kill -9`, from within.
        case kill
        /// As if by `kill -STOP`: whoever watches may look at the files as they are.
        case stop
    }

    package struct Malformed: Error, CustomStringConvertible { package let description: String }

    package let point: Failpoint
    package let action: Action
    private let passesLeft: Atomic<Int>
    private let isRecovering = Atomic(true)

    /// `text`: `NAME`, `NAME:PASS` or `NAME:PASS:stop`; it acts at the PASS-th time (from 1, the default) that the point is passed.
    package init(_ text: String) throws(Malformed) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let names = Failpoint.allCases.map(\.rawValue).joined(separator: ", ")
        guard let point = Failpoint(rawValue: String(parts[0])) else {
            throw Malformed(description: "\(Self.variable) is \"\(text)\": there is no point \"\(parts[0])\"; there are \(names)")
        }
        let pass = parts.count > 1 ? Int(parts[1]) : 1
        let action = parts.count > 2 ? Action(rawValue: String(parts[2])) : .kill
        guard parts.count <= 3, let pass, (1...Self.passesMax).contains(pass), let action else {
            throw Malformed(description: "\(Self.variable) is \"\(text)\"; expected NAME:PASS:kill or NAME:PASS:stop with a PASS from 1 to \(Self.passesMax)")
        }
        self.point = point
        self.action = action
        passesLeft = Atomic(pass)
    }

    /// Ends the part of the start to which the points of the recovery belong.
    package func recoveryEnded() { isRecovering.store(false, ordering: .sequentiallyConsistent) }

    /// The point that counts now: one in the recovery, another afterwards.
    func either(inRecovery: Failpoint?, later: Failpoint?) -> Failpoint? {
        isRecovering.load(ordering: .sequentiallyConsistent) ? inRecovery : later
    }

    /// Counts a pass of `point`; true if it is time to act.
    func isDue(_ point: Failpoint?) -> Bool {
        guard let point, point == self.point else { return false }
        return passesLeft.subtract(1, ordering: .relaxed).newValue == 0
    }

    /// Returns only where the process was stopped and goes on.
    func act() {
        let signal = switch action {
        case .kill: SIGKILL
        case .stop: SIGSTOP
        }
        _ = Glibc.kill(getpid(), signal)
        // A signal to oneself is delivered before `kill` returns, unless another thread takes it: then this one waits for the end.
        if action == .kill { while true { pause() } }
    }

    func pass(_ point: Failpoint?) {
        if isDue(point) { act() }
    }
}
