/// Cuts a stream of bytes into lines.
struct LineSplitter {
    /// A longer line is handed on in pieces of this many bytes.
    static let lineBytesMax = 64 << 10

    private var pending: [UInt8] = []

    /// The lines that are complete with these bytes, without their ends.
    mutating func add(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                lines.append(take())
            } else {
                pending.append(byte)
                if pending.count == Self.lineBytesMax { lines.append(take()) }
            }
        }
        return lines
    }

    /// What is left at the end of the stream.
    mutating func finish() -> String? {
        pending.isEmpty ? nil : take()
    }

    private mutating func take() -> String {
        defer { pending.removeAll(keepingCapacity: true) }
        return String(decoding: pending, as: UTF8.self)
    }
}
