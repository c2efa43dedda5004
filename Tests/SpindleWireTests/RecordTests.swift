import SpindleWire
import Testing

@Suite struct RecordTests {
    private func encoded(_ record: MessageRecord) throws(WireError) -> [UInt8] {
        var writer = WireWriter()
        try record.encode(into: &writer)
        return writer.array()
    }

    private func record(_ body: String = "{}", _ change: (inout MessageRecord) -> Void = { _ in }) -> MessageRecord {
        var record = MessageRecord(body: Array(body.utf8))
        change(&record)
        return record
    }

    private var full: MessageRecord {
        record("본문") {
            $0.priority = 0
            $0.correlationID = "c"
            $0.contentType = "application/json"
            $0.taskType = "작업"
            $0.group = "g"
            $0.deduplicationKey = "d"
            $0.delayMilliseconds = 1
            $0.timeToLiveMilliseconds = WireLimits.durationMillisecondsMax
            $0.flags = .lz4
            $0.expandedByteCount = UInt32(WireLimits.bodyBytesMax)
            $0.userHeaders = [.init(name: "이름", value: "값"), .init(name: "이름", value: "")]
        }
    }

    @Test func plainAndFullComeBack() throws {
        for record in [record(""), record(), full] {
            let bytes = try encoded(record)
            #expect(try RecordView.decode(bytes.span.bytes) == record)
            let attributes = try RecordView.attributes(of: bytes.span.bytes)
            #expect(attributes.byteCount == bytes.count)
        }
    }

    /// Whatever single bit is flipped behind the length, the record is refused as corrupt; in the length, it does not fit.
    @Test func everyFlippedBitIsFound() throws {
        let bytes = try encoded(full)
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            let expected: ErrorCode = bit < 32 ? .recordInvalid : .recordCorrupt
            #expect(refusal { () throws(WireError) in _ = try RecordView.attributes(of: damaged.span.bytes) } == expected, "bit \(bit)")
        }
    }

    @Test func everyCutIsFound() throws {
        let bytes = try encoded(full)
        for count in 0..<bytes.count {
            let cut = bytes.span.bytes.extracting(0..<count)
            #expect(refusal { () throws(WireError) in _ = try RecordView.decode(cut) } == .recordInvalid, "\(count) bytes")
            #expect(refusal { () throws(WireError) in _ = try RecordView.length(in: cut, at: 0) } == .malformedFrame, "\(count) bytes")
        }
    }

    private func refused(_ record: MessageRecord, _ code: ErrorCode) {
        var writer = WireWriter()
        writer.u16(0xABCD)
        #expect(refusal { () throws(WireError) in try record.encode(into: &writer) } == code)
        #expect(writer.array() == [0xCD, 0xAB], "a refused record leaves nothing behind")
    }

    @Test func whatNoBrokerAcceptsIsNotEncoded() {
        refused(record { $0.priority = 10 }, .recordInvalid)
        refused(record { $0.flags = RecordFlags(rawValue: 2) }, .recordInvalid)
        refused(record { $0.flags = .lz4 }, .recordInvalid)
        refused(record { $0.delayMilliseconds = .max }, .recordInvalid)
        refused(record { $0.timeToLiveMilliseconds = WireLimits.durationMillisecondsMax + 1 }, .recordInvalid)
        refused(record { $0.group = String(repeating: "g", count: 256) }, .recordInvalid)
        refused(record { $0.userHeaders = [.init(name: "", value: "v")] }, .recordInvalid)
        refused(record { $0.userHeaders = [.init(name: String(repeating: "n", count: 256), value: "v")] }, .recordInvalid)
        refused(record { $0.userHeaders = [.init(name: "n", value: String(repeating: "v", count: 40_000))] }, .recordTooLarge)
        refused(record { $0.userHeaders = (0..<40).map { .init(name: "n\($0)", value: String(repeating: "v", count: 1000)) } }, .recordTooLarge)
        refused(MessageRecord(body: [UInt8](repeating: 0, count: WireLimits.frameBytesMax - WireLimits.recordOverheadBytesMax)), .recordTooLarge)
    }

    /// Unknown headers below 128 pass; the message is read without them.
    @Test func headersOfLaterVersionsPass() throws {
        let rest = written {
            $0.u8(1)
            $0.u8(0)
            $0.u8(4)
            $0.u8(0)
            $0.u16(8)
            $0.u16(0)
            $0.u32(2)
            $0.u8(99)
            $0.u16(5)
            $0.bytes([0xFF, 0xFE, 0, 1, 2])
            $0.utf8("{}")
        }
        let bytes = written {
            $0.u32(UInt32(rest.count + 8))
            $0.u32(CRC32C.extend(with: rest.span.bytes))
            $0.bytes(rest)
        }
        #expect(try RecordView.decode(bytes.span.bytes) == record())
    }
}
