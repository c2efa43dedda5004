import SpindleQueue
import Testing

@Suite struct PolicyTests {
    @Test func backOffDoublesUpToItsCap() {
        var policy = QueuePolicy()
        policy.backoffInitialMilliseconds = 1000
        policy.backoffCapMilliseconds = 60_000
        policy.backoffJitterPercent = 0
        #expect((1...8).map { policy.backoff(attempt: $0, messageID: 1) } == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
        #expect(policy.backoff(attempt: .max, messageID: 1) == 60_000)
        policy.backoffKind = .fixed
        #expect(policy.backoff(attempt: 7, messageID: 1) == 1000)
    }

    @Test func jitterSpreadsWithinItsShareAndRepeats() {
        var policy = QueuePolicy()
        policy.backoffKind = .fixed
        policy.backoffInitialMilliseconds = 10_000
        policy.backoffJitterPercent = 20
        let delays = (0..<1000).map { policy.backoff(attempt: 1, messageID: UInt64($0) * 170) }
        #expect(delays.allSatisfy { (8000...12_000).contains($0) })
        #expect(Set(delays).count > 500)
        #expect(delays == (0..<1000).map { policy.backoff(attempt: 1, messageID: UInt64($0) * 170) })
    }
}

@Suite struct ProducerTableTests {
    @Test func judgesWhatWasStoredWhatWasRefusedAndWhatIsForgotten() {
        var table = ProducerTable()
        table.stored(producer: 7, .init(firstSequence: 10, count: 5, firstID: 100))
        table.stored(producer: 7, .init(firstSequence: 20, count: 1, firstID: 900))
        #expect(table.judge(producer: 7, sequence: 10) == .duplicate(firstID: 100, isFirstOfRun: true))
        #expect(table.judge(producer: 7, sequence: 14) == .duplicate(firstID: 100, isFirstOfRun: false))
        #expect(table.judge(producer: 7, sequence: 15) == .new, "it was refused then")
        #expect(table.judge(producer: 7, sequence: 21) == .new)
        #expect(table.judge(producer: 8, sequence: 10) == .new)
        #expect(table.judge(producer: 0, sequence: 10) == .new)
        for run in 0..<UInt64(ProducerTable.runsMax) { table.stored(producer: 7, .init(firstSequence: 100 + run, count: 1, firstID: run)) }
        #expect(table.judge(producer: 7, sequence: 10) == .forgotten)
    }

    @Test func theProducerThatWasSilentLongestIsForgotten() {
        var table = ProducerTable()
        for producer in 1...UInt64(ProducerTable.producersMax) { table.stored(producer: producer, .init(firstSequence: 1, count: 1, firstID: producer)) }
        table.stored(producer: 1, .init(firstSequence: 2, count: 1, firstID: 0))
        table.stored(producer: 99_999, .init(firstSequence: 1, count: 1, firstID: 0))
        #expect(table.judge(producer: 2, sequence: 1) == .new)
        #expect(table.judge(producer: 1, sequence: 1) != .new)
    }

    @Test func ofTooManyBatchesThoseThatWereSilentLongestKeepTheirLast() {
        var table = ProducerTable()
        let batches = UInt64(ProducerTable.runsMax)
        let producers = UInt64(ProducerTable.runsMaxOfAll / ProducerTable.runsMax) + 1
        for producer in 1...producers {
            for batch in 1...batches { table.stored(producer: producer, .init(firstSequence: batch, count: 1, firstID: batch)) }
            #expect(table.runCount <= ProducerTable.runsMaxOfAll)
        }
        // The first may ask for its last batch, and go on; what lay before can't be told any more.
        #expect(table.judge(producer: 1, sequence: batches) == .duplicate(firstID: batches, isFirstOfRun: true))
        #expect(table.judge(producer: 1, sequence: batches - 1) == .forgotten)
        #expect(table.judge(producer: 1, sequence: batches + 1) == .new)
        #expect(table.judge(producer: producers, sequence: 1) == .duplicate(firstID: 1, isFirstOfRun: true))
    }
}

@Suite struct DeduplicationWindowTests {
    @Test func remembersAKeyForItsWindow() {
        var window = DeduplicationWindow()
        window.insert("a", id: 1, now: 1000, window: 500)
        #expect(window.find("a", now: 1499, window: 500) == 1)
        #expect(window.find("a", now: 1500, window: 500) == nil)
        #expect(window.find("b", now: 1000, window: 500) == nil)
        window.insert("b", id: 2, now: 1600, window: 500)
        #expect(window.count == 1, "what expired is swept")
        window.insert("c", id: 3, now: 1600, window: 0)
        #expect(window.find("c", now: 1600, window: 0) == nil)
    }
}
