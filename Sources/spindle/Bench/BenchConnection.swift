import SpindleClient
import Synchronization

/// One connection's part of a measurement: keeps `window` requests unanswered until its messages are done.
final class BenchConnection: Sendable {
    enum Work: Sendable {
        /// `whole` again and again, `last` for what is left over.
        case publish(whole: MessageBatch, last: MessageBatch)
        /// A LEASE, and the ACK of everything that it brought.
        case leaseAndAcknowledge
    }

    /// What one of the requests in the window is about.
    private struct Slot {
        var started = ContinuousClock.now
        var messages = 0
    }

    private struct State {
        /// Messages that no request was made for.
        var left: Int
        var slots: [Slot]
        var unanswered = 0
        var sample = BenchSample()
        var finish: CheckedContinuation<BenchSample, any Error>?
    }

    /// How long a LEASE waits where the queue is empty, though messages are still expected.
    private static let wait = Duration.seconds(5)

    private let work: Work
    private let queue: String
    private let batch: Int
    /// Touched on the connection's event loop only; the lock is never waited for.
    private let state: Mutex<State>

    private init(_ work: Work, count: Int, _ options: BenchOptions) {
        self.work = work
        queue = options.queue
        batch = options.batch
        state = Mutex(State(left: count, slots: [Slot](repeating: Slot(), count: options.window)))
    }

    /// Connects, does the work on `count` messages, and closes.
    static func run(_ work: Work, count: Int, _ options: BenchOptions, _ configuration: ClientConfiguration) async throws -> BenchSample {
        let own = BenchConnection(work, count: count, options)
        let connection = try await RawConnection.connect(configuration: configuration) { own.handle($1, $0) }
        guard connection.inFlightMax >= options.window else {
            await connection.close()
            throw CommandFailure("the broker lets \(connection.inFlightMax) requests of a connection wait at once.", advice: "Choose a smaller --window.")
        }
        let result: Result<BenchSample, any Error>
        do {
            result = .success(
                try await withCheckedThrowingContinuation { continuation in
                    own.state.withLock { $0.finish = continuation }
                    connection.run { own.begin($0) }
                })
        } catch {
            result = .failure(error)
        }
        await connection.close()
        return try result.get()
    }

    private func begin(_ sender: RawConnection.Sender) {
        state.withLock { $0.sample.begin() }
        for slot in 0..<state.withLock({ $0.slots.count }) { send(slot, sender) }
        finishIfDone()
    }

    private func handle(_ event: RawEvent, _ sender: RawConnection.Sender) {
        switch event {
        case .published(let slot, let stored, let refused):
            answered(Int(slot), messages: stored, failures: refused, "the broker refused messages: is the queue at its limit, or the disk full?")
            send(Int(slot), sender)
        case .leased(let slot, let tokens, _): leased(Int(slot), tokens, sender)
        case .acknowledged(let slot, let done, let lost):
            answered(Int(slot), messages: done, failures: lost, "leases ended before their acknowledgement")
            send(Int(slot), sender)
        case .refused(_, let error): finish(throwing: error)
        case .ended(let error): finish(throwing: error)
        }
        finishIfDone()
    }

    private func send(_ index: Int, _ sender: RawConnection.Sender) {
        let count = state.withLock { state in
            let count = min(state.left, batch)
            state.left -= count
            if count > 0 { state.unanswered += 1 }
            state.slots[index] = Slot(started: .now, messages: count)
            return count
        }
        guard count > 0 else { return }
        switch work {
        case .publish(let whole, let last): sender.publish(count == whole.count ? whole : last, to: queue, context: UInt64(index))
        case .leaseAndAcknowledge:
            sender.lease(from: queue, max: count, bytesMax: BenchOptions.batchBytesMax, wait: Self.wait, context: UInt64(index))
        }
    }

    private func leased(_ index: Int, _ tokens: [DeliveryToken], _ sender: RawConnection.Sender) {
        guard !tokens.isEmpty else {
            state.withLock { state in
                state.unanswered -= 1
                state.sample.fail(state.slots[index].messages, "the queue was empty for \(Self.wait), with messages still expected")
            }
            return
        }
        state.withLock { state in
            // What this LEASE did not bring, another one must.
            state.left += state.slots[index].messages - tokens.count
            state.slots[index].messages = tokens.count
        }
        sender.acknowledge(tokens, context: UInt64(index))
    }

    private func answered(_ index: Int, messages: Int, failures: Int, _ reason: String) {
        state.withLock { state in
            state.unanswered -= 1
            state.sample.record(ContinuousClock.now - state.slots[index].started, messages: messages)
            if failures > 0 { state.sample.fail(failures, reason) }
        }
    }

    private func finishIfDone() {
        let (finish, sample) = state.withLock { state -> (CheckedContinuation<BenchSample, any Error>?, BenchSample) in
            guard state.unanswered == 0, state.left == 0 else { return (nil, BenchSample()) }
            state.sample.end()
            return (state.finish.take(), state.sample)
        }
        finish?.resume(returning: sample)
    }

    private func finish(throwing error: SpindleError) {
        state.withLock { $0.finish.take() }?.resume(throwing: error)
    }
}
