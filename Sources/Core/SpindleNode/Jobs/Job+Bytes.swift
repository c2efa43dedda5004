internal import SpindleWire

// Jobs as bytes: operations of log entries, and a section of checkpoints. Source: `docs/decisions/0002-transactions.md`.

extension Job {
    /// What it is to do: `u64 id · u8 action · u32 queue · string queue name · string target · u64 delay · u64 max · u64 rate ·
    /// string reason · string principal · u32 patterns × string · u64 id end · u32 filter bytes · filter`
    func encode(into writer: inout WireWriter) {
        writer.u64(id)
        writer.u8(action.rawValue)
        writer.u32(queue)
        writer.string(queueName)
        writer.string(target)
        writer.u64(delayMilliseconds)
        writer.u64(messagesMax)
        writer.u64(ratePerSecond)
        writer.sentence(reason)
        writer.string(principal)
        writer.u32(UInt32(publish.count))
        for pattern in publish { writer.string(pattern) }
        writer.u64(idEnd)
        filter.encode(into: &writer)
    }

    init(_ reader: inout WireReader, beganAt: UInt64) throws(WireError) {
        id = try reader.u64("job")
        guard let action = Action(rawValue: try reader.u8("action")) else { throw .malformed("action of job \(id)") }
        self.action = action
        queue = try reader.u32("queue")
        queueName = try reader.string("queue name")
        target = try reader.string("target")
        delayMilliseconds = try reader.u64("delay")
        messagesMax = try reader.u64("max")
        ratePerSecond = try reader.u64("rate")
        reason = try reader.sentence("reason")
        principal = try reader.string("principal")
        publish = []
        for _ in 0..<(try reader.count("patterns", itemBytesMin: 2, itemsMax: Self.patternsMax)) { publish.append(try reader.string("pattern")) }
        idEnd = try reader.u64("id end")
        filter = try MessageFilter(&reader)
        self.beganAt = beganAt
        nextStepAtMicroseconds = beganAt * 1000
    }

    /// How far it is, for checkpoints; behind ``encode(into:)``.
    fileprivate func encodeProgress(into writer: inout WireWriter) {
        writer.u64(beganAt)
        for value in [cursor, matched, done, failed, nextStepAtMicroseconds] { writer.u64(value) }
        writer.sentence(lastFailure)
        switch state {
        case .running: writer.u8(0)
        case .done(let at):
            writer.u8(1)
            writer.u64(at)
        case .stopped(let at):
            writer.u8(2)
            writer.u64(at)
        }
    }

    fileprivate mutating func readProgress(_ reader: inout WireReader) throws(WireError) {
        beganAt = try reader.rising("began at")
        cursor = try reader.u64("cursor")
        matched = try reader.rising("matched")
        done = try reader.rising("done")
        failed = try reader.rising("failed")
        nextStepAtMicroseconds = try reader.rising("next step at")
        lastFailure = try reader.sentence("last failure")
        switch try reader.u8("state") {
        case 0: state = .running
        case 1: state = .done(at: try reader.rising("ended at"))
        case 2: state = .stopped(at: try reader.rising("ended at"))
        case let state: throw .malformed("state \(state) of job \(id)")
        }
    }
}

extension JobTable {
    /// `u64 last id · u32 count × job`
    func encode(into writer: inout WireWriter) {
        writer.u64(lastID)
        writer.u32(UInt32(jobs.count))
        for job in jobs {
            var whole = WireWriter() // the filter's length comes before it
            job.encode(into: &whole)
            job.encodeProgress(into: &whole)
            writer.bytes(whole.span)
        }
    }

    init(_ reader: inout WireReader) throws(WireError) {
        self.init()
        let lastID = try reader.u64("last job")
        var jobs: [Job] = []
        for _ in 0..<(try reader.count("jobs", itemBytesMin: 100, itemsMax: Self.countMax)) {
            var job = try Job(&reader, beganAt: 0)
            try job.readProgress(&reader)
            jobs.append(job)
        }
        guard restore(jobs, lastID: lastID) else { throw .malformed("jobs out of order") }
    }
}

extension JobTable.Step {
    /// `u64 job · u64 cursor · u32 matched · u32 done · u32 failed · string last failure · u64 next step at µs · u8 ending`
    func encode(into writer: inout WireWriter) {
        writer.u64(job)
        writer.u64(cursor)
        writer.u32(matched)
        writer.u32(done)
        writer.u32(failed)
        writer.sentence(lastFailure)
        writer.u64(nextStepAtMicroseconds)
        writer.u8(ending.rawValue)
    }

    init(_ reader: inout WireReader) throws(WireError) {
        job = try reader.u64("job")
        cursor = try reader.u64("cursor")
        matched = try reader.u32("matched")
        done = try reader.u32("done")
        failed = try reader.u32("failed")
        lastFailure = try reader.sentence("last failure")
        nextStepAtMicroseconds = try reader.rising("next step at")
        guard let ending = Ending(rawValue: try reader.u8("ending")) else { throw .malformed("ending of job \(job)") }
        self.ending = ending
    }
}

extension TransactionWriter {
    mutating func beginJob(_ job: Job) {
        writer.u8(OperationKind.jobBegin.rawValue)
        job.encode(into: &writer)
    }

    mutating func stepJob(_ step: JobTable.Step) {
        writer.u8(OperationKind.jobStep.rawValue)
        step.encode(into: &writer)
    }
}
