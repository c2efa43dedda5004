internal import SpindleQueue
internal import SpindleWire

// The section of held messages.
extension NodeState {
    func encodeHeldMessages(into writer: inout WireWriter) {
        let held = engine.held.all
        writer.u64(UInt64(held.count))
        for message in held { encode(message, into: &writer) }
    }

    /// A state that time alone changes is not written: a message that waits says since or until when.
    private func encode(_ message: HeldMessage, into writer: inout WireWriter) {
        writer.u64(message.id)
        writer.u64(message.address)
        writer.u32(message.byteCount)
        writer.u32(message.queue)
        writer.u32(message.group)
        writer.u64(message.storedAt)
        writer.u64(message.liveFrom)
        writer.u64(message.timeToLive)
        writer.u8(message.priority)
        writer.u8(message.isCancelled ? 1 : 0)
        writer.u32(message.epoch)
        writer.u32(message.attempts)
        switch message.state {
        case .ready, .delayed:
            writer.u8(0)
            writer.u64(message.readyAt)
        case .leased(let lease):
            writer.u8(2)
            writer.u64(lease.deadline)
            writer.u64(lease.duration)
            writer.u64(lease.leasedAt)
            writer.string(lease.holder)
        }
        guard let history = engine.history(of: message.id) else {
            writer.u8(0)
            return
        }
        writer.u8(history.death == nil ? 1 : 2)
        writer.string(history.groupKey ?? "")
        if let death = history.death {
            writer.string(death.originQueue)
            writer.string(death.reason)
            writer.u64(death.at)
        }
        writer.u32(UInt32(history.attempts.count))
        for attempt in history.attempts {
            writer.u32(attempt.number)
            writer.u64(attempt.leasedAt)
            writer.u64(attempt.endedAt)
            writer.string(attempt.holder)
            writer.u8(attempt.outcome.rawValue)
            writer.string(attempt.reason)
        }
    }

    mutating func restoreHeld(_ reader: inout WireReader) throws(WireError) {
        let id = try reader.u64("id")
        let address = try reader.u64("address")
        var message = HeldMessage(
            id: id, byteCount: try reader.recordByteCount(), queue: try reader.u32("queue"), storedAt: 0, priority: 0, state: .ready)
        message.address = address
        message.group = try reader.u32("group")
        message.storedAt = try reader.u64("stored at")
        message.liveFrom = try reader.u64("live from")
        message.timeToLive = try reader.u64("time to live")
        message.priority = try reader.u8("priority")
        message.isCancelled = try reader.u8("cancelled") != 0
        message.epoch = try reader.u32("epoch")
        message.attempts = try reader.u32("attempts")
        switch try reader.u8("state") {
        case 0:
            message.readyAt = try reader.rising("ready at")
            if message.readyAt > time { message.state = .delayed(until: message.readyAt) }
        case 2: message.state = .leased(try Self.lease(&reader))
        case let state: throw .malformed("state \(state) of message \(id)")
        }
        let history = try Self.history(&reader, version: 2)
        guard message.liveFrom <= UInt64.max / 2, message.timeToLive <= WireLimits.durationMillisecondsMax,
            engine.restore(message, history: history)
        else { throw .malformed("held message \(id)") }
    }

    static func lease(_ reader: inout WireReader) throws(WireError) -> HeldMessage.Lease {
        let deadline = try reader.rising("deadline")
        let duration = try reader.rising("duration")
        let leasedAt = try reader.rising("leased at")
        let holder = try reader.string("holder", bytesMax: WireLimits.sentenceBytesMax)
        return .init(deadline: deadline, duration: duration, leasedAt: leasedAt, holder: holder)
    }

    static func history(_ reader: inout WireReader, version: UInt16) throws(WireError) -> MessageHistory? {
        let kind = try reader.u8("history")
        guard kind > 0 else { return nil }
        var history = MessageHistory()
        if version >= 2 {
            let key = try reader.string("group key")
            history.groupKey = key.isEmpty ? nil : key
        }
        if kind == 2 {
            let origin = try reader.string("origin queue")
            let reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
            history.death = .init(originQueue: origin, reason: reason, at: try reader.u64("dead at"))
        }
        for _ in 0..<(try reader.count("attempts", itemBytesMin: 25, itemsMax: MessageHistory.attemptsMax)) {
            let number = try reader.u32("attempt")
            let leasedAt = try reader.rising("leased at")
            let endedAt = try reader.u64("ended at")
            let holder = try reader.string("holder", bytesMax: WireLimits.sentenceBytesMax)
            let outcome = AttemptRecord.Outcome(rawValue: try reader.u8("outcome")) ?? .expired
            history.attempts.append(.init(
                number: number, leasedAt: leasedAt, endedAt: endedAt, holder: holder, outcome: outcome,
                reason: try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)))
        }
        return history
    }
}
