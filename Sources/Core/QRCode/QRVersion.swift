/// One of the sizes of QR codes, with the error correction level M, which bears that 15 % of the picture can't be read.
/// Source: ISO/IEC 18004, tables 1, 9 and E.1.
package struct QRVersion: Sendable, Equatable {
    /// Sizes 1 to 20: 666 bytes, where the longest address that this project makes has less than 300.
    package static let all = (1...20).map(QRVersion.init(number:))

    /// Codewords of error correction in each block, and how many blocks there are, by version.
    private static let correction = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26]
    private static let blocks = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16]

    /// From 1.
    package let number: Int

    package init(number: Int) { self.number = number }

    /// Modules at each side.
    package var side: Int { 17 + 4 * number }

    package var blockCount: Int { Self.blocks[number - 1] }
    package var correctionPerBlock: Int { Self.correction[number - 1] }

    /// Codewords of data and error correction together.
    package var codewordCount: Int {
        var modules = (16 * number + 128) * number + 64
        if number >= 2 {
            let count = alignment.count
            modules -= (25 * count - 10) * count - 55
            if number >= 7 { modules -= 36 }
        }
        return modules / 8
    }

    package var dataCodewordCount: Int { codewordCount - blockCount * correctionPerBlock }

    /// Bytes of text that fit, besides the mode and the length.
    package var textBytesMax: Int { dataCodewordCount - (lengthBits == 8 ? 2 : 3) }

    /// Bits in which the length of a text is written.
    package var lengthBits: Int { number < 10 ? 8 : 16 }

    /// Rows and columns of the centres of alignment patterns.
    package var alignment: [Int] {
        guard number >= 2 else { return [] }
        let count = number / 7 + 2
        let step = (number * 4 + count * 2 + 1) / (count * 2 - 2) * 2
        return [6] + (0..<(count - 1)).map { side - 7 - $0 * step }.reversed()
    }

    /// How many codewords of data each block has; the later ones have one more where they don't divide evenly.
    package var dataPerBlock: [Int] {
        let (short, longCount) = dataCodewordCount.quotientAndRemainder(dividingBy: blockCount)
        return (0..<blockCount).map { $0 < blockCount - longCount ? short : short + 1 }
    }
}
