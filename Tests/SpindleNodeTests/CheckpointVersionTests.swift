import SpindleLog
import SpindleNode
import SpindleWire
import Testing

/// Checkpoints that earlier versions wrote.
@Suite struct CheckpointVersionTests {
    /// Written by the version that knew neither groups nor moved records. Queue `q` (two attempts, first back-off 5 s) got a, b, c, d of
    /// priority 9, e delayed by 60 s, f with key `k1`, g, h of priority 0, from producer 7; d was acknowledged, a given back, b declared
    /// dead, c leased for 30 s by `admin/w`; topic `t` has one event.
    static let version1 = """
        010040420f000000000002000000010071a60000000100080000003075000000000000020008000000002e9302000000000300080000000200000000
        00000004000800000001000000000000000500080000008813000000000000060008000000e093040000000000070008000000000000000000000009
        000800000000000000000000000b000800000000000000000000000c000800000000000000000000000d0008000000c0270900000000000800060000
        00712e646561640800000000000000040000000000000001000000000000000200000000000000000000000000000001000000000000002f00000000
        0000000d000000000000002c1210000000000040420f00000000000100000013000000eda34015c0843d001500001500351a00001500010000000200
        6b31611210000000000040420f0000000000010000000700000000000000000000000000000001000000010000000000000008000000ed1110000000
        00000600712e64656164a00000000100080000003075000000000000020008000000002e930200000000030008000000000000000000000004000800
        00000100000000000000050008000000e803000000000000060008000000e09304000000000007000800000014000000000000000900080000000000
        0000000000000b000800000000000000000000000c000800000000000000000000000d0008000000c027090000000000080000000000010000000000
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
        00000000000000000000000000000000000000000000000000000500000000000000ed11100000000000150000000000000040420f00000000000401
        0000000100000001c8550f000000000001010000000100000040420f000000000040420f0000000000070061646d696e2f770002006e6f0212100000
        000000150000000100000040420f0000000000040100000000000000000201007102006e6f40420f0000000000010000000100000040420f00000000
        0040420f0000000000070061646d696e2f770002006e6f1712100000000000150000000000000040420f00000000000401000000010000000240ba0f
        0000000000007800000000000040420f0000000000070061646d696e2f77004112100000000000200000000000000040420f00000000000400000000
        0000000001a02c100000000000009012100000000000150000000000000040420f000000000000000000000000000000000100000001007400000000
        0000000001000000000000000000000001000000000000005d1410000000000040420f00000000001700000000000000
        """

