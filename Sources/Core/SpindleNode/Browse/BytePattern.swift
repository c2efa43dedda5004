/// A text that is searched for in bytes, in time linear in their number (Knuth, Morris, Pratt). The table is made once.
package struct BytePattern: Equatable, Sendable {
    package let text: [UInt8]
    /// By length of a matched part of `text`: the longest proper prefix of that part that also ends it.
    private let borders: [Int32]

    package init(_ text: [UInt8]) {
        self.text = text
        var borders: [Int32] = [0, 0]
        borders.reserveCapacity(text.count + 1)
        var border = 0
        for index in text.indices.dropFirst() {
            while border > 0, text[index] != text[border] { border = Int(borders[border]) }
            if text[index] == text[border] { border += 1 }
            borders.append(Int32(border))
        }
        self.borders = borders
    }

    package init(_ text: String) { self.init(Array(text.utf8)) }

    /// Whether the text stands anywhere in `bytes`; the empty text does.
    package func isContained(in bytes: RawSpan) -> Bool {
        guard let first = text.first else { return true }
        guard text.count <= bytes.byteCount else { return false }
        var matched = 0
        for offset in 0..<bytes.byteCount {
            // `offset` is below the span's length.
            let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            if matched == 0 {
                if byte != first { continue }
                matched = 1
            } else {
                while matched > 0, byte != text[matched] { matched = Int(borders[matched]) }
                if byte == text[matched] { matched += 1 }
            }
            if matched == text.count { return true }
        }
        return false
    }

    /// Whether `bytes` are the text, no more and no less.
    package func isEqual(to bytes: RawSpan) -> Bool {
        guard bytes.byteCount == text.count else { return false }
        for index in text.indices where unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self) != text[index] { return false }
        return true
    }
}
