/// The text headers of a stored record, read from its first bytes alone: the body is not needed. What was checked when the record
/// was stored is not checked again, and nothing that the bytes say can trap. Source: `protocol/records.md`.
package enum RecordHead {
    /// So many of a record's first bytes surely hold all its headers.
    package static let byteCountMax = MessageRecord.fixedByteCount + WireLimits.recordHeaderBytesMax

    /// One header: `name` is a user header's, else empty; `value` is UTF-8.
    package struct Header: ~Escapable {
        package let id: UInt8
        package let name: RawSpan
        package let value: RawSpan

        @_lifetime(copy name, copy value)
        init(id: UInt8, name: RawSpan, value: RawSpan) {
            self.id = id
            self.name = name
            self.value = value
        }
    }

    /// The ids of headers that hold a text, user headers aside.
    private static let texts = RecordHeaderID.correlationID...RecordHeaderID.deduplicationKey

    /// Returns whether `body` holds for a header that holds a text. Of a header that comes twice though it may come once, the last counts. `head`:
    /// the first bytes of a record, at least ``byteCountMax`` of them or the whole.
    package static func containsHeader(_ head: RawSpan, where body: (borrowing Header) -> Bool) throws(WireError) -> Bool {
        var fixed = WireReader(head)
        _ = try fixed.span(12, "record")
        let headerByteCount = Int(try fixed.u16("header bytes"))
        guard MessageRecord.fixedByteCount + headerByteCount <= head.byteCount else { throw .malformed("a stored record's headers are cut short") }
        var reader = WireReader(head.extracting(MessageRecord.fixedByteCount..<(MessageRecord.fixedByteCount + headerByteCount)))
        // By id: whether it holds for the last one so far.
        var holds: UInt8 = 0
        while !reader.isAtEnd {
            let id = try reader.u8("header id")
            let value = try reader.span(Int(try reader.u16("header length")), "header")
            if texts.contains(id) {
                if body(Header(id: id, name: RawSpan(), value: value)) { holds |= 1 << id } else { holds &= ~(1 << id) }
            } else if id == RecordHeaderID.user {
                var user = WireReader(value)
                let name = try user.span(Int(try user.u8("name length")), "header name")
                let text = try user.span(user.remaining, "header value")
                if body(Header(id: id, name: name, value: text)) { return true }
            }
        }
        return holds != 0
    }
}
