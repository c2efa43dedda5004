internal import SpindleClient
internal import Synchronization

/// Whether an operator wishes that nothing new is leased, for all consumers of a worker.
final class QuietSignal: Sendable {
    private struct State {
        var isQuiet = false
        var nextID = 0
        var consumers: [Int: Consumer] = [:]
    }

    private let state = Mutex(State())

    var isQuiet: Bool { state.withLock { $0.isQuiet } }

    /// Returns what ``forget(_:)`` takes.
    func add(_ consumer: Consumer) -> Int {
        let (id, isQuiet) = state.withLock { state in
            state.nextID += 1
            state.consumers[state.nextID] = consumer
            return (state.nextID, state.isQuiet)
        }
        if isQuiet { consumer.pause() }
        return id
    }

    func forget(_ id: Int) { state.withLock { _ = $0.consumers.removeValue(forKey: id) } }

    /// False: it was so before.
    func set(_ isQuiet: Bool) -> Bool {
        let consumers = state.withLock { state -> [Consumer]? in
            guard state.isQuiet != isQuiet else { return nil }
            state.isQuiet = isQuiet
            return Array(state.consumers.values)
        }
        for consumer in consumers ?? [] {
            if isQuiet { consumer.pause() } else { consumer.resume() }
        }
        return consumers != nil
    }
}
