internal import SpindleQueue
internal import SpindleWire

// Retention of topics: what its operations in the log say, live and at replay.
extension NodeState {
    mutating func applyTopicRetention(_ head: inout WireReader) throws(WireError) {
        let pattern = try head.string("pattern")
        let retention = TopicRetention(
            milliseconds: try head.u64("age"), bytesMax: try head.u64("bytes"), eventsMax: try head.u64("events"))
        topics.declareRetention(retention, for: pattern, now: time)
    }

    mutating func applyTrim(_ head: inout WireReader) throws(WireError) {
        let events = Int(try head.u32("events"))
        let results = Int(try head.u32("results"))
        if topics.dropEnded(now: time, max: events) != events {
            try missing("the time of \(events) events was over, and they are not there")
        }
        if self.results.dropEnded(now: time, max: results) != results {
            try missing("the time of \(results) results was over, and they are not there")
        }
    }

    mutating func applyRelocateEvent(_ head: inout WireReader, records: RawSpan, recordsAddress: UInt64) throws(WireError) {
        let offset = try head.u64("offset")
        let place = Int(try head.u32("records offset"))
        let byteCount = Int(try head.u32("bytes"))
        guard place + byteCount <= records.byteCount else { throw .malformed("records \(place)+\(byteCount) of \(records.byteCount)") }
        if !topics.relocate(offset: offset, to: recordsAddress + UInt64(place)) {
            try missing("the event at \(offset) was moved and is not there to be")
        }
    }
}

extension TransactionWriter {
    /// `string pattern · u64 age ms · u64 bytes · u64 events`
    mutating func declareTopicRetention(_ retention: TopicRetention, for pattern: String) {
        writer.u8(OperationKind.topicRetention.rawValue)
        writer.string(pattern)
        writer.u64(retention.milliseconds)
        writer.u64(retention.bytesMax)
        writer.u64(retention.eventsMax)
    }

    /// `u32 events · u32 results`
    mutating func trim(events: Int, results: Int) {
        writer.u8(OperationKind.trim.rawValue)
        writer.u32(UInt32(events))
        writer.u32(UInt32(results))
    }

    /// `u64 offset · u32 records offset · u32 bytes`
    mutating func relocateEvent(_ offset: UInt64, place: Int, byteCount: Int) {
        writer.u8(OperationKind.relocateEvent.rawValue)
        writer.u64(offset)
        writer.u32(UInt32(place))
        writer.u32(UInt32(byteCount))
    }
}
