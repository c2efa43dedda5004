/// A QR code that holds a short text, such as an address that phones open.
package struct QRCode: Sendable, Equatable {
    /// Light modules around the code, without which readers don't find it.
    package static let quietZone = 4
    /// The longest text, in bytes of UTF-8.
    package static let textBytesMax = QRVersion.all.last.map(\.textBytesMax) ?? 0

    package struct TooLong: Error, Sendable, Equatable {
        package init() {}
    }

    /// Modules at each side, without the quiet zone.
    package let side: Int
    private let isDark: [Bool]

    package init(_ text: String) throws(TooLong) {
        let bytes = Array(text.utf8)
        guard let version = QRVersion.all.first(where: { $0.textBytesMax >= bytes.count }) else { throw TooLong() }
        self.init(Self.data(bytes, version), version)
    }

    /// - Parameter data: as many codewords as the version has.
    package init(_ data: [UInt8], _ version: QRVersion) {
        var matrix = QRMatrix(version)
        matrix.draw(Self.interleaved(data, version))
        let best = (0..<8).map { mask -> QRMatrix in
            var masked = matrix
            masked.apply(mask: mask)
            masked.drawFormat(mask: mask)
            return masked
        }.min { $0.penalty < $1.penalty }
        side = version.side
        isDark = (best ?? matrix).isDark
    }

    /// - Returns: whether the module at column `x` and row `y` is dark; those around the code are not.
    package func isDark(_ x: Int, _ y: Int) -> Bool {
        (0..<side).contains(x) && (0..<side).contains(y) && isDark[y * side + x]
    }

    /// Mode (bytes), length, text, terminator, padding.
    package static func data(_ text: [UInt8], _ version: QRVersion) -> [UInt8] {
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) { bits += (0..<count).reversed().map { value >> $0 & 1 == 1 } }
        append(0b0100, 4)
        append(text.count, version.lengthBits)
        for byte in text { append(Int(byte), 8) }
        append(0, 4)
        var bytes = stride(from: 0, to: bits.count, by: 8).map { start in bits[start..<min(start + 8, bits.count)].reduce(0) { $0 << 1 | ($1 ? 1 : 0) } as UInt8 }
        var padding: UInt8 = 0xec
        while bytes.count < version.dataCodewordCount {
            bytes.append(padding)
            padding ^= 0xec ^ 0x11
        }
        return bytes
    }

    /// The data cut into blocks, each with its error correction, and their codewords alternately.
    package static func interleaved(_ data: [UInt8], _ version: QRVersion) -> [UInt8] {
        let generator = ReedSolomon.generator(degree: version.correctionPerBlock)
        var blocks: [ArraySlice<UInt8>] = []
        var start = 0
        for count in version.dataPerBlock {
            blocks.append(data[start..<start + count])
            start += count
        }
        let corrections = blocks.map { ReedSolomon.correction(of: $0, generator: generator) }
        let longest = blocks.map(\.count).max() ?? 0
        var result: [UInt8] = []
        for index in 0..<longest {
            for block in blocks where index < block.count { result.append(block[block.startIndex + index]) }
        }
        for index in 0..<version.correctionPerBlock {
            for correction in corrections { result.append(correction[index]) }
        }
        return result
    }
}
