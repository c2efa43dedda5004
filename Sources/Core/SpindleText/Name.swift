/// Names of hosts, principals, queues and topics in a description: letters, digits, `.`, `-` and `_`.
package enum Name {
    /// Longest name in a description, bytes.
    package static let bytesMax = 200

    package static func isPlain(_ text: String) -> Bool {
        (1...bytesMax).contains(text.utf8.count) && text.utf8.allSatisfy(isPlainByte)
    }

    static func isPlainByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
