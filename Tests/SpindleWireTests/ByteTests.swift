import CCRC32C
import SpindleWire
import Testing

/// The error that `body` throws, nil where it throws none.
func refusal(_ body: () throws(WireError) -> Void) -> ErrorCode? {
    do throws(WireError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

/// The bytes that `body` writes.
func written(_ body: (inout WireWriter) -> Void) -> [UInt8] {
    var writer = WireWriter(capacity: 1)
    body(&writer)
    return writer.array()
}

@Suite struct ByteTests {
    @Test func numbersAreLittleEndian() throws {
        let bytes = written {
            $0.u8(0x01)
            $0.u16(0x0302)
            $0.u32(0x0706_0504)
            $0.u64(0x0F0E_0D0C_0B0A_0908)
        }
        #expect(bytes == Array(1...15))
        var reader = WireReader(bytes.span.bytes)
        #expect(try reader.u8("a") == 0x01)
        #expect(try reader.u16("b") == 0x0302)
        #expect(try reader.u32("c") == 0x0706_0504)
        #expect(try reader.u64("d") == 0x0F0E_0D0C_0B0A_0908)
        #expect(try reader.expectEnd("rest") == ())
    }

    @Test(arguments: [(0, 1), (1, 2), (3, 4), (7, 8)]) func cutNumbersAreMalformed(available: Int, width: Int) {
        let bytes = [UInt8](repeating: 0xFF, count: available)
        var reader = WireReader(bytes.span.bytes)
        let code = refusal { () throws(WireError) in
            switch width {
            case 1: _ = try reader.u8("x")
            case 2: _ = try reader.u16("x")
            case 4: _ = try reader.u32("x")
            default: _ = try reader.u64("x")
            }
        }
        #expect(code == .malformedFrame)
        let offset = reader.offset
        #expect(offset == 0, "a refused read takes nothing")
    }

    @Test(arguments: [-1, 5, Int.max, Int.min]) func runsOutsideAreMalformed(count: Int) {
        let bytes: [UInt8] = [1, 2, 3, 4]
        var reader = WireReader(bytes.span.bytes)
        #expect(refusal { () throws(WireError) in _ = try reader.array(count, "x") } == .malformedFrame)
        #expect(refusal { () throws(WireError) in _ = try reader.utf8(count, "x") } == .malformedFrame)
        #expect(refusal { () throws(WireError) in _ = try reader.span(count, "x") } == .malformedFrame)
    }

    /// `count` items announced, room for `room` of them.
    @Test(arguments: [
        (0, 0, nil), (3, 3, nil), (4, 3, .malformedFrame), (65_536, 65_536, nil), (65_537, 65_537, .invalidArgument),
        (UInt32.max, 3, .malformedFrame),
    ] as [(UInt32, Int, ErrorCode?)]) func counts(count: UInt32, room: Int, expected: ErrorCode?) {
        let bytes = written {
            $0.u32(count)
            for _ in 0..<room { $0.u16(0) }
        }
        var reader = WireReader(bytes.span.bytes)
        #expect(refusal { () throws(WireError) in _ = try reader.count("items", itemBytesMin: 2, itemsMax: WireLimits.messagesPerFrameMax) } == expected)
    }

    @Test(arguments: [
        ("", .invalidArgument), ("q", nil), ("대기열", .invalidArgument), ("a.B-c_d9", nil), ("a b", .invalidArgument), ("a*", .invalidArgument), ("a,b", .invalidArgument),
        ("a\u{0}", .invalidArgument), ("a\u{7F}", .invalidArgument), (String(repeating: "q", count: 255), nil),
        (String(repeating: "q", count: 256), .invalidArgument),
    ] as [(String, ErrorCode?)]) func names(name: String, expected: ErrorCode?) {
        let bytes = written { $0.string(name) }
        var reader = WireReader(bytes.span.bytes)
        #expect(refusal { () throws(WireError) in _ = try reader.name("name") } == expected)
    }

    @Test(arguments: [[0xFF], [0xC3, 0x28], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
    func badUTF8IsMalformed(bytes: [UInt8]) {
        var reader = WireReader(bytes.span.bytes)
        #expect(refusal { () throws(WireError) in _ = try reader.utf8(bytes.count, "text") } == .malformedFrame)
    }

    /// Sentences are cut between scalars at 2,048 bytes, whatever their characters are made of.
    @Test(arguments: [
        ("x", 2048), ("가", 2046), ("😀", 2048), ("e\u{301}", 2047), ("👨‍👩‍👧‍👦", 2047),
    ]) func longSentencesAreCut(unit: String, longest: Int) throws {
        let text = String(repeating: unit, count: 3000)
        let bytes = written { $0.sentence(text) }
        var reader = WireReader(bytes.span.bytes)
        let read = try reader.string("sentence", bytesMax: WireLimits.sentenceBytesMax)
        #expect(read.utf8.count <= longest && read.utf8.count > longest - 4)
        #expect(text.utf8.starts(with: read.utf8))
        let isAtEnd = reader.isAtEnd
        #expect(isAtEnd)
    }

    /// One character of 120,001 bytes: there is no character boundary to cut at.
    @Test func aGiantClusterIsCutToo() {
        let text = "e" + String(repeating: "\u{301}", count: 60_000)
        #expect(text.count == 1)
        let bytes = written { $0.string(text) }
        #expect(bytes.count == 2 + 65_535)
        #expect(String(validating: bytes[2...], as: UTF8.self) != nil)
    }

    @Test func theWriterGrowsPatchesAndTakesBack() {
        var writer = WireWriter(capacity: 1)
        for index in 0..<1000 { writer.u64(UInt64(index)) }
        writer.patch(u32: 0xAABB_CCDD, at: 8)
        writer.truncate(to: 16)
        writer.bytes([7])
        #expect(writer.array() == [0, 0, 0, 0, 0, 0, 0, 0, 0xDD, 0xCC, 0xBB, 0xAA, 0, 0, 0, 0, 7])
        writer.removeAll()
        #expect(writer.array() == [])
    }

    /// Known answers of RFC 3720 appendix B.4, and the check value of the CRC catalogue.
    @Test(arguments: [
        (Array("123456789".utf8), 0xE306_9283), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA), ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        (Array(0...31), 0x46DD_794E), (Array((0...31).reversed()), 0x113F_DB5C), ([], 0),
    ] as [([UInt8], UInt32)]) func crc32c(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C.extend(with: bytes.span.bytes) == expected)
        #expect(bytes.withUnsafeBytes { ccrc32c_extend_portable(0, $0.baseAddress, $0.count) } == expected)
        for cut in 0...bytes.count {
            let first = CRC32C.extend(with: bytes.span.bytes.extracting(0..<cut))
            #expect(CRC32C.extend(first, with: bytes.span.bytes.extracting(cut..<bytes.count)) == expected)
        }
    }
}
