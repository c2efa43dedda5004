import Dispatch
import SpindleDisk
import SpindleLog
import Synchronization
import Testing

@Suite("Preparing segments in the background")
struct PreparationThreadTests {
    /// The newest report of a preparing thread, and a signal for each.
    private final class Reports: Sendable {
        private let latest = Mutex<SegmentPreparationReport?>(nil)
        private let arrived = DispatchSemaphore(value: 0)

        func add(_ report: SegmentPreparationReport) {
            latest.withLock { $0 = report }
            arrived.signal()
        }

        /// Waits, up to a deadline, for a report that fits.
        func wait(until fits: (SegmentPreparationReport) -> Bool) -> SegmentPreparationReport? {
            let deadline = DispatchTime.now() + .seconds(30)
            while true {
                if let report = latest.withLock({ $0 }), fits(report) { return report }
                if arrived.wait(timeout: deadline) == .timedOut { return nil }
            }
        }
    }

    @Test func rolloversFindTheirSegmentsReady() throws {
        let directory = try TemporaryDirectory()
        do {
            var log = try DiskLog(DiskLogStorage(path: directory.path))
            let reports = Reports()
            let thread = try SegmentPreparationThread(
                preparer: log.recovered.makePreparer(storage: log.storage), currentSegment: log.appender.currentSegment,
                configuration: DiskLog.configuration, report: { reports.add($0) })
            for _ in 0..<200 {
                let wanted = log.appender.currentSegment + DiskLog.configuration.reservedSegments + 1
                let report = try #require(reports.wait { $0.preparedThrough >= wanted })
                log.appender.notePrepared(through: report.preparedThrough, diskFull: report.diskFull)
                #expect(log.appender.roomForPublish(payloadCount: 20_000) == .available)
                _ = try log.append(count: 20_000)
                try log.commit()
                thread.noteCurrentSegment(log.appender.currentSegment)
            }
            thread.stop()
            #expect(log.appender.currentSegment > 60)
        }
        let log = try DiskLog(DiskLogStorage(path: directory.path))
        #expect(log.next == 200)
        // Asked for three ahead, and not for more.
        #expect(log.recovered.preparedThrough <= log.appender.currentSegment + 3)
    }

    @Test func itStopsWhileThereIsNothingToDo() throws {
        let directory = try TemporaryDirectory()
        let log = try DiskLog(DiskLogStorage(path: directory.path))
        let reports = Reports()
        let thread = try SegmentPreparationThread(
            preparer: log.recovered.makePreparer(storage: log.storage), currentSegment: 1,
            configuration: DiskLog.configuration, report: { reports.add($0) })
        #expect(reports.wait { $0.preparedThrough == 4 } != nil)
        thread.stop()
        thread.stop()
    }

    @Test func aFullDiskIsReportedAndTriedAgain() throws {
        let directory = try TemporaryDirectory()
        let full = try SmallFileSystem(at: directory.path + "/mnt", kilobytes: 400)
        guard let full else {
            print("skipped: mounting a tmpfs is not permitted here, so a full disk was not tried on real files")
            return
        }
        var log = try DiskLog(DiskLogStorage(path: full.path + "/log"))
        let ballast = try full.fill(leavingKilobytes: 150)
        let reports = Reports()
        let thread = try SegmentPreparationThread(
            preparer: log.recovered.makePreparer(storage: log.storage), currentSegment: 1,
            configuration: DiskLog.configuration, report: { reports.add($0) })
        defer { thread.stop() }
        // Two of the three wanted fit.
        let report = try #require(reports.wait { $0.diskFull })
        #expect(report.failure == nil)
        log.appender.notePrepared(through: report.preparedThrough, diskFull: true)
        #expect(report.preparedThrough == 3)
        // Publishes are refused while one segment is still in reserve; what may use it goes on to the last byte.
        var publishes = 0
        while log.appender.roomForPublish(payloadCount: 8000) == .available {
            _ = try log.append(count: 8000)
            publishes += 1
        }
        #expect(log.appender.roomForPublish(payloadCount: 8000) == .full)
        #expect(log.appender.currentSegment == 2)
        var acks = 0
        while true {
            do {
                _ = try log.append(count: 8000)
                acks += 1
            } catch let error as LogAppendError {
                #expect(error == .noRoom(.full))
                break
            }
        }
        #expect(acks == 7)
        try log.commit()
        // Space is free again.
        try ballast.remove()
        thread.noteCurrentSegment(log.appender.currentSegment)
        let later = try #require(reports.wait { !$0.diskFull && $0.preparedThrough >= 5 })
        log.appender.notePrepared(through: later.preparedThrough, diskFull: false)
        #expect(log.appender.roomForPublish(payloadCount: 8000) == .available)
        #expect(publishes > 0)
    }
}