    /// Written by the version that put each section's bytes before it. Queue `q` (ordered groups, two attempts) got a, b, c of group `a`,
    /// d and e with the keys `k4` and `k5`, f delayed by an hour; a was acknowledged with a result, d is leased, deliveries are paused.
    /// Ten queues were removed; topic `jobs.1` has one event.
    static let version2 = """
        0200d6fa60ffa101000005000100ee040000000000000c00000000000000000000000000010100712401000001000800000030750000000000000200
        08000000002e93020000000003000800000002000000000000000400080000000100000000000000050008000000e803000000000000060008000000
        e093040000000000070008000000140000000000000009000800000000000000000000000a000800000000000000000000000b000800000000000000
        000000000c000800000000000000000000000d000800000080ee3600000000000e000800000001000000000000000f00080000000000000000000000
        10000800000000000000000000001100080000000000000000000000120008000000010000000000000013000800000080ee36000000000014000800
        000000000000000000001500080000000000000000000000080006000000712e64656164010700736572766963650000000000000000070006000000
        000000000200000000000000010000000000000000000000000000000000000000000000000000000000000000000000000000000300000000000000
        0000000002000000000000000000020000000000000000000000000000000104952900040000000095290004000000001b0000008ec460ffa1010000
        0000000001000000010061030000000000000000000000000000000104452800040000000045280004000000001a00000016c460ffa1010000010000
        005f2800040000000016c460ffa1010000000000000000000000060000000100000003000000561a280200000002006b34252900040000000062c460
        ffa101000002006b3595290004000000008ec460ffa101000006000000ac879ee1221bf8d70000000000000000010000000100000000000000010000
        00d5270004000000005eb352f2612447e600000000000000000100000001000000000000000100000045280004000000005c95d9e4457ba354000000
        000000000001000000010000000000000001000000b52800040000000052d0baad2914f65a0000000000000000010000000100000000000000010000
        00252900040000000083879e72ca5daf1d0000000000000000010000000100000000000000010000009529000400000000438968f442f4427b000000
        000000000001000000010000000000000001000000052a000400000000010600712e646561641e010000010008000000307500000000000002000800
        0000002e93020000000003000800000000000000000000000400080000000100000000000000050008000000e803000000000000060008000000e093
        040000000000070008000000140000000000000009000800000000000000000000000a000800000000000000000000000b0008000000000000000000
        00000c000800000000000000000000000d0008000000c0270900000000000e000800000000000000000000000f000800000000000000000000001000
        080000000000000000000000110008000000000000000000000012000800000001000000000000001300080000000000000000000000140008000000
        000000000000000015000800000000000000000000000800000000000000000000000000000000070000000000000000000000000000000000000000
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000100000000000000000000
        0000000000000000000000000000000000000000000000000200bb000000000000000200000000000000252900040000000025290004000000001b00
        00000a0000000000000062c460ffa101000062c460ffa101000000000000000000000400010000000100000002d63c61ffa101000000780000000000
        00d6c460ffa1010000110061646d696e2f7370696e646c652d636c6900052a000400000000052a000400000000240000000a00000000000000b2c460
        ffa101000032b397ffa10100000000000000000000040000000000000000000032b397ffa101000000030095000000000000000100840c2400000000
        0000000000000000a086010000000000000000000100000006006a6f62732e310000000000000000010000000000000001000000c56ece9fbe92525f
        000000000000000001000000010000000000000001000000f52b00040000000000000000000000000100000000000000f52b0004000000003ac660ff
        a10100001500000000000000000000000000000014000c00000000000000000000000000000000000000190031000000000000000100000000000000
        d5270004000000000a0000000292b497ffa101000012c660ffa10100005f2b00040000000016000000
        """

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: " ") }.map { $0 > 96 ? $0 - 87 : $0 - 48 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func state(_ bytes: [UInt8]) throws -> NodeState {
        var state = NodeState(configuration: NodeConfiguration(serverVersion: "t", serverID: Array(1...16), frameBytesMax: 256 << 10))
        try state.restore(checkpoint: bytes.span.bytes)
        return state
    }

    private static func encoded(_ state: NodeState) -> [UInt8] {
        var writer = WireWriter()
        state.encodeCheckpoint(into: &writer)
        return writer.array()
    }

    @Test func theFirstVersionIsRead() throws {
        let state = try Self.state(Self.bytes(Self.version1))
        #expect(state.time == 1_000_000)
        let disk = try TestBroker()
        let recovered = try TestBroker(disk.storage, state: state)
        let admin = recovered.connect()
        let stats = try #require(recovered.ask(admin, .stats) { StatsRequest(pattern: "*").encode(into: &$0) })
        let queues = try StatsReply(stats.body.span.bytes).queues
        #expect(queues.map(\.name) == ["q", "q.dead"])
        #expect(queues.map(\.ready) == [3, 1])
        #expect(queues.map(\.leased) == [1, 0])
        #expect(queues.map(\.delayed) == [2, 0])
        #expect(queues.map(\.published) == [8, 1])
        #expect(queues.map(\.policy.attemptsMax) == [2, 0])
        // a is due after its back-off, c when its lease ends; e has a minute; the order is that of priority and age.
        recovered.advance(31_000)
        #expect(state.oldestLiveAddress == 0x10_11ed)
        let lease = try #require(recovered.ask(admin, .lease) {
            LeaseRequest(queue: "q", messagesMax: 9, bytesMax: 0, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0)
        })
        let span = lease.body.span
        var reader = WireReader(span.bytes)
        let items = try LeaseReplyHead(&reader).items
        #expect(items.map(\.attempt) == [2])
        #expect(items.map(\.token.epoch) == [2])
    }

    @Test func whatIsReadIsWrittenInTheNewForm() throws {
        let once = Self.encoded(try Self.state(Self.bytes(Self.version1)))
        #expect(once.prefix(2) == [4, 0])
        #expect(Self.encoded(try Self.state(once)) == once)
    }

    @Test func theSecondVersionIsRead() throws {
        let state = try Self.state(Self.bytes(Self.version2))
        let recovered = try TestBroker(TestBroker().storage, state: state)
        let admin = recovered.connect()
        let stats = try #require(recovered.ask(admin, .stats) { StatsRequest(pattern: "*").encode(into: &$0) })
        let queues = try StatsReply(stats.body.span.bytes).queues
        #expect(queues.map(\.name) == ["q", "q.dead"])
        #expect(queues.map(\.ready) == [3, 0])
        #expect(queues.map(\.leased) == [1, 0])
        #expect(queues.map(\.delayed) == [1, 0])
        #expect(queues.map(\.published) == [6, 0])
        #expect(queues.map(\.acknowledged) == [1, 0])
        let once = Self.encoded(state)
        #expect(Self.encoded(try Self.state(once)) == once)
        // All sections but their bytes are as they were, and that of the settlements is empty.
        #expect(once.count == Self.bytes(Self.version2).count - 5 * 8 + 6)
    }

    /// The one without settlements: what version 2 has, without each section's bytes.
    @Test func theThirdVersionIsRead() throws {
        let now = Self.encoded(try Self.state(Self.bytes(Self.version2)))
        var third = Array(now.dropLast(6))
        third[0] = 3
        third[10] = 5
        #expect(Self.encoded(try Self.state(third)) == now)
    }

    /// The section of this version, 4: principal `p` settled as 7 the sequences 3, with two groups, and 9, with none.
    static let settlementSection = """
        1e00 01000000 0100 70 0700000000000000 0000000000000000 02000000
        0300000000000000 0200 2a00100000000000 6a00100000000000
        0900000000000000 0000
        """

    @Test func settlementsAreWrittenAsTheyWere() throws {
        var builder = StateBuilder()
        for (sequence, offsets) in [(3, [0, 64]), (9, [])] as [(UInt64, [UInt32])] {
            try builder.apply { writer in
                writer.u8(30)
                writer.u64(7)
                writer.u64(sequence)
                writer.string("p")
                writer.u16(UInt16(offsets.count))
                for offset in offsets { writer.u32(offset) }
            }
        }
        let bytes = StateBuilder.encoded(builder.state)
        let section = Array(bytes.suffix(Self.bytes(Self.settlementSection).count))
        #expect(section == Self.bytes(Self.settlementSection), "\(section.map { String($0, radix: 16) })")
        #expect(StateBuilder.encoded(try StateBuilder.restored(bytes)) == bytes)
    }

    @Test func whatASectionOfTheSecondVersionSaysOfItsBytesIsChecked() throws {
        var wrong = Self.bytes(Self.version2)
        wrong[14] += 1
        #expect(throws: NodeRestoreError.self) { _ = try Self.state(wrong) }
    }

    @Test func inPiecesItIsTheSame() throws {
        let state = try Self.state(Self.bytes(Self.version1))
        let whole = Self.encoded(state)
        for pieceBytes in [16, 100, whole.count, 2 * whole.count] {
            var pieces: [[UInt8]] = []
            state.encodeCheckpoint(pieceBytes: pieceBytes) { piece in pieces.append(piece.withUnsafeBytes { Array($0) }) }
            #expect(Array(pieces.joined()) == whole)
            #expect(pieces.allSatisfy { !$0.isEmpty && $0.count <= max(pieceBytes, 300) })
        }
    }

    @Test func anUnknownVersionOrSectionIsRefused() throws {
        var later = Self.encoded(try Self.state(Self.bytes(Self.version1)))
        later[0] = 5
        #expect(throws: NodeRestoreError.self) { _ = try Self.state(later) }
        later[0] = 4
        #expect(throws: Never.self) { _ = try Self.state(later) }
        #expect(throws: NodeRestoreError.self) { _ = try Self.state(later + [99, 0] + [UInt8](repeating: 0, count: 8)) }
        // Each cut is noticed.
        for length in 0..<later.count { #expect(throws: NodeRestoreError.self) { _ = try Self.state(Array(later.prefix(length))) } }
    }
}
