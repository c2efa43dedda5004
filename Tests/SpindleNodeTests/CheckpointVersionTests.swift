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
        #expect(once.prefix(2) == [2, 0])
        #expect(Self.encoded(try Self.state(once)) == once)
    }

    @Test func anUnknownVersionOrSectionIsRefused() throws {
        var later = Self.encoded(try Self.state(Self.bytes(Self.version1)))
        later[0] = 3
        #expect(throws: NodeRestoreError.self) { _ = try Self.state(later) }
        later[0] = 2
        #expect(throws: Never.self) { _ = try Self.state(later) }
        #expect(throws: NodeRestoreError.self) { _ = try Self.state(later + [99, 0] + [UInt8](repeating: 0, count: 8)) }
        // Each cut is noticed.
        for length in 0..<later.count { #expect(throws: NodeRestoreError.self) { _ = try Self.state(Array(later.prefix(length))) } }
    }
}
