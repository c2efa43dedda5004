internal import SpindleLog
internal import SpindleQueue
internal import SpindleWire

// What time alone ends: leases, and times to live.
extension Node {
    /// How many ends one entry may tell: a log with small segments takes fewer, and must not wait for room that never comes.
    private func timersMax(bytesEach: Int) -> Int { min(Self.timersPerTurnMax, max(1, log.payloadBytesMax / bytesEach)) }

    /// Ends the leases that are over, at most ``timersPerTurnMax`` at once.
    mutating func endExpiredLeases(now: UInt64) {
        guard state.engine.expiredLease(now: now) != nil else { return }
        let bytesEach = 160 + endByteCountMax
        let countMax = timersMax(bytesEach: bytesEach)
        guard log.canAppend(payloadCount: bytesEach * countMax) else {
            retryTimersAt = now + Self.retryMilliseconds
            return
        }
        beginTransaction(now: now)
        var count = 0
        while count < countMax, let id = state.engine.expiredLease(now: now), let message = state.engine.held.find(id) {
            // The wait was the lease itself: it is ready at once, or dead.
            let next = afterFailure(message, delay: 0)
            end(message, .expired, reason: "the lease ended", next: next)
            count += 1
        }
        do throws(WireError) {
            _ = try appendTransaction(.expire)
        } catch {
            preconditionFailure("the log had room for the ends of leases: \(error.message)")
        }
    }

    /// Ends the times to live that are over, at most ``timersPerTurnMax`` at once: the messages die, or are dropped.
    mutating func endTimesToLive(now: UInt64) {
        guard retryTimersAt == nil, state.engine.nextOver(now: now) != nil else { return }
        let bytesEach = 96 + endByteCountMax
        let countMax = timersMax(bytesEach: bytesEach)
        guard log.canAppend(payloadCount: bytesEach * countMax) else {
            retryTimersAt = now + Self.retryMilliseconds
            return
        }
        beginTransaction(now: now)
        var count = 0
        var open: (queue: UInt32, next: QueueEngine.Next, countAt: Int, count: UInt32)?
        while count < countMax, let over = state.engine.nextOver(now: now) {
            if open?.queue != over.queue {
                if let open { transaction.writer.patch(u32: open.count, at: open.countAt) }
                let next = death(in: over.queue)
                open = (over.queue, next, transaction.beginExpire(in: over.queue, next: next), 0)
            }
            guard let next = open?.next else { break }
            transaction.message(over.id, group: over.group)
            let attempts = deadLetterTopic(of: over.queue) == nil ? 0 : state.engine.view(over.id, in: over.queue, group: over.group)?.attempts ?? 0
            let expired = state.engine.expire(over.id, in: over.queue, group: over.group, next: next, now: state.time)
            precondition(expired, "a message whose time is over is there")
            noteTimeToLiveEnd(over.id, in: over.queue, attempts: attempts, next: next)
            open?.count += 1
            count += 1
            if case .dead(let queue) = next { becameReady(queue) }
        }
        if let open { transaction.writer.patch(u32: open.count, at: open.countAt) }
        do throws(WireError) {
            _ = try appendTransaction(.expire)
        } catch {
            preconditionFailure("the log had room for the ends of times to live: \(error.message)")
        }
    }
}
