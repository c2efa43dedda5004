import SpindleQueue
import Testing

@Suite struct PackedMessagesTests {
    /// Messages with gaps and sizes of one to several bytes of number.
    private static func messages(_ count: Int) -> [(address: UInt64, byteCount: UInt32, storedAt: UInt64)] {
        var address: UInt64 = 4096
        return (0..<count).map { index in
            let byteCount = UInt32(20 + index % 700 * index % 70_000)
            defer { address += UInt64(byteCount) + UInt64(index % 3 == 0 ? 0 : index * 37) }
            return (address, byteCount, 1_000_000 + UInt64(index / 5) * 13)
        }
    }

    @Test(arguments: [0, 1, 2, 1500, 5000]) func comesOutAsItWentIn(_ count: Int) {
        let messages = Self.messages(count)
        var packed = PackedMessages()
        for message in messages { packed.append(address: message.address, byteCount: message.byteCount, storedAt: message.storedAt) }
        #expect(packed.count == count)
        #expect(packed.byteCount == messages.reduce(0) { $0 + UInt64($1.byteCount) })
        for message in messages {
            let taken = packed.popFirst()
            #expect(taken?.address == message.address && taken?.byteCount == message.byteCount && taken?.storedAt == message.storedAt)
        }
        #expect(packed.popFirst() == nil)
        #expect(packed.isEmpty && packed.byteCount == 0)
    }

    @Test func takingAndAddingMayAlternate() {
        var packed = PackedMessages()
        for (index, message) in Self.messages(3000).enumerated() {
            packed.append(address: message.address, byteCount: message.byteCount, storedAt: message.storedAt)
            if index % 2 == 1 { packed.popFirst() }
            if index % 7 == 0 { while packed.popFirst() != nil {} }
        }
        #expect(packed.count < 3000)
    }

    @Test func onlyWhatRisesIsAccepted() {
        var packed = PackedMessages()
        packed.append(address: 100, byteCount: 50, storedAt: 10)
        #expect(packed.accepts(address: 150, storedAt: 10))
        #expect(!packed.accepts(address: 149, storedAt: 10))
        #expect(!packed.accepts(address: 200, storedAt: 9))
    }

    @Test func aBacklogTakesFewBytes() {
        var packed = PackedMessages()
        for index in 0..<100_000 { packed.append(address: UInt64(index) * 200, byteCount: 152, storedAt: UInt64(index / 100)) }
        #expect(packed.chunks.reduce(0) { $0 + $1.count } <= 5 * 100_000)
    }

    @Test(arguments: [0, 1, 700]) func aSnapshotRestoresIt(_ taken: Int) throws {
        var packed = PackedMessages()
        for message in Self.messages(2000) { packed.append(address: message.address, byteCount: message.byteCount, storedAt: message.storedAt) }
        for _ in 0..<taken { packed.popFirst() }
        var restored = try #require(PackedMessages(restoring: packed.snapshot))
        #expect(restored.count == packed.count && restored.byteCount == packed.byteCount)
        while let message = packed.popFirst() { #expect(restored.popFirst() == message) }
        #expect(restored.isEmpty)
    }

    @Test func aDamagedSnapshotIsRefused() {
        var packed = PackedMessages()
        packed.append(address: 1000, byteCount: 100, storedAt: 5)
        let good = packed.snapshot
        var cut = good
        cut.chunks[0].removeLast()
        var beyond = good
        beyond.headOffset = 99
        var endless = good
        endless.chunks[0] = [UInt8](repeating: 0xFF, count: 40)
        for snapshot in [cut, beyond, endless] { #expect(PackedMessages(restoring: snapshot) == nil) }
    }
}
