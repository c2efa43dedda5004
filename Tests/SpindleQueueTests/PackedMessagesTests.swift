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
        for message in messages { packed.append(id: message.address, byteCount: message.byteCount, storedAt: message.storedAt) }
        #expect(packed.count == count)
        #expect(packed.byteCount == messages.reduce(0) { $0 + UInt64($1.byteCount) })
        for message in messages {
            let taken = packed.popFirst()
            #expect(taken?.id == message.address && taken?.address == message.address && taken?.byteCount == message.byteCount && taken?.storedAt == message.storedAt)
        }
        #expect(packed.popFirst() == nil)
        #expect(packed.isEmpty && packed.byteCount == 0)
    }

    @Test func takingAndAddingMayAlternate() {
        var packed = PackedMessages()
        for (index, message) in Self.messages(3000).enumerated() {
            packed.append(id: message.address, byteCount: message.byteCount, storedAt: message.storedAt)
            if index % 2 == 1 { packed.popFirst() }
            if index % 7 == 0 { while packed.popFirst() != nil {} }
        }
        #expect(packed.count < 3000)
    }

    @Test func onlyWhatRisesIsAccepted() {
        var packed = PackedMessages()
        packed.append(id: 100, byteCount: 50, storedAt: 10)
        #expect(packed.accepts(id: 150, storedAt: 10))
        #expect(!packed.accepts(id: 149, storedAt: 10))
        #expect(!packed.accepts(id: 200, storedAt: 9))
    }

    @Test func aBacklogTakesFewBytes() {
        var packed = PackedMessages()
        for index in 0..<100_000 { packed.append(id: UInt64(index) * 200, byteCount: 152, storedAt: UInt64(index / 100)) }
        #expect(packed.rest.reduce(0) { $0 + $1.remaining.count } <= 5 * 100_000)
    }

    private static func restored(_ packed: PackedMessages) throws -> PackedMessages {
        guard let first = packed.first else { return PackedMessages() }
        let chunks = try packed.rest.map {
            try #require(PackedChunk(base: $0.base, isMoved: $0.isMoved, used: $0.used, count: $0.count, bytes: Array($0.remaining)))
        }
        return try #require(PackedMessages(first: first, rest: chunks))
    }

    private static func all(_ packed: PackedMessages) -> [PackedMessages.Message] {
        var all: [PackedMessages.Message] = []
        packed.forEach { message in
            all.append(message)
            return true
        }
        return all
    }

    @Test(arguments: [0, 1, 700, 1999, 2000]) func whatIsKeptRestoresIt(_ taken: Int) throws {
        var packed = PackedMessages()
        for message in Self.messages(2000) { packed.append(id: message.address, byteCount: message.byteCount, storedAt: message.storedAt) }
        for _ in 0..<taken { packed.popFirst() }
        var restored = try Self.restored(packed)
        #expect(restored.count == packed.count && restored.byteCount == packed.byteCount)
        // What comes later makes the same chunks in both.
        for index in 0..<2000 {
            packed.append(id: (1 << 40) + UInt64(index) * 300, byteCount: 152, storedAt: 2_000_000)
            restored.append(id: (1 << 40) + UInt64(index) * 300, byteCount: 152, storedAt: 2_000_000)
        }
        #expect(packed.rest.map { Array($0.remaining) } == restored.rest.map { Array($0.remaining) })
        while let message = packed.popFirst() { #expect(restored.popFirst() == message) }
        #expect(restored.isEmpty)
    }

    @Test func damagedChunksAreRefused() {
        func chunk(_ bytes: [UInt8], count: Int = 1, used: Int = 4) -> PackedChunk? {
            PackedChunk(base: .init(end: 1000, time: 5, shift: 0), isMoved: false, used: used, count: count, bytes: bytes)
        }
        #expect(chunk([0, 100, 0]) != nil)
        #expect(chunk([0, 100]) == nil)
        #expect(chunk([0, 100, 0, 0]) == nil)
        #expect(chunk([0, 100, 0], count: 2) == nil)
        #expect(chunk([0, 100, 0], used: 2) == nil)
        #expect(chunk([UInt8](repeating: 0xFF, count: 40)) == nil)
        let good = chunk([0, 100, 0])
        let first = PackedMessages.Message(id: 900, address: 900, byteCount: 100, storedAt: 5)
        #expect(PackedMessages(first: first, rest: [good].compactMap { $0 })?.count == 2)
        #expect(PackedMessages(first: first, rest: [good, good].compactMap { $0 }) == nil, "chunks rise")
        #expect(PackedMessages(first: first, rest: [good].compactMap { $0 }, byteCountMax: 1) == nil, "no record is that large")
    }

    /// Against an array: the same questions, the same changes, the same answers.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64]) func takingOutAndMovingElsewhere(_ seed: UInt64) throws {
        var random = Numbers(seed)
        var packed = PackedMessages()
        var model: [PackedMessages.Message] = []
        var end: UInt64 = 4096
        var time: UInt64 = 1000
        for step in 0..<6000 {
            switch random.below(10) {
            case 0..<6:
                end += random.below(3) == 0 ? random.below(100_000) : 0
                time += random.below(4)
                let byteCount = UInt32(20 + random.below(400))
                packed.append(id: end, byteCount: byteCount, storedAt: time)
                model.append(.init(id: end, address: end, byteCount: byteCount, storedAt: time))
                end += UInt64(byteCount)
            case 6:
                let first = model.isEmpty ? nil : model.removeFirst()
                let popped = packed.popFirst()
                #expect(popped == first)
            case 7 where !model.isEmpty:
                let index = Int(random.below(UInt64(model.count)))
                let gone = model.remove(at: index)
                let removed = packed.remove(gone.id)
                #expect(removed == gone)
            case 8 where !model.isEmpty:
                let index = Int(random.below(UInt64(min(40, model.count))))
                let (from, to) = (model[index].address, (1 << 40) + random.below(1 << 30))
                let answers = [packed.relocate(model[index].id, from: from + 1, to: to), packed.relocate(model[index].id, from: from, to: to)]
                #expect(answers == [false, true])
                model[index].address = to
            default:
                let id = random.below(end)
                #expect(packed.find(id) == model.first { $0.id == id })
                let nothing = packed.remove(end + 5)
                #expect(nothing == nil)
            }
            guard step % 100 == 0 else { continue }
            #expect(Self.all(packed) == model)
            #expect(Self.all(try Self.restored(packed)) == model)
            #expect(packed.count == model.count && packed.byteCount == model.reduce(0) { $0 + UInt64($1.byteCount) })
            let lowest = model.map(\.address).min()
            #expect((packed.lowestAddress ?? .max) <= (lowest ?? .max), "the log keeps what is needed")
            if let middle = model.dropFirst(model.count / 2).first {
                var behind: [UInt64] = []
                packed.forEach(after: middle.id) { message in
                    behind.append(message.id)
                    return behind.count < 10
                }
                #expect(behind == model.filter { $0.id > middle.id }.prefix(10).map(\.id))
                var below: [UInt64] = []
                packed.forEach(below: middle.address) { message in
                    below.append(message.id)
                    return true
                }
                #expect(below == model.filter { $0.address < middle.address }.map(\.id))
            }
        }
        #expect(model.count > 500)
    }
}

/// Repeatable numbers: SplitMix64 (Steele, Lea, Flood 2014).
struct Numbers {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// 0 to `limit` less one.
    mutating func below(_ limit: UInt64) -> UInt64 { next() % max(1, limit) }
}
