/// One message as its producer encodes it: the same bytes on the wire, in the log and in a delivery.
///
/// ```
///  0        4         8         9       10         11    12           14    16          20
///  +--------+---------+---------+-------+----------+-----+------------+-----+-----------+---------+------+
///  | u32    | u32     | u8      | u8    | u8       | u8  | u16        | u16 | u32       | headers | body |
///  | length | CRC-32C | version | flags | priority | 0   | header     | 0   | body      |         |      |
///  |        | of [8…) | = 1     |       | 0…9      |     | bytes      |     | bytes     |         |      |
///  +--------+---------+---------+-------+----------+-----+------------+-----+-----------+---------+------+
/// ```
/// A header is `u8 id, u16 length, bytes`; ids are in ``RecordHeaderID``. Source: `protocol/records.md`.
package struct MessageRecord: Equatable, Sendable {
    package static let fixedByteCount = 20
    package static let version: UInt8 = 1
    package static let priorityMax: UInt8 = 9
    package static let priorityDefault: UInt8 = 4

    package var flags: RecordFlags = []
    package var priority: UInt8 = MessageRecord.priorityDefault
    package var correlationID: String?
    package var contentType: String?
    package var taskType: String?
    /// Messages of one group are delivered one at a time, in order.
    package var group: String?
    /// At most one message with this key is accepted within the queue's deduplication window.
    package var deduplicationKey: String?
    package var delayMilliseconds: UInt64 = 0
    /// After this long in the queue the message is dropped or dead; 0 for the queue's own.
    package var timeToLiveMilliseconds: UInt64 = 0
    /// Bytes of the body once expanded; only with ``RecordFlags/lz4``.
    package var expandedByteCount: UInt32 = 0
    package var userHeaders: [UserHeader] = []
    /// The body as stored: an LZ4 block with ``RecordFlags/lz4``, else plain.
    package var body: [UInt8]

    package struct UserHeader: Equatable, Sendable {
        package var name: String
        package var value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(body: [UInt8]) { self.body = body }
}

package struct RecordFlags: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The body is one LZ4 block; header ``RecordHeaderID/expandedByteCount`` says how long it is expanded.
    package static let lz4 = RecordFlags(rawValue: 1)
    /// Set by the broker alone: these bytes stand for a record that it cannot read. See ``StandIn``.
    package static let standIn = RecordFlags(rawValue: 0x80)
    /// With ``standIn``: the body is kept from a client that cannot expand it; the headers are the record's own.
    package static let withheld = RecordFlags(rawValue: 0x40)
}

/// Header ids of a message record. Unknown ids below 128 are kept and passed on; from 128 on they are refused.
package enum RecordHeaderID {
    package static let correlationID: UInt8 = 1
    package static let contentType: UInt8 = 2
    package static let taskType: UInt8 = 3
    package static let group: UInt8 = 4
    package static let deduplicationKey: UInt8 = 5
    package static let delayMilliseconds: UInt8 = 6
    package static let timeToLiveMilliseconds: UInt8 = 7
    package static let expandedByteCount: UInt8 = 8
    /// `u8 name length, name, value`.
    package static let user: UInt8 = 32
    package static let criticalMin: UInt8 = 128
}

extension MessageRecord {
    /// Appends the record. Throws ``ErrorCode/recordInvalid`` or ``ErrorCode/recordTooLarge`` where a field does not fit; the
    /// writer is then as it was before, so that a batch can go on without this one.
    package func encode(into writer: inout WireWriter) throws(WireError) {
        let start = writer.count
        do throws(WireError) {
            try appendFields(to: &writer)
        } catch {
            writer.truncate(to: start)
            throw error
        }
    }

