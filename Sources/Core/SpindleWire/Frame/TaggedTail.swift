/// The optional fields behind an operation's positional ones: `u16 tag, u32 length, bytes`, to the end of the frame.
/// Bit 15 of a tag is no part of its number: set, it marks the field critical, and whoever does not know the number answers
/// ``ErrorCode/unknownCriticalTag``.
/// Source: `protocol/README.md`, "Tagged tail".
package enum TaggedTail {
    package static let criticalBit: UInt16 = 0x8000
    package static let headByteCount = 6

    /// One tag, without its critical bit, and where its bytes lie in the span that was read.
    package struct Field: Equatable, Sendable {
        package var tag: UInt16
        package var range: Range<Int>
    }

    /// The fields of `tail`, in order, without those of ``RequestTail``. `known` are the tags that the caller understands; unknown ones are skipped,
    /// or refused where they are critical. `hasCommonTags`: the frame may have the tags of ``RequestTail``; those of HELLO, AUTH and PING may not.
    package static func fields(in tail: RawSpan, known: Set<UInt16> = [], hasCommonTags: Bool = true) throws(WireError) -> [Field] {
        var reader = WireReader(tail)
        var fields: [Field] = []
        while !reader.isAtEnd {
            let raw = try reader.u16("tag")
            let tag = raw & ~criticalBit
            let count = Int(clamping: try reader.u32("tag length"))
            let start = reader.offset
            _ = try reader.span(count, "tagged field")
            if known.contains(tag) {
                fields.append(Field(tag: tag, range: start..<(start + count)))
            } else if raw & criticalBit != 0, !(hasCommonTags && RequestTail.isKnown(tag)) {
                throw WireError(.unknownCriticalTag, "tag \(tag) is critical and not known to this version")
            }
        }
        return fields
    }
}

extension WireWriter {
    package mutating func tag(_ tag: UInt16, u64 value: UInt64) {
        u16(tag)
        u32(8)
        u64(value)
    }

    package mutating func tag(_ tag: UInt16, bytes: [UInt8]) {
        u16(tag)
        u32(UInt32(bytes.count))
        self.bytes(bytes)
    }

    package mutating func tag(_ tag: UInt16, text: String) {
        u16(tag)
        u32(UInt32(text.utf8.count))
        utf8(text)
    }

    /// Like ``tag(_:text:)``, with a text that is cut between two scalars where it takes more than `bytesMax` bytes.
    package mutating func tag(_ tag: UInt16, text: String, bytesMax: Int) {
        let field = beginTag(tag)
        utf8(text, bytesMax: bytesMax)
        endTag(field)
    }

    /// Begins a field whose length is known only behind it; returns what ``endTag(_:)`` needs.
    package mutating func beginTag(_ tag: UInt16) -> Int {
        u16(tag)
        u32(0)
        return count
    }

    /// Writes the length of the field begun at `start`.
    package mutating func endTag(_ start: Int) {
        patch(u32: UInt32(count - start), at: start - 4)
    }
}

extension WireReader {
    /// Reads the rest of the frame as a tagged tail of which no field is known; `hasCommonTags` as in ``TaggedTail/fields(in:known:hasCommonTags:)``.
    package mutating func skipTail(hasCommonTags: Bool = true) throws(WireError) {
        guard !isAtEnd else { return }
        _ = try TaggedTail.fields(in: try span(remaining, "tail"), hasCommonTags: hasCommonTags)
    }
}
