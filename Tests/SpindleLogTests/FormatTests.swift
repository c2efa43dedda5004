import SpindleLog
import SpindleSimulator
import Testing

/// The bytes on the disk, as docs/decisions/0001-log-format.md draws them. They change only together with the version.
@Suite("Log format, version 1")
struct FormatTests {
    private func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func twoEntries() throws -> [UInt8] {
        var log = try TestLog(SimulatedDisk())
        let first = try log.appender.append(type: 0x0102, flags: 0x0304, head: Array("ab".utf8).span.bytes, body: Array("cde".utf8).span.bytes)
        let taken = log.appender.takeBatch()
        let batch = try #require(taken)
        log.appender.markDurable(try LogWriter(storage: log.storage).write(batch))
        #expect(first.payloadAddress == 16384 + 4096 + 40)
        _ = try log.appender.append(type: 9, head: RawSpan())
        try log.commit()
        return try #require(log.storage.disk[.segment(1)])
    }

    @Test func segmentHeader() throws {
        let bytes = try twoEntries()
        #expect(bytes.count == 16384)
        #expect(String(decoding: bytes[..<8], as: UTF8.self) == "SPINDLOG")
        #expect(
            hex(bytes[8..<60])
                == "01000000" + "00100000" + "0807060504030201100f0e0d0c0b0a09" + "0100000000000000" + "0040000000000000"
                + "0040000000000000" + "00000000")
        #expect(hex(bytes[60..<64]) == Golden.segmentHeaderCRC)
        #expect(bytes[64..<4096].allSatisfy { $0 == 0 })
    }

    @Test func entries() throws {
        let bytes = try twoEntries()
        #expect(
            hex(bytes[4096..<4096 + 48])
                == "05000000" + "faffffff" + "0050000000000000" + "0050000000000000" + "0201" + "0403" + "00000000"
                + Golden.firstHeaderCRC + Golden.firstEntryCRC + "6162636465" + "000000")
        #expect(
            hex(bytes[4144..<4144 + 40])
                == "00000000" + "ffffffff" + "3050000000000000" + "3050000000000000" + "0900" + "0000" + Golden.firstEntryCRC
                + Golden.secondCRC + Golden.secondCRC)
        #expect(bytes[4184...].allSatisfy { $0 == 0 })
    }

    @Test func checkpoint() throws {
        let log = try TestLog(SimulatedDisk())
        try log.checkpoint()
        let bytes = try #require(log.storage.disk[.checkpoint(LSN(rawValue: 20480))])
        #expect(String(decoding: bytes[..<8], as: UTF8.self) == "SPINDCKP")
        #expect(
            hex(bytes[8..<56])
                == "01000000" + "40000000" + "0807060504030201100f0e0d0c0b0a09" + "0050000000000000" + "0000000000000000"
                + "0800000000000000")
        #expect(hex(bytes[56..<64]) == Golden.checkpointCRCs)
        #expect(bytes[64...] == [0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: [
        (LogFileName.segment(7), "00000000000000000007.segment"),
        (.prepared(8), "00000000000000000008.prepared"),
        (.spent(9), "00000000000000000009.spent"),
        (.checkpoint(LSN(rawValue: .max)), "18446744073709551615.checkpoint"),
        (.preparing, "preparing.temp"),
        (.checkpointing, "checkpointing.temp"),
        (LogFileName.segment(7).quarantined(attempt: 2), "00000000000000000007.segment.quarantined-2"),
    ])
    func fileNames(name: LogFileName, text: String) {
        #expect(name.description == text)
        #expect(LogFileName(text) == name)
    }

    @Test(arguments: ["lock", "", ".segment", "7.segment", "0000000000000000000x.segment", "00000000000000000007.segment.bak", "٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٧.segment"])
    func foreignNames(text: String) {
        #expect(LogFileName(text) == nil)
    }
}
