import HTTPTypes
import Logging
import MCMS
import MCMSServer
import SQLStore
import SpindleText
import Synchronization
import Testing

/// The queues' past: what is kept of it, for how long, and how it is told.
@Suite struct QueueHistoryTests {
    /// A time at which both steps begin.
    private static let begin: Int64 = 1_800_000_000_000
    private static func reading(_ second: Int64, _ ready: Int = 0, leased: Int = 0, age: Int64 = 0, published: Int = 0, settled: Int = 0) -> QueueReading {
        QueueReading(
            at: Timestamp(milliseconds: begin + second * 1_000), ready: ready, leased: leased, oldestAgeMilliseconds: age, published: published,
            settled: settled)
    }

    /// As a line: seconds since the beginning, ready, published; `-` where not known.
    private static func told(_ history: QueueHistory) -> [String] {
        history.items.map { item in
            let numbers = [item.ready, item.published].map { $0.map { "\($0)" } ?? "-" }
            return "\((item.at.milliseconds - begin) / 1_000) \(numbers.joined(separator: " "))"
        }
    }

    @Test func anItemHasTheMostOfItsStepAndWhatWasPublishedInIt() {
        // Four hours in steps of 20 seconds.
        let history = QueueHistory(
            [
                Self.reading(0, 1, published: 5), Self.reading(10, 7, leased: 2, age: 1_500, published: 9, settled: 3),
                Self.reading(20, 2, published: 10, settled: 8), Self.reading(30, 0, published: 10, settled: 8),
            ], kept: .fine, from: Timestamp(milliseconds: Self.begin), hours: 4)
        #expect(history.stepSeconds == 20)
        #expect(Self.told(history) == ["0 7 4", "20 2 1"])
        #expect(history.items[0].leased == 2 && history.items[0].oldestAgeSeconds == 1.5 && history.items.map(\.settled) == [3, 5])
    }

    @Test func aReadingBeforeTheRangeOnlyTellsWhatWasPublishedSince() {
        let history = QueueHistory(
            [Self.reading(-10, 9, published: 5), Self.reading(0, 1, published: 6)], kept: .fine, from: Timestamp(milliseconds: Self.begin), hours: 1)
        #expect(Self.told(history) == ["0 1 1"])
    }

    @Test func aGapIsAnItemWithoutValuesAndNoFalsePeakFollowsIt() {
        let history = QueueHistory(
            [Self.reading(0, 1, published: 1), Self.reading(10, 1, published: 1), Self.reading(600, 4, published: 900), Self.reading(610, 4, published: 901)],
            kept: .fine, from: Timestamp(milliseconds: Self.begin), hours: 1)
        #expect(Self.told(history) == ["0 1 -", "10 1 0", "20 - -", "600 4 -", "610 4 1"])
    }

    @Test func twoReadingsThatWereLateLeaveNoGap() {
        let history = QueueHistory(
            [Self.reading(0, published: 1), Self.reading(30, published: 4)], kept: .fine, from: Timestamp(milliseconds: Self.begin), hours: 1)
        #expect(Self.told(history) == ["0 0 -", "30 0 3"])
    }

    @Test func aCounterThatFellBeganAgain() {
        let history = QueueHistory(
            [Self.reading(0, published: 50), Self.reading(10, published: 2)], kept: .fine, from: Timestamp(milliseconds: Self.begin), hours: 1)
        #expect(Self.told(history) == ["0 0 -", "10 0 2"])
    }

    @Test(arguments: [1, 2, 6, 24, 25, 168, 90 * 24]) func anAnswerNeverHasMoreItemsThanAChartShows(hours: Int) {
        let step = QueueHistoryStep(hours: hours)
        let count = Int64(hours) * 3_600 / step.rawValue
        let readings = (0..<count).map { Self.reading($0 * step.rawValue) }
        let history = QueueHistory(readings, kept: step, from: Timestamp(milliseconds: Self.begin), hours: hours)
        #expect(history.items.count <= QueueHistoryLimits.itemsMax + 1 && history.items.count > QueueHistoryLimits.itemsMax / 3)
        #expect(history.stepSeconds % step.rawValue == 0)
    }

    // MARK: The store

    /// Keeps a reading of a queue for each ten seconds of a stretch.
    private static func keep(_ store: MCMSStore, _ queue: String, seconds: Range<Int64>, fold: Int64? = nil) async throws {
        for second in stride(from: seconds.lowerBound, to: seconds.upperBound, by: 10) {
            try await store.keepQueueReadings([(queue, reading(second, Int(second) % 100, published: Int(second)))], foldsBefore: nil)
        }
        if let fold { try await store.keepQueueReadings([], foldsBefore: Timestamp(milliseconds: begin + fold * 1_000)) }
    }

