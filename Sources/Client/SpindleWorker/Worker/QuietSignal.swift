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
        state.withLock { state in
            state.nextID += 1
            state.consumers[state.nextID] = consumer
            if state.isQuiet { consumer.pause() }
            return state.nextID
        }
    }

    func forget(_ id: Int) { state.withLock { _ = $0.consumers.removeValue(forKey: id) } }

    /// Returns false where it was so before. Consumers are told under the lock (telling only enqueues): who sees ``isQuiet`` knows that
    /// whatever he does next comes after.
    func set(_ isQuiet: Bool) -> Bool {
        state.withLock { state in
            guard state.isQuiet != isQuiet else { return false }
            state.isQuiet = isQuiet
            for consumer in state.consumers.values {
                if isQuiet { consumer.pause() } else { consumer.resume() }
            }
            return true
        }
    }
}
