import DequeModule
import SpindleQueue
import SpindleText
import Testing

@Suite struct TopicStoreTests {
    /// Ten events of 50 bytes at 100, 200, …, 1000, in turn of the topics a and b, ten milliseconds apart.
    private static func filled(_ retention: TopicRetention) -> TopicStore {
        var store = TopicStore(retention: retention)
        for name in ["a", "b"] { store.declare(name) }
        for event in 0..<10 { store.store(topic: UInt32(event % 2), offset: UInt64(100 * (event + 1)), byteCount: 50, now: UInt64(event) * 10) }
        return store
    }

    private static func offsets(_ store: TopicStore) -> [UInt64] { store.events.map(\.offset) }

    struct Case: Sendable, CustomTestStringConvertible {
        var retention: TopicRetention
        var kept: [UInt64]
        var testDescription: String { "\(retention)" }
    }

    @Test(arguments: [
        Case(retention: .init(), kept: [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]),
        Case(retention: .init(eventsMax: 2), kept: [700, 800, 900, 1000]),
        Case(retention: .init(bytesMax: 149), kept: [700, 800, 900, 1000]),
        Case(retention: .init(bytesMax: 10), kept: [900, 1000]),
        Case(retention: .init(milliseconds: 35), kept: [700, 800, 900, 1000]),
        Case(retention: .init(milliseconds: 1), kept: [1000]),
        Case(retention: .init(milliseconds: 45, bytesMax: 100, eventsMax: 1), kept: [900, 1000]),
    ])
    func keepsWhatItsRetentionSays(_ expected: Case) {
        #expect(Self.offsets(Self.filled(expected.retention)) == expected.kept)
    }

    @Test func theLongestPatternHoldsForTopicsThatAreThereAndThatCome() {
        var store = Self.filled(.init())
        store.declare("b.deep")
        store.declareRetention(.init(eventsMax: 3), for: "*", now: 100)
        #expect(Self.offsets(store) == [500, 600, 700, 800, 900, 1000], "what no longer fits is gone at once")
        store.declareRetention(.init(eventsMax: 1), for: "b*", now: 100)
        store.declareRetention(.init(eventsMax: 7), for: "b.*", now: 100)
        #expect(Self.offsets(store) == [500, 700, 900, 1000])
        store.declare("b.new")
        #expect(["a", "b", "b.deep", "b.new"].map { store.number(of: $0).map { store.retention(of: $0).eventsMax } } == [3, 1, 7, 7])
        store.declareRetention(.init(eventsMax: 9), for: "b*", now: 100)
        #expect(["a", "b", "b.deep", "b.new"].map { store.number(of: $0).map { store.retention(of: $0).eventsMax } } == [3, 9, 7, 7])
        store.declareRetention(.init(eventsMax: 2), for: "", now: 100)
        #expect(Self.offsets(store) == [500, 700, 900, 1000], "the standard is for those that no pattern matches")
        #expect(store.byName.map { store.topics[Int($0)].name } == ["a", "b", "b.deep", "b.new"])
    }

    @Test func whatIsOverGoesInTheOrderOfItsEnd() {
        var store = Self.filled(.init(milliseconds: 1000))
        store.declareRetention(.init(milliseconds: 500), for: "b", now: 100)
        #expect(store.nextEndAt.map { $0 <= 510 } == true)
        let ended = [store.hasEnded(now: 509), store.hasEnded(now: 510)]
        #expect(ended == [false, true])
        var dropped = store.dropEnded(now: 550, max: 2)
        #expect(dropped == 2)
        #expect(Self.offsets(store) == [100, 300, 500, 600, 700, 800, 900, 1000])
        dropped = store.dropEnded(now: 550, max: 99)
        #expect(dropped == 1)
        dropped = store.dropEnded(now: 10_000, max: 99)
        #expect(dropped == 7)
        #expect(store.events.isEmpty && store.nextEndAt == nil && store.oldestLiveAddress == nil)
        #expect(store.topics.map(\.lastDropped) == [900, 1000])
        #expect(store.topics.map(\.byteCount) == [0, 0])
        store.store(topic: 0, offset: 2000, byteCount: 50, now: 10_000)
        #expect(store.nextEndAt == 11_000)
    }

