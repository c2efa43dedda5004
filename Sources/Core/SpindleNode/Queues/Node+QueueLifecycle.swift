internal import DequeModule
internal import SpindleQueue
internal import SpindleWire

// DELETE, PURGE, PAUSE and RESUME.
extension Node {
    mutating func delete(_ request: Request, _ body: RawSpan) throws(WireError) {
        let delete = try DeleteRequest(body)
        let name = delete.queue
        try Self.allow(request.principal.admin, name, "delete queue", request.principal)
        let queue = try queueNumber(name)
        let length = state.engine.queues[Int(queue)].counts.length
        if delete.mode == .ifEmpty, length > 0 {
            throw WireError(.conflict, "the queue '\(name)' holds \(length) messages; delete it with them, or empty it first")
        }
        // What dies there would have nowhere to go.
        if let other = state.engine.queues.first(where: { !$0.isDeleted && $0.number != queue && $0.policy.deadLetterQueue == name }) {
            throw WireError(.conflict, "'\(name)' is the dead-letter queue of '\(other.name)'; delete that one first, or give it another")
        }
        try checkReserve(64)
        beginTransaction(now: request.now)
        transaction.delete(queue)
        _ = try appendTransaction(.delete)
        let removed = state.delete(queue)
        statistics.messagesRemoved += removed
        forget(queue, name)
        answer(request.session, request.correlationID, .delete) { RemovedReply(messagesRemoved: removed).encode(into: &$0) }
    }

    /// Lets go of everything that is kept by the queue's number or name: the number may soon be another queue's.
    private mutating func forget(_ queue: UInt32, _ name: String) {
        let index = Int(queue)
        queueNames.remove(name)
        let waiting = waitingLeases.removeAll(on: queue)
        duplicates[index] = 0
        queuesToServe.removeAll { $0 == queue }
        rateDeadlineByQueue[queue] = nil
        forgetEndedJobRuns()
        reviewAwaits(of: queue)
        for id in progress.keys.sorted() where state.engine.held.find(id) == nil { progress[id] = nil }
        for waiter in waiting where sessions[waiter.session] != nil {
            free(.init(requests: 1, waits: waiter.placeCount), waiter.session)
            let error = WireError(.noSuchQueue, "the queue '\(name)' was deleted while this LEASE waited")
            answer(waiter.session, waiter.correlationID, .refused(.lease, error))
        }
    }

    mutating func purge(_ request: Request, _ body: RawSpan) throws(WireError) {
        let purge = try PurgeRequest(body)
        try Self.allow(request.principal.admin, purge.queue, "purge queue", request.principal)
        let queue = try queueNumber(purge.queue)
        try checkReserve(64)
        beginTransaction(now: request.now)
        transaction.purge(queue, ready: purge.ready, delayed: purge.delayed)
        _ = try appendTransaction(.purge)
        let removed = state.engine.purge(queue, ready: purge.ready, delayed: purge.delayed, now: state.time)
        statistics.messagesRemoved += removed
        reviewAwaits(of: queue)
        answer(request.session, request.correlationID, .purge) { RemovedReply(messagesRemoved: removed).encode(into: &$0) }
    }

    mutating func pause(_ request: Request, _ body: RawSpan) throws(WireError) {
        let pause = try PauseRequest(body)
        try Self.allow(request.principal.admin, pause.queue, "pause queue", request.principal)
        try setPause(request, .pause, queue: try queueNumber(pause.queue), pause.what, reason: pause.reason)
    }

    mutating func resume(_ request: Request, _ body: RawSpan) throws(WireError) {
        let resume = try ResumeRequest(body)
        try Self.allow(request.principal.admin, resume.queue, "resume queue", request.principal)
        try setPause(request, .resume, queue: try queueNumber(resume.queue), [], reason: "")
    }

    private mutating func setPause(
        _ request: Request, _ opcode: Opcode, queue: UInt32, _ what: QueuePause, reason: String
    ) throws(WireError) {
        try checkReserve(64 + reason.utf8.count)
        let deliveries = what.contains(.deliveries)
        let publishes = what.contains(.publishes)
        beginTransaction(now: request.now)
        transaction.pause(queue, deliveries: deliveries, publishes: publishes, reason: reason)
        _ = try appendTransaction(.pause)
        state.engine.pause(queue, deliveries: deliveries, publishes: publishes, reason: reason)
        if !deliveries { becameReady(queue) }
        answer(request.session, request.correlationID, opcode) { _ in }
    }

    /// Refuses what would put new messages into a queue whose publishes are paused.
    func checkNotPaused(_ queue: UInt32) throws(WireError) {
        guard state.engine.queues[Int(queue)].pause.publishes else { return }
        let pause = state.engine.queues[Int(queue)].pause
        let why = pause.reason.isEmpty ? "" : ": \(pause.reason)"
        throw WireError(
            .queuePaused, "publishes to '\(state.engine.queues[Int(queue)].name)' are paused by an operator\(why)",
            retryAfterMilliseconds: 1000)
    }
}
