internal import SpindleWire

/// What a job does to each message that its filter chooses.
public enum BulkChange: Sendable, Hashable {
    /// Removes it; a leased one is flagged. The reason is told to its holder.
    case cancel(reason: String)
    /// Dead letters back to their queues of origin, or to `target`; attempts count from 0 again.
    case redrive(target: String?)
    /// To another queue; attempts are kept.
    case move(target: String)
    /// Ready after the delay; zero: at once.
    case reschedule(delay: Duration)
}

/// How far a job is.
public struct JobProgress: Sendable, Equatable {
    public enum State: Sendable, Hashable { case running, done, stopped }

    /// Messages found; grows while the job looks for them.
    public var matched: Int
    public var done: Int
    /// Messages that could not be changed and stayed.
    public var failed: Int
    public var state: State
    /// Why the last of the failed ones was; nil where none failed.
    public var lastFailure: String?
}

/// A change that goes on at the broker, durably, whether this process lives or not.
public struct Job: Sendable {
    /// The broker's number for it, in hexadecimal where people see it.
    public struct ID: Sendable, Hashable, LosslessStringConvertible {
        public let rawValue: UInt64
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Reads what ``description`` writes; nil for anything else.
        public init?(_ description: String) {
            guard let value = UInt64(description, radix: 16), value > 0 else { return nil }
            rawValue = value
        }

        public var description: String { String(rawValue, radix: 16) }
    }

    public let id: ID
    /// Whose messages it changes.
    public let queue: String
    /// As the broker answered when the job began.
    public let begun: JobProgress
    let client: SpindleClient

    /// Where it stands now. Jobs that ended are remembered for a day.
    ///
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` for one that is not known (any more).
    public func progress() async throws -> JobProgress { try await client.progress(ofJob: id, in: queue) }

    /// Stops it; what was changed stays changed.
    ///
    /// - Throws: ``SpindleError``.
    @discardableResult
    public func stop() async throws -> JobProgress { try await client.stop(job: id, in: queue) }

    /// Asks every `interval` until it ended; returns how.
    ///
    /// - Throws: ``SpindleError``, or `CancellationError`; the job goes on then.
    public func ended(askingEvery interval: Duration = .milliseconds(500)) async throws -> JobProgress {
        var progress = begun
        while progress.state == .running {
            try await Task.sleep(for: interval)
            progress = try await self.progress()
        }
        return progress
    }
}

extension SpindleClient {
    /// Begins to move dead letters back to where they came from, or to `target`.
    ///
    /// Permission: admin on the dead-letter queue, publish on the targets. Not repeated when the connection is lost: the job may have
    /// begun then.
    /// - Parameters:
    ///   - max: 0: all that match now.
    ///   - ratePerSecond: 0: as fast as the broker likes.
    /// - Throws: ``SpindleError``: `TOO_MANY_IN_FLIGHT` where 16 jobs run already.
    public func redrive(
        _ deadLetterQueue: String, to target: String? = nil, where filter: MessageFilter = MessageFilter(), max: Int = 0,
        ratePerSecond: Int = 0
    ) async throws -> Job {
        try await begin(.redrive, queue: deadLetterQueue) {
            RedriveRequest(
                queue: deadLetterQueue, target: target ?? "", messagesMax: UInt32(clamping: max), ratePerSecond: UInt32(clamping: ratePerSecond),
                filter: filter.wire
            ).encode(into: &$0)
        }
    }

    /// Begins to change all messages that match `filter`. Permission: admin; for redrive and move publish on the targets.
    ///
    /// Not repeated when the connection is lost: the job may have begun then.
    /// - Parameters:
    ///   - max: 0: all that match now.
    ///   - ratePerSecond: 0: as fast as the broker likes.
    /// - Throws: ``SpindleError``: `TOO_MANY_IN_FLIGHT` where 16 jobs run already.
    public func change(
        _ change: BulkChange, in queue: String, where filter: MessageFilter, max: Int = 0, ratePerSecond: Int = 0
    ) async throws -> Job {
        var request = BulkRequest(
            .cancel, queue: queue, messagesMax: UInt32(clamping: max), ratePerSecond: UInt32(clamping: ratePerSecond), filter: filter.wire)
        switch change {
        case .cancel(let reason): request.reason = reason
        case .redrive(let target):
            request.action = .redrive
            request.target = target ?? ""
        case .move(let target):
            request.action = .move
            request.target = target
        case .reschedule(let delay):
            request.action = .reschedule
            request.delayMilliseconds = delay.milliseconds(max: WireLimits.durationMillisecondsMax)
        }
        return try await begin(.bulk, queue: queue) { request.encode(into: &$0) }
    }

    /// Where a job stands, by its number. Jobs that ended are remembered for a day.
    ///
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` for one that is not known (any more).
    public func progress(ofJob id: Job.ID, in queue: String) async throws -> JobProgress {
        try await ask(.look, id, queue)
    }

    /// Stops a job, by its number; what was changed stays changed.
    ///
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` for one that is not known (any more).
    @discardableResult
    public func stop(job id: Job.ID, in queue: String) async throws -> JobProgress {
        try await ask(.stop, id, queue)
    }

    private func begin(_ opcode: Opcode, queue: String, encode: (inout WireWriter) -> Void) async throws -> Job {
        try await call(opcode, on: link(for: queue), afterLoss: .failed, encode: encode) { body throws(WireError) in
            let reply = try JobReply(body)
            return Job(id: Job.ID(rawValue: reply.job), queue: queue, begun: JobProgress(reply), client: self)
        }
    }

    private func ask(_ action: BulkRequest.Action, _ id: Job.ID, _ queue: String) async throws -> JobProgress {
        try await call(.bulk, on: link(for: queue), afterLoss: .repeated) {
            BulkRequest(action, job: id.rawValue, queue: queue).encode(into: &$0)
        } decode: { body throws(WireError) in
            JobProgress(try JobReply(body))
        }
    }
}

extension JobProgress {
    init(_ reply: JobReply) {
        let state: State =
            switch reply.state {
            case .running: .running
            case .done: .done
            case .stopped: .stopped
            }
        self.init(
            matched: Int(clamping: reply.matched), done: Int(clamping: reply.done), failed: Int(clamping: reply.failed), state: state,
            lastFailure: reply.lastFailure.isEmpty ? nil : reply.lastFailure)
    }
}
