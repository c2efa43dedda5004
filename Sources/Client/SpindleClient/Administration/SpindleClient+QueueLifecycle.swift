internal import SpindleWire

extension SpindleClient {
    /// Removes a queue. Permission: admin.
    ///
    /// Leases of its messages are lost, and its deduplication keys are forgotten. Not repeated when the connection is lost.
    /// - Parameter withMessages: false: only where no message is left.
    /// - Returns: how many messages went with it.
    /// - Throws: ``SpindleError``: `CONFLICT` where messages are left, `NO_SUCH_QUEUE`, `PERMISSION_DENIED`.
    @discardableResult
    public func delete(queue: String, withMessages: Bool = false) async throws -> Int {
        try await call(.delete, on: link(for: queue), afterLoss: .failed) {
            DeleteRequest(queue: queue, mode: withMessages ? .withMessages : .ifEmpty).encode(into: &$0)
        } decode: { body throws(WireError) in
            Int(clamping: try RemovedReply(body).messagesRemoved)
        }
    }

    /// Removes a queue's ready messages, its delayed ones, or both; leased ones stay. Permission: admin.
    ///
    /// Not repeated when the connection is lost.
    /// - Returns: how many messages were removed.
    /// - Throws: ``SpindleError``.
    @discardableResult
    public func purge(queue: String, ready: Bool = true, delayed: Bool = true) async throws -> Int {
        try await call(.purge, on: link(for: queue), afterLoss: .failed) {
            PurgeRequest(queue: queue, ready: ready, delayed: delayed).encode(into: &$0)
        } decode: { body throws(WireError) in
            Int(clamping: try RemovedReply(body).messagesRemoved)
        }
    }

    /// Stops deliveries, publishes, or both, durably; in place of an earlier pause. Permission: admin.
    ///
    /// While deliveries are paused leases wait as on an empty queue; while publishes are, they are refused with `QUEUE_PAUSED`. What is
    /// leased may be settled.
    /// - Parameter reason: shown to operators; cut after 2,048 bytes.
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` where nothing is to be paused.
    public func pause(queue: String, deliveries: Bool = true, publishes: Bool = false, reason: String) async throws {
        var what: SpindleWire.QueuePause = []
        if deliveries { what.insert(.deliveries) }
        if publishes { what.insert(.publishes) }
        try await callWithoutAnswer(.pause, on: link(for: queue)) {
            PauseRequest(queue: queue, what: what, reason: reason).encode(into: &$0)
        }
    }

    /// Ends a pause. Permission: admin.
    ///
    /// - Throws: ``SpindleError``.
    public func resume(queue: String) async throws {
        try await callWithoutAnswer(.resume, on: link(for: queue)) { ResumeRequest(queue: queue).encode(into: &$0) }
    }

    /// A request that is done once its reply came, and may be repeated.
    private func callWithoutAnswer(_ opcode: Opcode, on link: Link, encode: (inout WireWriter) -> Void) async throws {
        try await call(opcode, on: link, afterLoss: .repeated, encode: encode) { body throws(WireError) in
            var reader = WireReader(body)
            try reader.skipTail()
        }
    }
}
