import MCMS
import SQLStore
import SpindleText
import Testing

/// The figures of the first screen, as the database has them.
@Suite struct WorkFiguresTests {
    @Test func jobsAreCountedAsTheyWaitRunAndFail() async throws {
        let flow = try await AddinResultTests.Flow()
        defer { flow.test.remove() }
        let store = flow.test.store
        let long = Timestamp(milliseconds: 0)
        var figures = try await store.workFigures(failedSince: long)
        #expect([figures.jobsRunning, figures.jobsWaiting, figures.jobsFailed] == [0, 1, 0])
        #expect(figures.oldestWaitSince == (try await store.job(flow.jobID).createdAt))
        #expect(figures.outbox.waiting == 0 && figures.outbox.dead == 0 && figures.outbox.oldestSince == nil && figures.outbox.oldestError.isEmpty)
        _ = try await flow.report(AddinReport(.running, progress: 10), message: 1)
        figures = try await store.workFigures(failedSince: long)
        #expect([figures.jobsRunning, figures.jobsWaiting] == [1, 0])
        #expect(figures.oldestWaitSince == nil)
        #expect(figures.outbox.waiting > 0 && figures.outbox.oldestSince != nil && figures.outbox.oldestError.isEmpty)
        _ = try await flow.report(AddinReport(.failed, message: "no license"), message: 2)
        figures = try await store.workFigures(failedSince: long)
        #expect([figures.jobsRunning, figures.jobsWaiting, figures.jobsFailed] == [0, 0, 1])
        let end = try #require(try await store.job(flow.jobID).finishedAt)
        #expect(try await store.workFigures(failedSince: end).jobsFailed == 1)
        #expect(try await store.workFigures(failedSince: end.adding(milliseconds: 1)).jobsFailed == 0)
    }

    @Test func theOutboxTellsWhyItsOldestRowWaits() async throws {
        let test = try TestStore()
        defer { test.remove() }
        _ = try await test.approved()
        _ = try await test.store.database.write { db in
            try db.execute("UPDATE outbox SET error = 'QUEUE_PAUSED' WHERE sequence = (SELECT min(sequence) FROM outbox)")
            try db.execute("UPDATE outbox SET status = 'dead' WHERE sequence = (SELECT max(sequence) FROM outbox)")
        }
        let outbox = try await test.store.workFigures(failedSince: Timestamp(milliseconds: 0)).outbox
        #expect(outbox.oldestError == "QUEUE_PAUSED" && outbox.dead == 1 && outbox.waiting >= 1)
        try await test.store.checkWritable()
    }

    @Test func noIdOfAMomentIsBelowItsLowest() {
        for milliseconds: Int64 in [0, 1, 65_535, 65_536, 1_900_000_000_000, 0xFFFF_FFFF_FFFF] {
            let lowest = TimeOrderedID.lowest(at: Timestamp(milliseconds: milliseconds))
            #expect(TimeOrderedID.make(at: Timestamp(milliseconds: milliseconds)) > lowest)
            if milliseconds > 0 { #expect(TimeOrderedID.make(at: Timestamp(milliseconds: milliseconds - 1)) < lowest) }
        }
    }
}
