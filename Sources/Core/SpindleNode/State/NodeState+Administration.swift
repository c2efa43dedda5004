internal import SpindleQueue
internal import SpindleWire

// Replay of what operators did, of messages that grew too old, and of grants that name groups.
extension NodeState {
    mutating func applyAdministration(
        _ kind: OperationKind, _ head: inout WireReader, records: RawSpan, recordsAddress: UInt64
    ) throws(WireError) {
        let queue = try knownQueue(&head)
        switch kind {
        case .pause:
            let what = try head.u8("pause")
            let reason = try head.string("reason", bytesMax: WireLimits.sentenceBytesMax)
            engine.pause(queue, deliveries: what & 1 != 0, publishes: what & 2 != 0, reason: reason)
        case .purge:
            let states = try head.u8("states")
            _ = engine.purge(queue, ready: states & 1 != 0, delayed: states & 2 != 0, now: time)
        case .delete:
            _ = delete(queue)
        case .cancel:
            let reason = try head.string("reason", bytesMax: WireLimits.sentenceBytesMax)
            try forEachMessage(&head, "cancelled") { state, id, group in
                state.engine.cancel(id, in: queue, group: group, reason: reason) != nil
            }
        case .reschedule:
            let until = try head.rising("until")
            try forEachMessage(&head, "rescheduled") { state, id, group in
                state.engine.reschedule(id, in: queue, group: group, until: until == 0 ? nil : until, now: state.time)
            }
        case .move:
            let target = try knownQueue(&head)
            let resets = try head.u8("flags") & 1 != 0
            try forEachMessage(&head, "moved") { state, id, group in
                state.engine.move(id, from: queue, to: target, group: group, resetsAttempts: resets, now: state.time)
            }
        case .expire:
            let next = try head.u8("next")
            let target = try head.u32("dead-letter queue")
            guard next == 3 || (next == 2 && Int(target) < engine.queues.count && !engine.queues[Int(target)].isDeleted) else {
                throw .malformed("state \(next) after the time to live, in queue \(target)")
            }
            try forEachMessage(&head, "out of time") { state, id, group in
                state.engine.expire(id, in: queue, group: group, next: next == 2 ? .dead(queue: target) : .dropped, now: state.time)
            }
        case .relocate:
            try applyRelocations(from: queue, &head, records: records, recordsAddress: recordsAddress)
        case .grantFromGroups:
            let duration = try head.rising("lease")
            let holder = try head.string("holder", bytesMax: WireLimits.sentenceBytesMax)
            try forEachMessage(&head, "granted") { state, id, group in
                state.engine.grant(queue: queue, id: id, group: group, duration: duration, holder: holder, now: state.time) != nil
                    || state.mendGrant(id, queue: queue, duration: duration, holder: holder)
            }
        case .publish, .grant, .acknowledge, .end, .extend, .declare, .topicDeclare, .topicPublish, .jobBegin, .jobStep, .topicRetention, .trim,
            .result, .relocateEvent, .relocateResult, .settled:
            preconditionFailure("operation \(kind) is applied elsewhere")
        }
    }

    /// One relocation and those that follow it directly: they are applied together, as they were live.
    private mutating func applyRelocations(
        from queue: UInt32, _ head: inout WireReader, records: RawSpan, recordsAddress: UInt64
    ) throws(WireError) {
        func relocation(in queue: UInt32, _ head: inout WireReader) throws(WireError) -> Relocation {
            let group = try head.u32("group")
            let id = try head.u64("id")
            let from = try head.u64("former address")
            let offset = try head.u32("record offset")
            let byteCount = try head.u32("record bytes")
            guard Int(offset) + Int(byteCount) <= records.byteCount else {
                throw .malformed("record \(offset)+\(byteCount) of \(records.byteCount)")
            }
            return Relocation(id: id, queue: queue, group: group, from: from, to: recordsAddress + UInt64(offset))
        }
        var relocations = [try relocation(in: queue, &head)]
        while !head.isAtEnd {
            var next = head
            guard try next.u8("operation") == OperationKind.relocate.rawValue else { break }
            let queue = try knownQueue(&next)
            relocations.append(try relocation(in: queue, &next))
            head = next
        }
        for lost in engine.relocate(relocations) where !mendRelocate(lost.id, to: lost.to) {
            try missing("message \(lost.id) was relocated and is not there")
        }
    }

    private mutating func forEachMessage(
        _ head: inout WireReader, _ what: StaticString, _ fact: (inout NodeState, UInt64, UInt32) -> Bool
    ) throws(WireError) {
        for _ in 0..<(try head.count("messages", itemBytesMin: 12, itemsMax: OperationKind.messagesMax)) {
            let group = try head.u32("group")
            let id = try head.u64("id")
            if !fact(&self, id, group) { try missing("message \(id) was \(what) and is not there to be") }
        }
    }

    /// A queue is gone, with all of its messages; returns how many. What was kept by its number goes with it.
    mutating func delete(_ queue: UInt32) -> UInt64 {
        jobs.queueDeleted(queue, now: time)
        results.dropAll(of: queue)
        return engine.delete(queue)
    }

    mutating func applyJob(_ kind: OperationKind, _ head: inout WireReader) throws(WireError) {
        if kind == .jobBegin {
            let job = try Job(&head, beganAt: time)
            if Int(job.queue) >= engine.queues.count || !jobs.begin(job) { try missing("job \(job.id) behind job \(jobs.lastID)") }
        } else {
            let step = try JobTable.Step(&head)
            if !jobs.step(step, now: time) { try missing("job \(step.job) took a step and does not run") }
        }
    }
}
