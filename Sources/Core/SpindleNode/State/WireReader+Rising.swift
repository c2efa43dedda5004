internal import SpindleWire

extension WireReader {
    /// A count or a time of the state, which goes on rising. One so large that it could overflow is damage.
    mutating func rising(_ field: StaticString) throws(WireError) -> UInt64 {
        let value = try u64(field)
        guard value <= UInt64.max / 4 else { throw .malformed("\(field) is \(value), to which nothing rises") }
        return value
    }

    /// A count of eight bytes: see ``count(_:itemBytesMin:itemsMax:)``.
    mutating func count64(_ field: StaticString, itemBytesMin: Int, itemsMax: Int) throws(WireError) -> Int {
        let value = try u64(field)
        guard value <= UInt64(itemsMax) else { throw .malformed("\(field): \(value) items, at most \(itemsMax) are allowed") }
        guard value <= UInt64(remaining / itemBytesMin) else {
            throw .malformed("\(field): \(value) items are announced, the \(remaining) bytes left can't hold them")
        }
        return Int(value)
    }

    /// The bytes of a record: no more than were ever taken.
    mutating func recordByteCount() throws(WireError) -> UInt32 {
        let count = try u32("bytes")
        guard count <= Self.recordByteCountMax else { throw .malformed("a record of \(count) bytes: at most \(Self.recordByteCountMax) are taken") }
        return count
    }

    static var recordByteCountMax: UInt32 { UInt32(WireLimits.frameBytesMax) }
}