    @Test func holesStayUntilTheyAreFirstAndNeverOutgrowTheEvents() {
        var store = TopicStore(retention: .init(eventsMax: 1))
        for name in ["quiet", "a", "b"] { store.declare(name) }
        store.store(topic: 0, offset: 1, byteCount: 10, now: 0)
        for offset in 2...UInt64(10_000) { store.store(topic: offset % 7 == 0 ? 2 : 1, offset: offset, byteCount: 10, now: 0) }
        #expect(Self.offsets(store) == [1, 9_996, 10_000])
        #expect(store.history.holeCount <= 1024 + 2 * 3 + 1)
        #expect(store.history.entries.first?.offset == 1)
        // The last drops are told topic by topic, older ones as one hole of several topics.
        #expect(store.history.entries.last { $0.isHole }?.topic == 1)
        #expect(store.history.entries.contains { $0.topic == TopicHistory.severalTopics })
        store.store(topic: 0, offset: 20_000, byteCount: 10, now: 0)
        #expect(store.history.forgottenThrough == 9_995)
        #expect(Self.offsets(store) == [9_996, 10_000, 20_000])
    }

    // MARK: Records that are moved

    @Test func aMovedEventKeepsItsOffsetAndItsPlace() {
        var store = Self.filled(.init())
        #expect(store.oldestLiveAddress == 100)
        #expect(store.stragglers(below: 250, max: 9).map(\.offset) == [100, 200])
        let moved = [store.relocate(offset: 100, to: 5000), store.relocate(offset: 300, to: 5050)]
        #expect(moved == [true, true])
        #expect(store.event(at: 100)?.address == 5000)
        #expect(store.oldestLiveAddress == 200)
        #expect(Self.offsets(store).prefix(3) == [100, 200, 300])
        #expect(store.stragglers(below: 501, max: 9).map(\.offset) == [200, 400, 500])
        #expect(store.stragglers(below: 6000, max: 99).map(\.address) == [200, 400, 500, 600, 700, 800, 900, 1000, 5000, 5050])
        #expect(store.stragglers(below: 6000, max: 1).map(\.offset) == [200])
        for offset in [200, 400, 500, 600, 700, 800, 900, 1000] as [UInt64] { _ = store.relocate(offset: offset, to: 6000 + offset) }
        #expect(store.oldestLiveAddress == 5000)
        let movedAgain = store.relocate(offset: 100, to: 9000)
        #expect(movedAgain, "again, once the log has come round")
        #expect(store.oldestLiveAddress == 5050)
        #expect(store.history.relocations.map(\.offset) == [300, 200, 400, 500, 600, 700, 800, 900, 1000, 100])
        store.store(topic: 0, offset: 10_000, byteCount: 50, now: 100)
        #expect(store.stragglers(below: 20_000, max: 1).map(\.offset) == [10_000])
        store.declareRetention(.init(eventsMax: 1), for: "*", now: 100)
        #expect(store.oldestLiveAddress == 7000)
        #expect(Self.offsets(store) == [1000, 10_000])
    }

    @Test func onlyWhatIsThereCanBeMovedAndOnlyForward() {
        var store = Self.filled(.init(eventsMax: 4))
        for (offset, address) in [(100, 5000), (250, 5000), (9000, 9500), (500, 500), (500, 400)] as [(UInt64, UInt64)] {
            let moved = store.relocate(offset: offset, to: address)
            #expect(!moved, "\(offset)")
        }
    }

    @Test(arguments: [
        ("*", "anything", true), ("a.*", "a.b.c", true), ("a.*", "a", false), ("*.dead", "q.dead", true), ("a*b*c", "aXXbYYc", true),
        ("a*b*c", "aXXbYY", false), ("", "", true), ("", "x", false), ("a", "A", false), ("**", "x", true),
        ("*a*a*a*a*b", String(repeating: "a", count: 200), false),
    ])
    func wildcards(_ pattern: String, _ name: String, _ expected: Bool) {
        #expect(Wildcard.matches(Array(pattern.utf8), Array(name.utf8)) == expected)
    }
}
