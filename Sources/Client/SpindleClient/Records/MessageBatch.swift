internal import NIOCore
internal import SpindleWire

/// Messages encoded as records, ready to be sent in one frame; encoding them once and publishing them many times is what load
/// generators do.
public struct MessageBatch: Sendable {
    /// Records, one behind the other.
    let records: ByteBuffer
    /// Bytes of each record: ids of stored messages follow from them.
    let sizes: [Int]

    public var count: Int { sizes.count }
    public var byteCount: Int { records.readableBytes }

    init(records: ByteBuffer, sizes: [Int]) {
        self.records = records
        self.sizes = sizes
    }

    /// Encodes `messages`, 1 to 65,536 of them, into one batch.
    ///
    /// - Parameter compressionThreshold: bodies of at least this many bytes are compressed; nil: none.
    /// - Throws: ``SpindleError`` with `RECORD_INVALID` or `RECORD_TOO_LARGE` for a message that no record can hold, with
    ///   `INVALID_ARGUMENT` for no messages or too many.
    public init(_ messages: [Message], compressionThreshold: Int? = 16 * 1024) throws(SpindleError) {
        guard !messages.isEmpty, messages.count <= WireLimits.messagesPerFrameMax else {
            throw SpindleError(
                code: .invalidArgument, message: "\(messages.count) messages: 1 to \(WireLimits.messagesPerFrameMax) fit a batch")
        }
        var builder = MessageBatchBuilder(compressionThreshold: compressionThreshold)
        for message in messages { try builder.append(message) }
        self = builder.finish()
    }
}

/// Collects records into a ``MessageBatch``.
struct MessageBatchBuilder: ~Copyable {
    private let compressionThreshold: Int?
    private var writer = WireWriter(capacity: 1024)
    private(set) var sizes: [Int] = []

    init(compressionThreshold: Int?) { self.compressionThreshold = compressionThreshold }

    var byteCount: Int { writer.count }

    mutating func append(_ message: Message) throws(SpindleError) {
        try append(RecordCodec.record(of: message, compressionThreshold: compressionThreshold))
    }

    /// A record that does not fit leaves the builder as it was.
    mutating func append(_ record: MessageRecord) throws(SpindleError) {
        let start = writer.count
        do {
            try record.encode(into: &writer)
        } catch {
            writer.truncate(to: start)
            throw SpindleError(error, blastRadius: .item)
        }
        sizes.append(writer.count - start)
    }

    /// What was collected; the builder is empty afterwards.
    mutating func finish() -> MessageBatch {
        let batch = MessageBatch(records: writer.byteBuffer(), sizes: sizes)
        writer.removeAll()
        sizes = []
        return batch
    }
}

/// Messages ⇄ records.
enum RecordCodec {
    /// Batches are closed at this size, so that a long publish does not hold up what is behind it. A single larger message goes alone.
    static let batchBytesMax = 1024 * 1024

    static func record(of message: Message, compressionThreshold: Int?) -> MessageRecord {
        var record = MessageRecord(body: message.body)
        record.priority = message.priority
        record.correlationID = message.correlationID
        record.contentType = message.contentType
        record.taskType = message.taskType
        record.group = message.group
        record.deduplicationKey = message.deduplicationKey
        record.delayMilliseconds = message.delay.milliseconds(max: WireLimits.durationMillisecondsMax)
        record.timeToLiveMilliseconds = message.timeToLive?.milliseconds(max: WireLimits.durationMillisecondsMax) ?? 0
        record.userHeaders = message.userHeaders.map { MessageRecord.UserHeader(name: $0.name, value: $0.value) }
        if let compressionThreshold, message.body.count >= compressionThreshold, let block = BodyCompression.compress(message.body) {
            record.expandedByteCount = UInt32(message.body.count)
            record.flags = .lz4
            record.body = block
        }
        return record
    }

    /// The message in the record that fills `bytes` whole: checksum verified, body expanded.
    static func message(in bytes: RawSpan) throws(SpindleError) -> Message {
        let record: MessageRecord
        do {
            record = try RecordView.decode(bytes)
        } catch {
            throw SpindleError(error, blastRadius: .item)
        }
        let body = record.flags.contains(.lz4) ? try BodyCompression.expand(record.body, byteCount: Int(record.expandedByteCount)) : record.body
        return Message(
            body: body, priority: record.priority, delay: .milliseconds(Int64(clamping: record.delayMilliseconds)),
            timeToLive: record.timeToLiveMilliseconds == 0 ? nil : .milliseconds(Int64(clamping: record.timeToLiveMilliseconds)),
            correlationID: record.correlationID, contentType: record.contentType, taskType: record.taskType, group: record.group,
            deduplicationKey: record.deduplicationKey,
            userHeaders: record.userHeaders.map { Message.UserHeader(name: $0.name, value: $0.value) })
    }

    /// The size of batches before a broker has told its frame cap: with the largest record that a cap allows it still fits.
    static let batchBytesUnknown = WireLimits.recordOverheadBytesMax / 2

    /// The size at which batches are closed under a frame cap. A record takes at most the cap less the overhead, so what was
    /// collected below this and one more record fit a frame.
    static func batchBytes(frameBytesMax: Int?) -> Int {
        guard let frameBytesMax else { return batchBytesUnknown }
        return min(batchBytesMax, max(batchBytesUnknown, frameBytesMax / 4))
    }

    /// `messages` as batches that each fit a frame, in order. A record that would take its batch over the size begins the next one.
    static func batches(
        of messages: [Message], compressionThreshold: Int?, bytesMax: Int = batchBytesUnknown
    ) throws(SpindleError) -> [MessageBatch] {
        var batches: [MessageBatch] = []
        var builder = MessageBatchBuilder(compressionThreshold: compressionThreshold)
        for message in messages {
            let record = record(of: message, compressionThreshold: compressionThreshold)
            let isFull = builder.sizes.count == WireLimits.messagesPerFrameMax
            if !builder.sizes.isEmpty, isFull || builder.byteCount + record.body.count > bytesMax { batches.append(builder.finish()) }
            try builder.append(record)
        }
        if !builder.sizes.isEmpty { batches.append(builder.finish()) }
        return batches
    }
}

extension WireWriter {
    /// The bytes written, copied out.
    borrowing func byteBuffer() -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        withUnsafeBytes { _ = buffer.writeBytes($0) }
        return buffer
    }
}
