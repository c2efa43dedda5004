/// A growing buffer of little-endian fields: one allocation that is kept across ``removeAll()``. Or one that does not grow: see
/// ``inPieces(of:to:_:)``.
package struct WireWriter: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    package private(set) var count: Int = 0
    /// Takes what is there when the buffer is full, instead of a larger buffer.
    private var take: ((RawSpan) -> Void)?

    package init(capacity: Int = 256) {
        self.capacity = max(16, capacity)
        base = .allocate(byteCount: self.capacity, alignment: 8)
    }

    /// Hands what `write` writes to `take`, in order and in pieces of about `byteCount`, so that it never lies in memory as a whole.
    /// `write` can't ``patch(u32:at:)`` or ``truncate(to:)``: the bytes may be gone.
    package static func inPieces(of byteCount: Int, to take: (RawSpan) -> Void, _ write: (inout WireWriter) -> Void) {
        withoutActuallyEscaping(take) { take in
            var writer = WireWriter(capacity: byteCount)
            writer.take = take
            write(&writer)
            if writer.count > 0 { take(writer.span) }
        }
    }

    deinit { base.deallocate() }

    package mutating func removeAll() { count = 0 }

    /// Takes back what was written behind the first `byteCount` bytes.
    package mutating func truncate(to byteCount: Int) {
        precondition(take == nil && byteCount >= 0 && byteCount <= count, "truncate can only take back what was written")
        count = byteCount
    }

    /// Room for `more` bytes; returns the offset at which they start.
    private mutating func grow(_ more: Int) -> Int {
        if count + more > capacity { makeRoom(more) }
        let start = count
        count += more
        return start
    }

    private mutating func makeRoom(_ more: Int) {
        if let take {
            take(span)
            count = 0
        }
        let needed = count + more
        guard needed > capacity else { return }
        let larger = max(needed, capacity * 2)
        let next = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        next.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = next
        capacity = larger
    }

    package mutating func u8(_ value: UInt8) {
        let at = grow(1)
        base.storeBytes(of: value, toByteOffset: at, as: UInt8.self)
    }

    package mutating func u16(_ value: UInt16) {
        let at = grow(2)
        base.storeBytes(of: value.littleEndian, toByteOffset: at, as: UInt16.self)
    }

    package mutating func u32(_ value: UInt32) {
        let at = grow(4)
        base.storeBytes(of: value.littleEndian, toByteOffset: at, as: UInt32.self)
    }

    package mutating func u64(_ value: UInt64) {
        let at = grow(8)
        base.storeBytes(of: value.littleEndian, toByteOffset: at, as: UInt64.self)
    }

    package mutating func bytes(_ span: RawSpan) {
        guard span.byteCount > 0 else { return }
        let at = grow(span.byteCount)
        span.withUnsafeBytes { source in
            guard let from = source.baseAddress else { return }
            (base + at).copyMemory(from: from, byteCount: source.count)
        }
    }

    package mutating func bytes(_ array: [UInt8]) { bytes(array.span.bytes) }

    /// The UTF-8 of `text`, without a length.
    package mutating func utf8(_ text: String) {
        var text = text
        text.withUTF8 { source in
            guard let from = source.baseAddress, source.count > 0 else { return }
            let at = grow(source.count)
            (base + at).copyMemory(from: from, byteCount: source.count)
        }
    }

    /// `u16 length` and the UTF-8 of `text`, cut between two scalars where it is longer than a u16 can say.
    package mutating func string(_ text: String) { string(text, bytesMax: Int(UInt16.max)) }

    /// As ``string(_:)``, cut at ``WireLimits/sentenceBytesMax``: a reason may be a whole stack trace, and what no reader accepts
    /// must not be sent.
    package mutating func sentence(_ text: String) { string(text, bytesMax: WireLimits.sentenceBytesMax) }

    /// As ``string(_:)``, cut at ``WireLimits/nameBytesMax``: for what the broker composes or found in an old log, whose readers take no
    /// more. A request's names are written whole, so that one that is too long is refused instead of becoming another.
    package mutating func name(_ text: String) { string(text, bytesMax: WireLimits.nameBytesMax) }

    private mutating func string(_ text: String, bytesMax: Int) { cut(text, bytesMax: bytesMax, isCounted: true) }

    /// The UTF-8 of `text` without a length, cut between two scalars where it takes more than `bytesMax` bytes.
    mutating func utf8(_ text: String, bytesMax: Int) { cut(text, bytesMax: bytesMax, isCounted: false) }

    private mutating func cut(_ text: String, bytesMax: Int, isCounted: Bool) {
        var text = text
        text.withUTF8 { source in
            var end = min(source.count, bytesMax)
            // Bytes 10xxxxxx continue a scalar: not before one of those.
            while end < source.count, end > 0, source[end] & 0xC0 == 0x80 { end -= 1 }
            if isCounted { u16(UInt16(end)) }
            guard end > 0, let from = source.baseAddress else { return }
            let at = grow(end)
            (base + at).copyMemory(from: from, byteCount: end)
        }
    }

    /// Overwrites four bytes written before: a length known only at the end.
    package mutating func patch(u32 value: UInt32, at offset: Int) {
        precondition(take == nil && offset >= 0 && offset + 4 <= count, "patch outside the written bytes")
        base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
    }

    package var span: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let span = unsafe RawSpan(_unsafeStart: base, byteCount: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    package borrowing func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    package borrowing func array() -> [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}
