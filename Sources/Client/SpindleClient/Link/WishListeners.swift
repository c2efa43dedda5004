internal import SpindleWire
internal import Synchronization

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

    func received(_ notice: QuietNotice) {
        guard let wish = WorkerWish(notice) else { return } // an action of a later broker
        let actions = state.withLock { state in state.actions.sorted { $0.key < $1.key }.map(\.value) }
        for action in actions { action(wish) }
    }
}
