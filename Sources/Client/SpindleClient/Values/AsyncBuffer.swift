internal import Synchronization

/// Hands elements from an event loop to the tasks that wait for them. Bounded by its users' credit, not by itself.
final class AsyncBuffer<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var head = 0
        var waiters: [(id: UInt64, continuation: CheckedContinuation<Element?, any Error>)] = []
        var nextID: UInt64 = 0
        var end: Result<Void, any Error>?
        var cancelledBeforeWaiting: Set<UInt64> = []

        mutating func pop() -> Element? {
            guard head < elements.count else { return nil }
            let element = elements[head]
            head += 1
            if head == elements.count {
                elements.removeAll(keepingCapacity: true)
                head = 0
            } else if head >= 1024 {
                elements.removeFirst(head)
                head = 0
            }
            return element
        }
    }

    private let state = Mutex(State())

    /// Elements that nobody took yet.
    var count: Int { state.withLock { $0.elements.count - $0.head } }

    func push(_ elements: some Sequence<Element>) {
        let woken = state.withLock { state -> [(CheckedContinuation<Element?, any Error>, Element)] in
            guard state.end == nil else { return [] }
            state.elements.append(contentsOf: elements)
            var woken: [(CheckedContinuation<Element?, any Error>, Element)] = []
            while !state.waiters.isEmpty, let element = state.pop() { woken.append((state.waiters.removeFirst().continuation, element)) }
            return woken
        }
        for (continuation, element) in woken { continuation.resume(returning: element) }
    }

    /// The end, after what is buffered; with an error where there is one. The first end counts.
    func finish(throwing error: (any Error)? = nil) {
        let woken = state.withLock { state -> [CheckedContinuation<Element?, any Error>] in
            guard state.end == nil else { return [] }
            state.end = error.map { .failure($0) } ?? .success(())
            defer { state.waiters = [] }
            return state.waiters.map(\.continuation)
        }
        for continuation in woken {
            if let error { continuation.resume(throwing: error) } else { continuation.resume(returning: nil) }
        }
    }

    /// Takes what nobody took yet.
    func drain() -> [Element] {
        state.withLock { state in
            defer {
                state.elements = []
                state.head = 0
            }
            return Array(state.elements[state.head...])
        }
    }

    /// The next element; nil at the end and when the task is cancelled.
    func next() async throws -> Element? {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Element?, any Error>) in
                let now = state.withLock { state -> Result<Element?, any Error>? in
                    if state.cancelledBeforeWaiting.remove(id) != nil { return .success(nil) }
                    if let element = state.pop() { return .success(element) }
                    if let end = state.end { return end.map { nil } }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let now { continuation.resume(with: now) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Element?, any Error>? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                    state.cancelledBeforeWaiting.insert(id)
                    return nil
                }
                return state.waiters.remove(at: index).continuation
            }
            waiter?.resume(returning: nil)
        }
    }
}
