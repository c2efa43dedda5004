internal import SpindleQueue
internal import SpindleWire

// Results of messages: what their operations in the log say, and their part of a checkpoint.
extension NodeState {
    mutating func applyResult(_ head: inout WireReader, records: RawSpan, recordsAddress: UInt64) throws(WireError) {
        var result = try Self.result(&head)
        result.settledAt = time
        let place = Int(try head.u32("records offset"))
        result.byteCount = try head.u32("bytes")
        guard place + Int(result.byteCount) <= records.byteCount else {
            throw .malformed("records \(place)+\(result.byteCount) of \(records.byteCount)")
        }
        if result.byteCount > 0 { result.address = recordsAddress + UInt64(place) }
        results.store(result, now: time)
    }

    mutating func applyRelocateResult(_ head: inout WireReader, records: RawSpan, recordsAddress: UInt64) throws(WireError) {
        let id = try head.u64("id")
        let place = Int(try head.u32("records offset"))
        let byteCount = Int(try head.u32("bytes"))
        guard place + byteCount <= records.byteCount else { throw .malformed("records \(place)+\(byteCount) of \(records.byteCount)") }
        if !results.relocate(id, to: recordsAddress + UInt64(place)) {
            try missing("the result of message \(id) was moved and is not there to be")
        }
    }

    private static func result(_ reader: inout WireReader) throws(WireError) -> ResultStore.Result {
        let id = try reader.u64("id")
        let queue = try reader.u32("queue")
        let raw = try reader.u8("ending")
        guard let ending = ResultStore.Ending(rawValue: raw) else { throw .malformed("ending \(raw) of message \(id)") }
        return .init(id: id, queue: queue, ending: ending, settledAt: 0, expiresAt: try reader.u64("expires at"))
    }

    // MARK: Checkpoint

    /// `u64 results × (u64 id · u32 queue · u8 ending · u64 expires at · u64 settled at · u64 address · u32 bytes)`, those with a record
    /// by its address, then the others by id.
    func encodeResults(into writer: inout WireWriter) {
        let all = results.all
        writer.u64(UInt64(all.count))
        for result in all {
            writer.u64(result.id)
            writer.u32(result.queue)
            writer.u8(result.ending.rawValue)
            writer.u64(result.expiresAt)
            writer.u64(result.settledAt)
            writer.u64(result.address)
            writer.u32(result.byteCount)
        }
    }

    mutating func restoreResults(_ reader: inout WireReader) throws(WireError) {
        for _ in 0..<(try reader.count64("results", itemBytesMin: 41, itemsMax: results.countMax)) {
            var result = try Self.result(&reader)
            result.settledAt = try reader.u64("settled at")
            result.address = try reader.u64("address")
            result.byteCount = try reader.u32("bytes")
            guard results.restore(result) else { throw .malformed("the result of message \(result.id)") }
        }
    }
}

extension TransactionWriter {
    /// `u64 id · u32 queue · u8 ending · u64 expires at · u32 records offset · u32 bytes (0: no result)`
    mutating func result(_ id: UInt64, queue: UInt32, _ ending: ResultStore.Ending, expiresAt: UInt64, place: Int, byteCount: Int) {
        writer.u8(OperationKind.result.rawValue)
        writer.u64(id)
        writer.u32(queue)
        writer.u8(ending.rawValue)
        writer.u64(expiresAt)
        writer.u32(UInt32(place))
        writer.u32(UInt32(byteCount))
    }

    /// `u64 id · u32 records offset · u32 bytes`
    mutating func relocateResult(_ id: UInt64, place: Int, byteCount: Int) {
        writer.u8(OperationKind.relocateResult.rawValue)
        writer.u64(id)
        writer.u32(UInt32(place))
        writer.u32(UInt32(byteCount))
    }
}
