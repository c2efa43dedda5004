internal import DequeModule
internal import SpindleQueue
internal import SpindleText
internal import SpindleWire

// SETTLEs that named themselves: what their operation in the log says, and their part of a checkpoint.
extension NodeState {
    mutating func applySettled(_ head: inout WireReader, recordsAddress: UInt64) throws(WireError) {
        let id = try head.u64("settler")
        let sequence = try head.u64("sequence")
        let settler = SettlementTable.Settler(principal: try head.string("principal"), id: id)
        var firstIDs: [UInt64] = []
        let count = Int(try head.u16("groups"))
        guard count <= SettlementTable.idsPerReplyMax else { throw .malformed("\(count) groups of a SETTLE") }
        for _ in 0..<count { firstIDs.append(recordsAddress + UInt64(try head.u32("records offset"))) }
        guard settlements.judge(settler, sequence: sequence) == .new else {
            return try missing("SETTLE \(sequence) of settler \(id) was done before, or is too old")
        }
        settlements.settled(settler, .init(sequence: sequence, firstIDs: firstIDs))
    }

    // MARK: Checkpoint

    /// `u32 settlers × (string principal · u64 id · u64 judged from · u32 replies × (u64 sequence · u16 groups × u64 first id))`, those that were
    /// silent longest first
    func encodeSettlements(into writer: inout WireWriter) {
        writer.u32(UInt32(settlements.settlerCount))
        for (settler, memory) in settlements.settlers {
            writer.string(settler.principal.text)
            writer.u64(settler.id)
            writer.u64(memory.judgedFrom)
            writer.u32(UInt32(memory.replies.count))
            for reply in memory.replies {
                writer.u64(reply.sequence)
                writer.u16(UInt16(reply.firstIDs.count))
                for id in reply.firstIDs { writer.u64(id) }
            }
        }
    }

    mutating func restoreSettlements(_ reader: inout WireReader) throws(WireError) {
        for _ in 0..<(try reader.count("settlers", itemBytesMin: 22, itemsMax: SettlementTable.settlersMax)) {
            let principal = try reader.string("principal")
            let settler = SettlementTable.Settler(principal: principal, id: try reader.u64("settler"))
            var memory = SettlementTable.Memory()
            memory.judgedFrom = try reader.u64("judged from")
            for _ in 0..<(try reader.count("replies", itemBytesMin: 10, itemsMax: SettlementTable.repliesMax)) {
                let sequence = try reader.u64("sequence")
                var firstIDs: [UInt64] = []
                let count = Int(try reader.u16("groups"))
                guard count <= SettlementTable.idsPerReplyMax else { throw .malformed("\(count) groups of a SETTLE") }
                for _ in 0..<count { firstIDs.append(try reader.u64("first id")) }
                memory.replies.append(.init(sequence: sequence, firstIDs: firstIDs))
            }
            guard settlements.restore(settler, memory) else { throw .malformed("the SETTLEs of settler \(settler.id) of '\(principal)'") }
        }
    }
}

extension TransactionWriter {
    /// `offsets`: where each group's records begin among the entry's records.
    mutating func settled(_ identity: SettleIdentity, principal: String, offsets: [Int]) {
        writer.u8(OperationKind.settled.rawValue)
        writer.u64(identity.settler)
        writer.u64(identity.sequence)
        writer.string(principal)
        writer.u16(UInt16(offsets.count))
        for offset in offsets { writer.u32(UInt32(offset)) }
    }
}
