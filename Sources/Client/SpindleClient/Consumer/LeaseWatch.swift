internal import Synchronization

/// What the holder of a delivery learns of its lease while it works.
final class LeaseWatch: Sendable {
    enum State: Sendable, Equatable { case held, cancelled, lost }

    private struct Inner {
        var state = State.held
        var action: (@Sendable (LeaseEnd) -> Void)?
    }

    private let inner = Mutex(Inner())

    var state: State { inner.withLock { $0.state } }

    func onEnd(_ action: @escaping @Sendable (LeaseEnd) -> Void) {
        let end = inner.withLock { inner -> LeaseEnd? in
            switch inner.state {
            case .held:
                inner.action = action
                return nil
            case .cancelled: return .cancelled
            case .lost: return .lost
            }
        }
        if let end { action(end) }
    }

    /// The first end calls the action; lost counts over cancelled in ``state``.
    func end(_ end: LeaseEnd) {
        let action = inner.withLock { inner -> (@Sendable (LeaseEnd) -> Void)? in
            inner.state = end == .lost || inner.state == .lost ? .lost : .cancelled
            defer { inner.action = nil }
            return inner.action
        }
        action?(end)
    }
}
