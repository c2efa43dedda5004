/// A batch of records for one queue.
/// `u64 producer id · u64 first sequence · string queue · u32 count · u32 records bytes · records · tail`
///
/// The n-th record has the sequence `first + n`. Producer id 0: no deduplication by sequence.
package struct PublishRequest: ~Escapable {
    package let producerID: UInt64
    package let firstSequence: UInt64
    package let queue: String
    package let count: Int
    /// `count` records, one behind the other; not yet looked into.
    package let records: RawSpan

    @_lifetime(copy body)
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let producerID = try reader.u64("producer id")
        let firstSequence = try reader.u64("first sequence")
        let queue = try reader.name("queue")
        let count = try reader.count("record count", itemBytesMin: MessageRecord.fixedByteCount, itemsMax: WireLimits.messagesPerFrameMax)
        guard count > 0, count <= WireLimits.messagesPerFrameMax else {
            throw WireError(.invalidArgument, "\(count) records: 1 to \(WireLimits.messagesPerFrameMax) are allowed in a frame")
        }
        let byteCount = Int(clamping: try reader.u32("records bytes"))
        let records = try reader.span(byteCount, "records")
        try reader.skipTail()
        self.producerID = producerID
        self.firstSequence = firstSequence
        self.queue = queue
        self.count = count
        self.records = records
    }

    /// The body's positional fields; `records` follow, written by the caller or appended here.
    package static func encodeHead(
        producerID: UInt64, firstSequence: UInt64, queue: String, count: Int, recordsByteCount: Int, into writer: inout WireWriter
    ) {
        writer.u64(producerID)
        writer.u64(firstSequence)
        writer.string(queue)
        writer.u32(UInt32(count))
        writer.u32(UInt32(recordsByteCount))
    }
}

/// What became of the items of a PUBLISH, in runs of equal status.
/// `u32 runs × (u16 status · u32 count · u64 first id) · tail`
///
/// In a run of status 0 (stored) or 1 (duplicate) the first message has the id `first id`, and each further one the id of the
/// one before it plus the byte count of that one's record: an id is the record's address in the log. Else `first id` is 0.
package struct PublishReply: Equatable, Sendable {
    package struct Run: Equatable, Sendable {
        package var status: ItemStatus
        package var count: UInt32
        package var firstID: UInt64
        package init(status: ItemStatus, count: UInt32, firstID: UInt64) {
            self.status = status
            self.count = count
            self.firstID = firstID
        }
    }

    package var runs: [Run]
    /// On the items, as the runs count them.
    package var notes: ItemNotes
    package init(runs: [Run], notes: ItemNotes = ItemNotes()) {
        self.runs = runs
        self.notes = notes
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(runs.count))
        for run in runs {
            writer.u16(run.status.rawValue)
            writer.u32(run.count)
            writer.u64(run.firstID)
        }
        notes.encode(into: &writer)
    }

    /// The same bytes for the usual case, a single run, without an array.
    package static func encode(_ run: Run, into writer: inout WireWriter) {
        writer.u32(1)
        writer.u16(run.status.rawValue)
        writer.u32(run.count)
        writer.u64(run.firstID)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let runs = try Self.runs(&reader)
        self.init(runs: runs, notes: try ItemNotes(tail: &reader, itemCount: Self.itemCount(runs)))
    }

    static func itemCount(_ runs: [Run]) -> UInt64 { runs.reduce(0) { $0 + UInt64($1.count) } }

    static func runs(_ reader: inout WireReader) throws(WireError) -> [Run] {
        let count = try reader.count("runs", itemBytesMin: 14, itemsMax: WireLimits.messagesPerFrameMax)
        var runs: [Run] = []
        runs.reserveCapacity(count)
        for _ in 0..<count {
            runs.append(Run(
                status: ItemStatus(rawValue: try reader.u16("status")), count: try reader.u32("count"), firstID: try reader.u64("first id")))
        }
        return runs
    }
}