    @Test func twoWebServersKeepOneReadingOfAStep() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let other = try test.another()
        try await test.store.keepQueueReadings([("q", Self.reading(3, 1, published: 1))], foldsBefore: nil)
        try await other.keepQueueReadings([("q", Self.reading(7, 2, published: 2)), ("r", Self.reading(7, 5))], foldsBefore: nil)
        #expect(Self.told(try await test.store.queueHistory(of: "q", hours: 1)) == ["0 1 -"])
        #expect(Self.told(try await test.store.queueHistory(of: "r", hours: 1)) == ["0 5 -"])
        #expect(try await test.store.queueHistory(of: "s", hours: 1).items.isEmpty)
    }

    @Test func thePastIsGatheredInCoarseStepsOnceAndOnlyWhereTheyAreOver() async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await Self.keep(test.store, "q", seconds: 0..<700, fold: 700)
        func coarse() async throws -> [String] { Self.told(try await test.store.queueHistory(of: "q", hours: 60)) }
        // The third step goes on. Counters are those of a step's end: 290, then 590.
        #expect(try await coarse() == ["0 90 -", "300 90 300"])
        try await Self.keep(test.store, "q", seconds: 700..<910, fold: 910)
        #expect(try await coarse() == ["0 90 -", "300 90 300", "600 90 300"])
    }

    @Test func aFoldThatAStopPreventedIsMadeUpFor() async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await Self.keep(test.store, "q", seconds: 0..<300)
        try await Self.keep(test.store, "q", seconds: 3_000..<3_310, fold: 3_310)
        #expect(Self.told(try await test.store.queueHistory(of: "q", hours: 60)) == ["0 90 -", "300 - -", "3000 90 -"])
    }

    @Test func eachStepIsForgottenInItsTime() async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await Self.keep(test.store, "q", seconds: 0..<310, fold: 310)
        /// How many there are of each step.
        func rows() async throws -> [Int] {
            try await test.store.database.read { db in
                try QueueHistoryStep.allCases.map { try db.value("SELECT count(*) FROM queueHistory WHERE stepSeconds = $1", [$0.rawValue]) ?? 0 }
            }
        }
        #expect(try await rows() == [31, 1])
        test.clock.advance(QueueHistoryStep.fine.retentionMilliseconds + 299_000)
        try await test.store.prune()
        #expect(try await rows() == [1, 1])
        test.clock.advance(QueueHistoryStep.coarse.retentionMilliseconds)
        try await test.store.prune()
        #expect(try await rows() == [0, 0])
    }

    // MARK: The sampler

    @Test func theSamplerKeepsTheQueuesThatAreUsedMostAndTheRouteTellsThem() async throws {
        let queues = (0..<QueueHistoryLimits.queuesMax + 5).map { QueueFigures(name: "q\($0)", counts: .init(ready: $0), flow: .init(published: $0)) }
        let services = OperationsServices(broker: FakeOperationsBroker(.init(queues: queues)))
        let api = try TestAPI(operations: services)
        defer { api.test.remove() }
        let sampler = QueueSampler(operations: services, store: api.test.store, logger: quiet)
        await sampler.sample()
        let answer = try await api.send(.get, "/api/queues/q5/history?hours=1", as: "admin")
        #expect(answer.body["stepSeconds"] == 10)
        #expect(answer.body["items"][0]["ready"] == 5)
        #expect(answer.text.contains("\"published\":null"), "\(answer.text)")
        let unused = try await api.send(.get, "/api/queues/q4/history?hours=1", as: "admin")
        #expect(unused.status == 200 && unused.text.contains("\"items\":[]"), "\(unused.text)")
    }

    @Test func theSamplerMissesABrokerThatIsAwayAndThePastIsThereWithoutIt() async throws {
        let broker = FakeOperationsBroker(.init(queues: [QueueFigures(name: "q", counts: .init(ready: 3))]))
        let services = OperationsServices(broker: broker)
        let api = try TestAPI(operations: services)
        defer { api.test.remove() }
        let sampler = QueueSampler(operations: services, store: api.test.store, logger: quiet)
        await sampler.sample()
        broker.state.withLock { $0.failure = .unreachable("gone") }
        api.test.clock.advance(10_000)
        await sampler.sample()
        let answer = try await api.send(.get, "/api/queues/q/history?hours=1", as: "admin")
        #expect(answer.status == 200)
        #expect(answer.body["items"][0]["ready"] == 3)
        #expect(answer.body["items"][1]["ready"] == nil)
        broker.state.withLock { $0.failure = nil }
        api.test.clock.advance(10_000)
        await sampler.sample()
        #expect(try await api.send(.get, "/api/queues/q/history?hours=1", as: "admin").body["items"][1]["ready"] == 3)
    }

    @Test(arguments: ["0", "2161", "x", "-1"]) func hoursThatCannotBeAreNamed(hours: String) async throws {
        let api = try TestAPI(operations: OperationsServices(broker: FakeOperationsBroker()))
        defer { api.test.remove() }
        let answer = try await api.send(.get, "/api/queues/q/history?hours=\(hours)", as: "admin")
        #expect(answer.status == 400)
        #expect(answer.body["field"] == "hours")
    }
}
