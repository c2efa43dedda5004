/// Writes JSON (RFC 8259), byte by byte, for lines that are made often.
enum JSONText {
    /// Appends `text` as a JSON string, quotes included. Everything that may not stand in a string is escaped, so the
    /// result is always one line.
    static func append(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                line.append(UInt8(ascii: "\\"))
                line.append(byte)
            case UInt8(ascii: "\n"): line.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): line.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): line.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7f:
                line.append(contentsOf: "\\u00".utf8)
                line.append(hexDigit(byte >> 4))
                line.append(hexDigit(byte & 0xf))
            default: line.append(byte)
            }
        }
        line.append(UInt8(ascii: "\""))
    }

    /// The lower-case hexadecimal digit of a number below 16.
    static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}
