internal import SpindleWire
internal import Synchronization

/// What an operator wishes of this client, pushed by the broker.
public struct WorkerWish: Sendable, Equatable {
    public enum Action: Sendable, Hashable {
        /// Lease nothing new, finish what is held, stay connected.
        case quiet
        /// Lease again.
        case resume
        /// As quiet; what is not finished within ``WorkerWish/grace`` is handed back, then the worker ends.
        case terminate
    }

    public var action: Action
    public var grace: Duration
    /// In the operator's words.
    public var reason: String

    public init(action: Action, grace: Duration, reason: String) {
        self.action = action
        self.grace = grace
        self.reason = reason
    }

    /// Nil for a wish of a later version, which is ignored.
    init?(_ notice: QuietNotice) {
        switch notice.action {
        case .quiet: action = .quiet
        case .resume: action = .resume
        case .terminate: action = .terminate
        case nil: return nil
        }
        grace = .milliseconds(Int64(notice.graceMilliseconds))
        reason = notice.reason
    }
}

/// Those who want to know the wishes that come over any of a client's connections.
final class WishListeners: Sendable {
    private struct State {
        var nextID = 0
        var actions: [Int: @Sendable (WorkerWish) -> Void] = [:]
    }

    private let state = Mutex(State())

    func add(_ action: @escaping @Sendable (WorkerWish) -> Void) -> Int {
        state.withLock { state in
            state.nextID += 1
            state.actions[state.nextID] = action
            return state.nextID
        }
    }

    func remove(_ id: Int) { state.withLock { _ = $0.actions.removeValue(forKey: id) } }

    func tell(_ wish: WorkerWish) {
        let actions = state.withLock { state in state.actions.sorted { $0.key < $1.key }.map(\.value) }
        for action in actions { action(wish) }
    }
}

extension SpindleClient {
    /// Calls `action` with each wish of an operator, on an event loop: it must not block. A wish for all of a client's connections comes
    /// once for each. Returns what ``forgetWishes(_:)`` takes.
    public func onWish(_ action: @escaping @Sendable (WorkerWish) -> Void) -> Int { wishes.add(action) }

    public func forgetWishes(_ id: Int) { wishes.remove(id) }
}
