import Foundation
import SpindleWire
import Testing
import WireDecoders

/// splitmix64: a sequence that depends on its seed alone.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Golden and rejected frames, damaged at random, through every decoder: none may trap, hang, or ask for memory that the frame's
/// own size does not account for. `SPINDLE_MUTATION_SEED` repeats a run, `SPINDLE_MUTATIONS` makes it longer.
@Suite struct MutationTests {
    private struct Frame: Decodable { var hex: String }

    private static func corpus() throws -> [[UInt8]] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "protocol/vectors")
        let files = ["connection", "messages", "queues", "topics", "workers", "errors", "records", "rejected"]
        return try files.flatMap { file in
            try JSONDecoder().decode([Frame].self, from: Data(contentsOf: folder.appending(path: "\(file).json"))).map { frame in
                let digits = Array(frame.hex.utf8.filter { $0 != UInt8(ascii: " ") })
                return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16) ?? 0 }
            }
        }
    }

    @Test func noDamageTrapsOrOverAllocates() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["SPINDLE_MUTATION_SEED"].flatMap { UInt64($0) } ?? 0x5EED
        let mutations = environment["SPINDLE_MUTATIONS"].flatMap { Int($0) } ?? 200_000
        print("mutation seed \(seed), \(mutations) frames")
        let corpus = try Self.corpus()
        try #require(corpus.count > 150)
        var random = SplitMix(state: seed)
        let peakBefore = try Self.virtualPeakKiB()
        var accepted = 0
        var refused = 0
        for _ in 0..<mutations {
            let frame = Self.mutate(corpus, &random)
            for decoder in Decoders.chosen(for: frame, &random) {
                do {
                    let reserved = try decoder.decode(frame.span.bytes.extracting(min(FrameHeader.byteCount, frame.count)..<frame.count))
                    accepted += 1
                    if reserved > frame.count { Issue.record("\(decoder.name) reserved \(reserved) items for \(frame.count) bytes (seed \(seed))") }
                } catch {
                    refused += 1
                }
            }
        }
        let grown = try Self.virtualPeakKiB() - peakBefore
        #expect(grown < 512 * 1024, "address space grew by \(grown) KiB (seed \(seed))")
        #expect(accepted > mutations / 100 && refused > mutations / 100, "both outcomes are met: \(accepted), \(refused)")
    }

    /// One frame of the corpus with one to four faults.
    private static func mutate(_ corpus: [[UInt8]], _ random: inout SplitMix) -> [UInt8] {
        var frame = corpus[Int.random(in: 0..<corpus.count, using: &random)]
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !frame.isEmpty else { return frame }
            let at = Int.random(in: 0..<frame.count, using: &random)
            switch UInt8.random(in: 0...7, using: &random) {
            case 0: frame[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 1: frame[at] = UInt8.random(in: 0...255, using: &random)
            case 2: frame.removeSubrange(at...)
            case 3: for offset in at..<min(at + 4, frame.count) { frame[offset] = 0xFF }
            case 4: for offset in at..<min(at + 8, frame.count) { frame[offset] = 0 }
            case 5: frame.insert(contentsOf: frame[at..<min(at + 16, frame.count)], at: at)
            case 6:
                let other = corpus[Int.random(in: 0..<corpus.count, using: &random)]
                frame.replaceSubrange(at..., with: other.suffix(other.count / 2))
            default: resealRecord(&frame, at)
            }
        }
        return frame
    }

    /// Gives what looks like a record at `at`, or at the end of a PUBLISH, a right length and checksum, so that faults behind the
    /// checksum are reached too.
    private static func resealRecord(_ frame: inout [UInt8], _ at: Int) {
        let start = [at, 0, 40, 48].first { $0 + MessageRecord.fixedByteCount <= frame.count } ?? 0
        guard start + MessageRecord.fixedByteCount <= frame.count else { return }
        let length = UInt32(frame.count - start)
        let crc = CRC32C.extend(with: frame.span.bytes.extracting((start + 8)..<frame.count))
        for byte in 0..<4 {
            frame[start + byte] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(byte)))
            frame[start + 4 + byte] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(byte)))
        }
    }

    private static func virtualPeakKiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmPeak:") })
        return try #require(Int(line.filter(\.isNumber)))
    }
}
