/// Writes the fields of a protobuf message: https://protobuf.dev/programming-guides/encoding/
struct ProtobufWriter {
    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case fixed32 = 5
    }

    private(set) var bytes: [UInt8] = []

    /// A field with a value that is not 0; 0 is what an absent field means.
    mutating func varint(_ field: UInt64, _ value: UInt64) {
        guard value != 0 else { return }
        key(field, .varint)
        raw(value)
    }

    /// A varint that is written even if it is 0: one of several that a `oneof` chooses from.
    mutating func chosenVarint(_ field: UInt64, _ value: UInt64) {
        key(field, .varint)
        raw(value)
    }

    mutating func fixed64(_ field: UInt64, _ value: UInt64) {
        key(field, .fixed64)
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(shift)))) }
    }

    mutating func fixed32(_ field: UInt64, _ value: UInt32) {
        key(field, .fixed32)
        for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt32(shift)))) }
    }

    mutating func string(_ field: UInt64, _ text: String) { block(field, Array(text.utf8)) }

    /// Bytes, or the fields of a message within this one.
    mutating func block(_ field: UInt64, _ content: [UInt8]) {
        key(field, .bytes)
        raw(UInt64(content.count))
        bytes += content
    }

    mutating func message(_ field: UInt64, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        block(field, inner.bytes)
    }

    private mutating func key(_ field: UInt64, _ type: WireType) { raw(field << 3 | type.rawValue) }

    private mutating func raw(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
