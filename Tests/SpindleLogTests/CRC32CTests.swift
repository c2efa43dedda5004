import SpindleSimulator
import CCRC32C
import Testing

@Suite("CRC32C")
struct CRC32CTests {
    /// RFC 3720, appendix B.4, and the check value of the Rocksoft catalogue.
    private static let known: [([UInt8], UInt32)] = [
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ([UInt8](0..<32), 0x46DD_794E),
        ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
        (Array("123456789".utf8), 0xE306_9283),
        ([], 0),
    ]

    @Test(arguments: known)
    func knownValues(bytes: [UInt8], expected: UInt32) {
        #expect(ccrc32c_extend(0, bytes, bytes.count) == expected)
        #expect(ccrc32c_extend_portable(0, bytes, bytes.count) == expected)
    }

    @Test func hardwareAndPortableAgree() {
        var generator = SeededGenerator(seed: 1)
        let bytes = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        bytes.withUnsafeBytes { buffer in
            for _ in 0..<5000 {
                let start = Int.random(in: 0..<64, using: &generator)
                let count = Int.random(in: 0...(buffer.count - start) / (Bool.random(using: &generator) ? 1 : 50), using: &generator)
                let part = UnsafeRawBufferPointer(rebasing: buffer[start..<start + count])
                let seed = UInt32.random(in: 0 ... .max, using: &generator)
                #expect(ccrc32c_extend(seed, part.baseAddress, count) == ccrc32c_extend_portable(seed, part.baseAddress, count))
            }
        }
    }

    @Test func goesOnFromAnEarlierResult() {
        let bytes = [UInt8](0..<200)
        let whole = ccrc32c_extend(0, bytes, bytes.count)
        for cut in 0...bytes.count {
            let first = ccrc32c_extend(0, bytes, cut)
            #expect(ccrc32c_extend(first, Array(bytes[cut...]), bytes.count - cut) == whole)
        }
    }
}
