/// Reads little-endian fields from a borrowed span, never past its end.
///
/// Every read is checked first; a short or unreadable field throws ``WireError`` with
/// ``ErrorCode/malformedFrame`` and names the field, so that no input can trap.
package struct WireReader: ~Escapable {
    private let bytes: RawSpan
    package private(set) var offset: Int = 0

    @_lifetime(copy bytes)
    package init(_ bytes: RawSpan) {
        self.bytes = bytes
    }

    package var remaining: Int { bytes.byteCount - offset }
    package var isAtEnd: Bool { remaining == 0 }

    private mutating func advance(_ count: Int, _ field: StaticString) throws(WireError) -> Int {
        guard count >= 0, count <= bytes.byteCount - offset else {
            throw .malformed("\(field): \(count) bytes are needed at offset \(offset), \(bytes.byteCount - offset) are left")
        }
        let start = offset
        offset += count
        return start
    }

    package mutating func u8(_ field: StaticString) throws(WireError) -> UInt8 {
        let at = try advance(1, field)
        return unsafe bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)
    }

    package mutating func u16(_ field: StaticString) throws(WireError) -> UInt16 {
        let at = try advance(2, field)
        return unsafe UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt16.self))
    }

    package mutating func u32(_ field: StaticString) throws(WireError) -> UInt32 {
        let at = try advance(4, field)
        return unsafe UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt32.self))
    }

    package mutating func u64(_ field: StaticString) throws(WireError) -> UInt64 {
        let at = try advance(8, field)
        return unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
    }

    /// A run of `count` bytes, still borrowed.
    @_lifetime(copy self)
    package mutating func span(_ count: Int, _ field: StaticString) throws(WireError) -> RawSpan {
        let at = try advance(count, field)
        return bytes.extracting(at..<(at + count))
    }

    /// `u16 length` and that many bytes of UTF-8. Too long a text is ``ErrorCode/invalidArgument``: the frame around it is sound.
    package mutating func string(_ field: StaticString, bytesMax: Int = WireLimits.nameBytesMax) throws(WireError) -> String {
        let count = Int(try u16(field))
        guard count <= bytesMax || count > remaining else {
            throw WireError(.invalidArgument, "\(field): \(count) bytes, at most \(bytesMax) are allowed")
        }
        return try utf8(count, field)
    }

    /// The name of a queue or topic: 1 to 255 ASCII letters, digits, `.`, `-` and `_`; else ``ErrorCode/invalidArgument``.
    package mutating func name(_ field: StaticString) throws(WireError) -> String {
        let start = offset + 2
        let name = try string(field)
        try Self.checkName(bytes.extracting(start..<offset), field)
        return name
    }

    /// As ``name(_:)``, or empty where none is meant.
    package mutating func nameOrEmpty(_ field: StaticString) throws(WireError) -> String {
        let start = offset + 2
        let name = try string(field)
        if offset > start { try Self.checkName(bytes.extracting(start..<offset), field) }
        return name
    }

    /// A reason or note for people: at most ``WireLimits/sentenceBytesMax`` bytes.
    package mutating func sentence(_ field: StaticString) throws(WireError) -> String {
        try string(field, bytesMax: WireLimits.sentenceBytesMax)
    }

    /// A duration of at most ten years, milliseconds; longer ones are ``ErrorCode/invalidArgument``.
    package mutating func durationMilliseconds(_ field: StaticString) throws(WireError) -> UInt64 {
        let milliseconds = try u64(field)
        guard milliseconds <= WireLimits.durationMillisecondsMax else {
            throw WireError(.invalidArgument, "\(field): \(milliseconds) ms, at most \(WireLimits.durationMillisecondsMax) (ten years) are allowed")
        }
        return milliseconds
    }

    /// `u32 count × u64 id`: at least one, at most `itemsMax`.
    package mutating func ids(_ field: StaticString, itemsMax: Int) throws(WireError) -> [UInt64] {
        let count = try count(field, itemBytesMin: 8, itemsMax: itemsMax)
        guard count > 0 else { throw WireError(.invalidArgument, "\(field): none is named") }
        return try idList(count, field)
    }

    /// `count` ids, behind a count that was checked.
    package mutating func idList(_ count: Int, _ field: StaticString) throws(WireError) -> [UInt64] {
        var list = try WireReader(span(count * 8, field))
        var ids: [UInt64] = []
        ids.reserveCapacity(count)
        for _ in 0..<count { ids.append(try list.u64(field)) }
        return ids
    }

    /// The rule of ``name(_:)`` over the name's bytes.
    package static func checkName(_ name: RawSpan, _ field: StaticString) throws(WireError) {
        guard name.byteCount > 0 else { throw WireError(.invalidArgument, "\(field): a name is needed, it is empty") }
        for offset in 0..<name.byteCount {
            let byte = unsafe name.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                continue
            default:
                throw WireError(.invalidArgument, "\(field): letters, digits, '.', '-' and '_' are allowed in a name, no others")
            }
        }
    }

    /// `count` bytes of UTF-8.
    package mutating func utf8(_ count: Int, _ field: StaticString) throws(WireError) -> String {
        let at = try advance(count, field)
        let slice = bytes.extracting(at..<(at + count))
        let text = slice.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
        guard let text else { throw .malformed("\(field): not valid UTF-8") }
        return text
    }

    /// `count` bytes, copied out.
    package mutating func array(_ count: Int, _ field: StaticString) throws(WireError) -> [UInt8] {
        let at = try advance(count, field)
        return bytes.extracting(at..<(at + count)).withUnsafeBytes { [UInt8]($0) }
    }

    /// A count field that announces items of at least `itemBytesMin` bytes each: refused before anything is allocated
    /// if the frame cannot hold them, or if there are more than `itemsMax`.
    package mutating func count(
        _ field: StaticString, itemBytesMin: Int, itemsMax: Int
    ) throws(WireError) -> Int {
        let count = Int(try u32(field))
        guard count <= remaining / itemBytesMin else {
            throw .malformed("\(field): \(count) items are announced, the \(remaining) bytes left can't hold them")
        }
        guard count <= itemsMax else {
            throw WireError(.invalidArgument, "\(field): \(count) items, at most \(itemsMax) are allowed")
        }
        return count
    }

    /// Nothing may follow.
    package func expectEnd(_ what: StaticString) throws(WireError) {
        guard isAtEnd else { throw .malformed("\(what): \(remaining) bytes too many") }
    }
}
