import SpindleQueue
import Testing

@Suite struct DeduplicationTableTests {
    @Test func aKeyIsFoundWithinItsWindowOnly() {
        var window = DeduplicationWindow()
        window.insert("k", id: 7, now: 100, window: 50)
        #expect(window.find("k", now: 149, window: 50) == 7)
        #expect(window.find("k", now: 150, window: 50) == nil)
        window.insert("k", id: 9, now: 150, window: 50)
        #expect(window.find("k", now: 151, window: 50) == 9, "its older self was swept without it")
    }

    @Test func whatLivesIsCountedWithoutWhatExpired() {
        var window = DeduplicationWindow()
        for index in 0..<100 { window.insert("\(1000 + index)", id: UInt64(index), now: UInt64(index), window: 1000) }
        let living = window.living(now: 1060, window: 1000)
        #expect(living.count == 39)
        #expect(living.byteCount == 39 * 4)
        var ids: [UInt64] = []
        window.forEachLiving(now: 1060, window: 1000) { ids.append($0.id) }
        #expect(ids == Array(61..<100))
        #expect(window.living(now: 5000, window: 1000).count == 0)
        #expect(window.living(now: 0, window: 0).count == 0)
    }

    /// A log of an earlier version may tell of more than is kept: the oldest go.
    @Test func theTableIsBoundedByCountAndBytes() {
        var limits = EngineLimits()
        limits.keysPerQueue = 10
        limits.keyBytesPerQueue = 100
        var window = DeduplicationWindow()
        for index in 0..<50 { window.insert("k\(index)", id: UInt64(index), now: 1, window: 1000, limits: limits) }
        #expect(window.count == 10)
        #expect(window.find("k39", now: 1, window: 1000) == nil)
        #expect(window.find("k40", now: 1, window: 1000) == 40)
        window.insert(String(repeating: "x", count: 95), id: 99, now: 1, window: 1000, limits: limits)
        #expect(window.living(now: 1, window: 1000).byteCount <= 100)
        #expect(window.find(String(repeating: "x", count: 95), now: 1, window: 1000) == 99)
    }

    @Test func memoryIsGivenBackAfterTheKeysExpire() {
        var window = DeduplicationWindow()
        for index in 0..<100_000 { window.insert("key-\(index)", id: UInt64(index), now: 1, window: 1000) }
        #expect(window.capacity >= 100_000)
        // A few with each key that comes.
        for index in 0..<30_000 { window.insert("later-\(index)", id: UInt64(index), now: 2000, window: 1000) }
        #expect(window.count == 30_000)
        window.sweep(now: 9000, window: 1000, max: .max)
        #expect(window.isEmpty)
        #expect(window.capacity < 10_000)
    }

    /// Through the engine: entries of any queue sweep, and a change of the window brings no key back.
    @Test func theEngineSweepsWithTime() {
        var engine = QueueEngine()
        var policy = QueuePolicy()
        policy.deduplicationWindowMilliseconds = 1000
        engine.declare("q", policy: policy)
        for index in 0..<1000 { engine.store(queue: 0, id: UInt64(100 * index + 1), byteCount: 24, deduplicationKey: "k\(index)", now: 10) }
        engine.time = 1009
        engine.sweepKeys()
        #expect(engine.queues[0].deduplication.count == 1000)
        engine.time = 1010
        for _ in 0..<8 { engine.sweepKeys() }
        #expect(engine.queues[0].deduplication.isEmpty)

        engine.store(queue: 0, id: 1_000_001, byteCount: 24, deduplicationKey: "again", now: 2000)
        engine.time = 3000
        policy.deduplicationWindowMilliseconds = 100_000
        engine.setPolicy(policy, of: 0)
        #expect(engine.queues[0].deduplication.find("again", now: 3000, window: 100_000) == nil, "it had expired by the window that was")
    }
}
