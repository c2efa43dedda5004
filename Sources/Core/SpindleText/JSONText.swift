/// Writes JSON (RFC 8259) without Foundation, for lines and small documents that are made often.
package enum JSONText {
    /// Appends `text` as a JSON string, quotes included. Every control character is escaped, so the result is one line.
    package static func append(_ text: String, to line: inout [UInt8]) {
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

    /// Bytes that a scalar takes inside a JSON string.
    package static func byteCount(of scalar: Unicode.Scalar) -> Int {
        switch scalar {
        case "\"", "\\", "\n", "\r", "\t": 2
        case "\0"..<" ", "\u{7f}": 6
        default: UTF8.width(scalar)
        }
    }

    package static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        append(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// An object of text fields, in their order.
    package static func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(quoted($0.0)):\(quoted($0.1))" }.joined(separator: ",") + "}"
    }

    /// The lower-case hexadecimal digit of a number below 16.
    package static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}
