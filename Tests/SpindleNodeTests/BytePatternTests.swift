import SpindleNode
import SpindleSimulator
import Testing

/// The linear search gives what the naive one gives.
@Suite struct BytePatternTests {
    private static func naive(_ text: [UInt8], in bytes: [UInt8]) -> Bool {
        guard text.count <= bytes.count else { return false }
        return (0...(bytes.count - text.count)).contains { Array(bytes[$0..<($0 + text.count)]) == text }
    }

    @Test(arguments: [
        ("", "", true), ("", "a", true), ("a", "", false), ("aab", "aaaaab", true), ("abab", "abaabab", true), ("abcabd", "abcabcabd", true),
        ("ab", "ba", false), ("나다", "가나다", true), ("aaaa", "aaa", false),
    ])
    func finds(text: String, bytes: String, expected: Bool) {
        #expect(BytePattern(text).isContained(in: Array(bytes.utf8).span.bytes) == expected)
    }

    /// Texts over one to three letters, where false starts are many.
    @Test(arguments: 1...20)
    func agreesWithTheNaiveSearch(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<2_000 {
            let letters = UInt8.random(in: 1...3, using: &random)
            func word(_ max: Int) -> [UInt8] {
                (0..<Int.random(in: 0...max, using: &random)).map { _ in 97 + UInt8.random(in: 0..<letters, using: &random) }
            }
            let bytes = word(60)
            let text = word(8)
            #expect(BytePattern(text).isContained(in: bytes.span.bytes) == Self.naive(text, in: bytes), "\(text) in \(bytes)")
            #expect(BytePattern(text).isEqual(to: bytes.span.bytes) == (text == bytes))
        }
    }
}
