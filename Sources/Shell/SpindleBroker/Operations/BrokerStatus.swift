import Synchronization

/// Whether the broker can do its work, as any thread may ask.
final class BrokerStatus: Sendable {
    /// Can transition to: `starting` → `serving` → `draining` → `stopped`; all → `failed`.
    private enum Phase {
        case starting
        case serving
        case draining
        case stopped
        case failed(String)
    }

    private struct State {
        var phase: Phase = .starting
        var isDiskFull = false
    }

    private let state = Mutex(State())

    func serving() { advance(.serving) }
    func draining() { advance(.draining) }
    func stopped() { advance(.stopped) }
    func failed(_ reason: String) { state.withLock { $0.phase = .failed(reason) } }
    func diskFull(_ isFull: Bool) { state.withLock { $0.isDiskFull = isFull } }

    /// In a word.
    var phase: String {
        state.withLock {
            switch $0.phase {
            case .starting: "starting"
            case .serving: "serving"
            case .draining: "draining"
            case .stopped: "stopped"
            case .failed: "failed"
            }
        }
    }

    private func advance(_ phase: Phase) {
        state.withLock {
            if case .failed = $0.phase { return }
            $0.phase = phase
        }
    }

    /// Why no new work can be taken now; nil when it can.
    var notReady: String? {
        state.withLock {
            switch $0.phase {
            case .starting: "the log is being recovered"
            case .draining: "the broker is stopping"
            case .stopped: "the broker has stopped"
            case .failed(let reason): reason
            case .serving: $0.isDiskFull ? "the disk is full: publishes are refused" : nil
            }
        }
    }
}