    private func appendFields(to writer: inout WireWriter) throws(WireError) {
        try checkFields()
        let start = writer.count
        writer.u32(0) // length, known at the end
        writer.u32(0) // CRC-32C, likewise
        writer.u8(Self.version)
        writer.u8(flags.rawValue)
        writer.u8(priority)
        writer.u8(0)
        writer.u16(0) // header bytes, likewise
        writer.u16(0)
        writer.u32(UInt32(clamping: body.count))
        let headersStart = writer.count
        try encodeHeaders(into: &writer)
        let headerBytes = writer.count - headersStart
        guard headerBytes <= WireLimits.recordHeaderBytesMax else {
            throw WireError(.recordTooLarge, "the headers take \(headerBytes) bytes, at most \(WireLimits.recordHeaderBytesMax) are allowed")
        }
        let bodyBytesMax = WireLimits.frameBytesMax - WireLimits.recordOverheadBytesMax - headerBytes - Self.fixedByteCount
        guard body.count <= bodyBytesMax else {
            throw WireError(.recordTooLarge, "the body takes \(body.count) bytes, at most \(bodyBytesMax) fit any frame")
        }
        writer.bytes(body)
        writer.patch(u32: UInt32(writer.count - start), at: start)
        writer.patch(u32: UInt32(headerBytes), at: start + 12) // u16 header bytes and u16 zero
        let crc = CRC32C.extend(with: writer.span.extracting((start + 8)..<writer.count))
        writer.patch(u32: crc, at: start + 4)
    }

    private func checkFields() throws(WireError) {
        guard priority <= Self.priorityMax else { throw WireError(.recordInvalid, "priority \(priority): 0 to 9 are allowed") }
        guard flags.subtracting(.lz4).isEmpty else { throw WireError(.recordInvalid, "record flags \(flags.rawValue): only 1 (LZ4) is known") }
        guard max(delayMilliseconds, timeToLiveMilliseconds) <= WireLimits.durationMillisecondsMax else {
            throw WireError(.recordInvalid, "a delay or time to live is over \(WireLimits.durationMillisecondsMax) ms (ten years)")
        }
        guard !flags.contains(.lz4) || (1...WireLimits.bodyBytesMax).contains(Int(expandedByteCount)) else {
            throw WireError(.recordInvalid, "a compressed body must say its expanded size: 1 to \(WireLimits.bodyBytesMax) bytes, not \(expandedByteCount)")
        }
    }

    private func encodeHeaders(into writer: inout WireWriter) throws(WireError) {
        if let correlationID { try Self.header(RecordHeaderID.correlationID, correlationID, into: &writer) }
        if let contentType { try Self.header(RecordHeaderID.contentType, contentType, into: &writer) }
        if let taskType { try Self.header(RecordHeaderID.taskType, taskType, into: &writer) }
        if let group { try Self.header(RecordHeaderID.group, group, into: &writer) }
        if let deduplicationKey { try Self.header(RecordHeaderID.deduplicationKey, deduplicationKey, into: &writer) }
        if delayMilliseconds > 0 { Self.header(RecordHeaderID.delayMilliseconds, delayMilliseconds, into: &writer) }
        if timeToLiveMilliseconds > 0 { Self.header(RecordHeaderID.timeToLiveMilliseconds, timeToLiveMilliseconds, into: &writer) }
        if flags.contains(.lz4) {
            writer.u8(RecordHeaderID.expandedByteCount)
            writer.u16(4)
            writer.u32(expandedByteCount)
        }
        for header in userHeaders { try Self.userHeader(header, into: &writer) }
    }

    private static func userHeader(_ header: UserHeader, into writer: inout WireWriter) throws(WireError) {
        let name = header.name.utf8.count
        let value = header.value.utf8.count
        guard name > 0, name <= WireLimits.nameBytesMax else {
            throw WireError(.recordInvalid, "a user header's name takes \(name) bytes: 1 to \(WireLimits.nameBytesMax) are allowed")
        }
        guard value <= WireLimits.recordHeaderBytesMax - 1 - name else {
            throw WireError(.recordTooLarge, "the user header '\(header.name)' takes \(value) bytes: too many")
        }
        writer.u8(RecordHeaderID.user)
        writer.u16(UInt16(1 + name + value))
        writer.u8(UInt8(name))
        writer.utf8(header.name)
        writer.utf8(header.value)
    }

    private static func header(_ id: UInt8, _ text: String, into writer: inout WireWriter) throws(WireError) {
        guard text.utf8.count <= WireLimits.nameBytesMax else {
            throw WireError(.recordInvalid, "record header \(id) takes \(text.utf8.count) bytes: at most \(WireLimits.nameBytesMax) are allowed")
        }
        writer.u8(id)
        writer.u16(UInt16(text.utf8.count))
        writer.utf8(text)
    }

    private static func header(_ id: UInt8, _ value: UInt64, into writer: inout WireWriter) {
        writer.u8(id)
        writer.u16(8)
        writer.u64(value)
    }
}
