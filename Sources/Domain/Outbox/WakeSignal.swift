internal import Synchronization

/// Wakes one waiting task, or lets its next wait return at once. Raising it many times counts as once.
package final class WakeSignal: Sendable {
    private struct State {
        var isRaised = false
        var nextWait: UInt64 = 0
        /// Waits up to this number have run out of time or were cancelled, even if they haven't begun to wait yet.
        var expiredThrough: UInt64?
        var waiter: (wait: UInt64, continuation: CheckedContinuation<Bool, Never>)?
    }

    private let state = Mutex(State())

    package init() {}

    package func raise() {
        let waiting = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard let waiter = state.waiter else {
                state.isRaised = true
                return nil
            }
            state.waiter = nil
            return waiter.continuation
        }
        waiting?.resume(returning: true)
    }

    /// Waits until the signal is raised, the time is over or the task is cancelled. One task may wait at a time.
    /// - Returns: whether the signal was raised.
    package func wait(atMost limit: Duration) async -> Bool {
        let wait = state.withLock { state in
            state.nextWait += 1
            return state.nextWait
        }
        let timer = Task {
            // Ends early only by being cancelled below, when the wait is over anyway.
            try? await Task.sleep(for: limit)
            self.expire(wait)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    precondition(state.waiter == nil, "two tasks wait for one signal")
                    if state.isRaised {
                        state.isRaised = false
                        return true
                    }
                    if let expired = state.expiredThrough, expired >= wait { return false }
                    state.waiter = (wait, continuation)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            self.expire(wait)
        }
    }

    private func expire(_ wait: UInt64) {
        let waiting = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            state.expiredThrough = max(state.expiredThrough ?? 0, wait)
            guard let waiter = state.waiter, waiter.wait == wait else { return nil }
            state.waiter = nil
            return waiter.continuation
        }
        waiting?.resume(returning: false)
    }
}
