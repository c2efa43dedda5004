/// What a broker must know of a record, read without copying headers or body.
package struct RecordAttributes: Equatable, Sendable {
    /// Bytes of the whole record.
    package var byteCount: Int = 0
    package var priority: UInt8 = MessageRecord.priorityDefault
    package var delayMilliseconds: UInt64 = 0
    package var timeToLiveMilliseconds: UInt64 = 0
    /// nil for an empty one, which is none.
    package var group: String?
    /// nil for an empty one, which is none.
    package var deduplicationKey: String?
    /// The body is an LZ4 block.
    package var isCompressed = false
}

/// Reads records out of a run of concatenated records.
package enum RecordView {
    /// The length of the record at `offset`, checked against the bytes there are; throws ``ErrorCode/malformedFrame``,
    /// because behind a wrong length nothing can be found any more.
    package static func length(in bytes: RawSpan, at offset: Int) throws(WireError) -> Int {
        let remaining = bytes.byteCount - offset
        guard remaining >= MessageRecord.fixedByteCount else {
            throw .malformed("record at \(offset): \(remaining) bytes left, a record has at least \(MessageRecord.fixedByteCount)")
        }
        let length = unsafe Int(UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        guard length >= MessageRecord.fixedByteCount, length <= remaining else {
            throw .malformed("record at \(offset): length \(length) does not fit the \(remaining) bytes left")
        }
        return length
    }

    /// Checks the record that fills `record` whole (checksum, version, lengths, headers) and returns its attributes.
    /// Throws ``ErrorCode/recordCorrupt`` or ``ErrorCode/recordInvalid``: errors of this item only.
    ///
    /// `checksumIsKnown`: the bytes were checked before (they come from a log entry with a checksum of its own).
    package static func attributes(of record: RawSpan, checksumIsKnown: Bool = false) throws(WireError) -> RecordAttributes {
        var fields = try Fields(record, checksumIsKnown: checksumIsKnown)
        var attributes = RecordAttributes()
        attributes.byteCount = record.byteCount
        attributes.priority = fields.priority
        attributes.isCompressed = fields.flags.contains(.lz4)
        var headers = HeaderReader(record.extracting(fields.headers))
        while let header = try headers.next() {
            switch header.id {
            case RecordHeaderID.group: attributes.group = header.range.isEmpty ? nil : try headers.text(header)
            case RecordHeaderID.deduplicationKey: attributes.deduplicationKey = header.range.isEmpty ? nil : try headers.text(header)
            case RecordHeaderID.delayMilliseconds: attributes.delayMilliseconds = try headers.u64(header)
            case RecordHeaderID.timeToLiveMilliseconds: attributes.timeToLiveMilliseconds = try headers.u64(header)
            case RecordHeaderID.expandedByteCount: fields.expandedByteCount = try headers.u32(header)
            default: break // of no concern to the broker
            }
        }
        try fields.checkCompression()
        return attributes
    }

    /// Checks that `records` are whole records, one behind the other, each with the right checksum. Throws
    /// ``ErrorCode/recordCorrupt`` or ``ErrorCode/malformedFrame``. Reads no headers.
    package static func check(_ records: RawSpan) throws(WireError) {
        var offset = 0
        while offset < records.byteCount {
            let length = try length(in: records, at: offset)
            _ = try Fields(records.extracting(offset..<(offset + length)))
            offset += length
        }
    }

    /// Checks that one record with the right checksum fills `record`. Throws ``ErrorCode/recordCorrupt`` or ``ErrorCode/recordInvalid``. Reads no
    /// headers.
    package static func checkWhole(_ record: RawSpan) throws(WireError) { _ = try Fields(record) }

    /// Where the compressed body of a record lies that was checked; nil where the body is plain.
    static func compressedBody(of record: RawSpan) -> Range<Int>? {
        guard let fields = try? Fields(record, checksumIsKnown: true), fields.flags.contains(.lz4) else { return nil }
        return fields.body
    }

    /// The whole message, headers and body copied out; the consumer's half. Checks like ``attributes(of:)``, and throws
    /// ``ErrorCode/recordDamaged`` or ``ErrorCode/recordCompressed`` for a ``StandIn``.
    package static func decode(_ record: RawSpan) throws(WireError) -> MessageRecord {
        var fields = try Fields(record, mayStandIn: true)
        guard !fields.flags.contains([.standIn, .withheld]) else {
            throw WireError(
                .recordCompressed,
                "the body is compressed, and this connection declined LZ4: connect with capability bit 0, or have the producer publish it plain")
        }
        guard !fields.flags.contains(.standIn) else {
            throw WireError(.recordDamaged, "the broker cannot read this record any more: its stored bytes are damaged")
        }
        var message = MessageRecord(body: record.extracting(fields.body).withUnsafeBytes { [UInt8]($0) })
        message.flags = fields.flags
        message.priority = fields.priority
        var headers = HeaderReader(record.extracting(fields.headers))
        while let header = try headers.next() {
            switch header.id {
            case RecordHeaderID.correlationID: message.correlationID = try headers.text(header)
            case RecordHeaderID.contentType: message.contentType = try headers.text(header)
            case RecordHeaderID.taskType: message.taskType = try headers.text(header)
            case RecordHeaderID.group: message.group = try headers.text(header)
            case RecordHeaderID.deduplicationKey: message.deduplicationKey = try headers.text(header)
            case RecordHeaderID.delayMilliseconds: message.delayMilliseconds = try headers.u64(header)
            case RecordHeaderID.timeToLiveMilliseconds: message.timeToLiveMilliseconds = try headers.u64(header)
            case RecordHeaderID.expandedByteCount:
                fields.expandedByteCount = try headers.u32(header)
                message.expandedByteCount = fields.expandedByteCount
            case RecordHeaderID.user: message.userHeaders.append(try headers.user(header))
            default: break // of a later version: kept in the stored bytes
            }
        }
        try fields.checkCompression()
        if !fields.flags.contains(.lz4) { message.expandedByteCount = 0 }
        return message
    }

    /// The fixed twenty bytes, checked.
    private struct Fields {
        var flags: RecordFlags
        var priority: UInt8
        var headerByteCount: Int
        var headers: Range<Int>
        var body: Range<Int>
        var expandedByteCount: UInt32 = 0

        /// `mayStandIn`: the record comes from a broker, which alone makes stand-ins.
        init(_ record: RawSpan, checksumIsKnown: Bool = false, mayStandIn: Bool = false) throws(WireError) {
            var reader = WireReader(record)
            guard let length = try? reader.u32("record length"), Int(length) == record.byteCount else {
                throw WireError(.recordInvalid, "the record's length field is not the \(record.byteCount) bytes that it takes")
            }
            let crc = try Self.invalid { () throws(WireError) in try reader.u32("record checksum") }
            let own = checksumIsKnown ? crc : CRC32C.extend(with: record.extracting(8..<record.byteCount))
            guard crc == own else {
                throw WireError(.recordCorrupt, "the record's CRC-32C is \(crc), its bytes give \(own): it was changed on its way, or encoded wrongly")
            }
            do throws(WireError) {
                let version = try reader.u8("record version")
                guard version == MessageRecord.version else { throw WireError(.recordInvalid, "record version \(version): only 1 is known") }
                flags = RecordFlags(rawValue: try reader.u8("record flags"))
                guard flags.subtracting(mayStandIn ? [.lz4, .standIn, .withheld] : .lz4).isEmpty,
                    !flags.contains(.withheld) || flags == [.standIn, .withheld]
                else {
                    throw WireError(.recordInvalid, "record flags \(flags.rawValue): only 1 (LZ4) is known")
                }
                priority = try reader.u8("priority")
                guard priority <= MessageRecord.priorityMax else { throw WireError(.recordInvalid, "priority \(priority): 0 to 9 are allowed") }
                _ = try reader.u8("reserved")
                headerByteCount = Int(try reader.u16("header bytes"))
                _ = try reader.u16("reserved")
                let bodyByteCount = Int(try reader.u32("body bytes"))
                guard headerByteCount <= WireLimits.recordHeaderBytesMax,
                    headerByteCount + bodyByteCount == record.byteCount - MessageRecord.fixedByteCount
                else {
                    throw WireError(.recordInvalid, "header bytes \(headerByteCount) and body bytes \(bodyByteCount) don't add up to the record's \(record.byteCount)")
                }
                headers = MessageRecord.fixedByteCount..<(MessageRecord.fixedByteCount + headerByteCount)
                body = headers.upperBound..<record.byteCount
            } catch {
                throw error.code == .malformedFrame ? WireError(.recordInvalid, error.message) : error
            }
        }

        private static func invalid(_ body: () throws(WireError) -> UInt32) throws(WireError) -> UInt32 {
            do throws(WireError) { return try body() } catch { throw WireError(.recordInvalid, error.message) }
        }

        func checkCompression() throws(WireError) {
            guard flags.contains(.lz4) else { return }
            guard expandedByteCount > 0, Int(expandedByteCount) <= WireLimits.bodyBytesMax else {
                throw WireError(.recordInvalid, "a compressed body must say its expanded size: 1 to \(WireLimits.bodyBytesMax) bytes, not \(expandedByteCount)")
            }
        }
    }

    /// Walks the header area; every fault is ``ErrorCode/recordInvalid``.
    private struct HeaderReader: ~Escapable {
        struct Header {
            var id: UInt8
            var range: Range<Int>
        }

        private let area: RawSpan
        private var offset = 0

        @_lifetime(copy area)
        init(_ area: RawSpan) { self.area = area }

        mutating func next() throws(WireError) -> Header? {
            guard offset < area.byteCount else { return nil }
            guard area.byteCount - offset >= 3 else { throw WireError(.recordInvalid, "a record header is cut short") }
            let id = unsafe area.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            let count = unsafe Int(UInt16(littleEndian: area.unsafeLoadUnaligned(fromByteOffset: offset + 1, as: UInt16.self)))
            guard count <= area.byteCount - offset - 3 else { throw WireError(.recordInvalid, "record header \(id) is cut short") }
            guard id < RecordHeaderID.criticalMin else { throw WireError(.recordInvalid, "record header \(id) is critical and not known here") }
            let range = (offset + 3)..<(offset + 3 + count)
            offset = range.upperBound
            let header = Header(id: id, range: range)
            try check(header)
            return header
        }

        /// Checks the content of every header that this version knows, whoever reads it: what the broker accepts, each consumer
        /// can decode. Allocates nothing.
        private func check(_ header: Header) throws(WireError) {
            switch header.id {
            case RecordHeaderID.correlationID, RecordHeaderID.contentType, RecordHeaderID.taskType, RecordHeaderID.group,
                RecordHeaderID.deduplicationKey:
                guard header.range.count <= WireLimits.nameBytesMax else {
                    throw WireError(.recordInvalid, "record header \(header.id) takes \(header.range.count) bytes: at most \(WireLimits.nameBytesMax) are allowed")
                }
                try checkUTF8(header.range, header.id)
            case RecordHeaderID.delayMilliseconds, RecordHeaderID.timeToLiveMilliseconds:
                let milliseconds = try u64(header)
                guard milliseconds <= WireLimits.durationMillisecondsMax else {
                    throw WireError(.recordInvalid, "record header \(header.id) is \(milliseconds) ms: at most \(WireLimits.durationMillisecondsMax) (ten years) are allowed")
                }
            case RecordHeaderID.expandedByteCount: _ = try u32(header)
            case RecordHeaderID.user:
                let split = try userNameEnd(header)
                try checkUTF8((header.range.lowerBound + 1)..<split, header.id)
                try checkUTF8(split..<header.range.upperBound, header.id)
            default: break // of a later version
            }
        }

        private func checkUTF8(_ range: Range<Int>, _ id: UInt8) throws(WireError) {
            let isValid = area.extracting(range).withUnsafeBytes { bytes in
                bytes.withMemoryRebound(to: UInt8.self) { (try? UTF8Span(validating: $0.span)) != nil }
            }
            guard isValid else { throw WireError(.recordInvalid, "record header \(id) is not valid UTF-8") }
        }

        /// Where a user header's name ends and its value begins.
        private func userNameEnd(_ header: Header) throws(WireError) -> Int {
            guard let first = header.range.first else { throw WireError(.recordInvalid, "a user header is empty") }
            let name = unsafe Int(area.unsafeLoad(fromByteOffset: first, as: UInt8.self))
            guard name > 0, name < header.range.count else { throw WireError(.recordInvalid, "a user header's name does not fit") }
            return first + 1 + name
        }

        func text(_ header: Header) throws(WireError) -> String {
            let text = area.extracting(header.range).withUnsafeBytes { String(validating: $0, as: UTF8.self) }
            guard let text else { throw WireError(.recordInvalid, "record header \(header.id) is not valid UTF-8") }
            return text
        }

        func u64(_ header: Header) throws(WireError) -> UInt64 {
            guard header.range.count == 8 else { throw WireError(.recordInvalid, "record header \(header.id) takes 8 bytes, not \(header.range.count)") }
            return unsafe UInt64(littleEndian: area.unsafeLoadUnaligned(fromByteOffset: header.range.lowerBound, as: UInt64.self))
        }

        func u32(_ header: Header) throws(WireError) -> UInt32 {
            guard header.range.count == 4 else { throw WireError(.recordInvalid, "record header \(header.id) takes 4 bytes, not \(header.range.count)") }
            return unsafe UInt32(littleEndian: area.unsafeLoadUnaligned(fromByteOffset: header.range.lowerBound, as: UInt32.self))
        }

        func user(_ header: Header) throws(WireError) -> MessageRecord.UserHeader {
            let split = try userNameEnd(header)
            return MessageRecord.UserHeader(
                name: try text(Header(id: header.id, range: (header.range.lowerBound + 1)..<split)),
                value: try text(Header(id: header.id, range: split..<header.range.upperBound))
            )
        }
    }
}
