import Dispatch
import SpindleDisk
import SpindleLog
import Synchronization
import Testing

@Suite("Several threads on one log")
struct ConcurrencyTests {
    /// What the writing thread has made durable, for the reading one.
    private final class Progress: Sendable {
        struct State {
            var places: [UInt64] = []
            /// The first entry that the reading thread may still look at.
            var readFrom = 0
            var isDone = false
            var failure: String?
        }

        let state = Mutex(State())
        let advanced = DispatchSemaphore(value: 0)
    }

    /// One thread writes, rolls over, takes checkpoints and reclaims, one prepares segments, and one reads what is durable and
    /// not reclaimed.
    @Test func readsGoOnWhileOthersWriteAndPrepare() throws {
        let directory = try TemporaryDirectory()
        let storage = try DiskLogStorage(path: directory.path)
        let progress = Progress()
        let entryBytes = 3000
        let rounds: UInt64 = 200

        DispatchQueue.global().async {
            do {
                var log = try DiskLog(storage)
                try Self.write(&log, rounds, entryBytes, progress)
            } catch {
                progress.state.withLock { $0.failure = "\(error)" }
            }
            progress.state.withLock { $0.isDone = true }
            progress.advanced.signal()
        }

        let reader = LogReader(storage: storage, segmentBytes: DiskLog.configuration.segmentBytes)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: entryBytes, alignment: 8)
        defer { buffer.deallocate() }
        let deadline = DispatchTime.now() + .seconds(60)
        var reads = 0
        var isDone = false
        while !isDone {
            guard progress.advanced.wait(timeout: deadline) == .success else {
                Issue.record("the writing thread does not come on")
                return
            }
            let places = progress.state.withLock { state in
                isDone = state.isDone
                state.readFrom = max(0, state.places.count - 20)
                return state.places
            }
            for (index, address) in places.enumerated().suffix(20) {
                try reader.read(address: address, into: buffer)
                #expect(buffer.load(as: UInt64.self) == UInt64(index))
                #expect(buffer[entryBytes - 1] == 0x5A)
                reads += 1
            }
        }
        #expect(progress.state.withLock { $0.failure } == nil)
        #expect(progress.state.withLock { $0.places.count } == Int(rounds))
        #expect(reads >= 20)
    }

    private static func write(
        _ log: inout DiskLog, _ rounds: UInt64, _ entryBytes: Int, _ progress: Progress
    ) throws {
        let latest = Latest()
        let thread = try SegmentPreparationThread(
            preparer: log.recovered.makePreparer(storage: log.storage), currentSegment: log.appender.currentSegment,
            configuration: DiskLog.configuration,
            report: { report in
                latest.through.withLock { $0 = report.preparedThrough }
                latest.arrived.signal()
            })
        defer { thread.stop() }
        var lsns: [LSN] = []
        for round in 0..<rounds {
            while log.appender.roomForPublish(payloadCount: entryBytes) != .available {
                if latest.arrived.wait(timeout: .now() + .seconds(30)) == .timedOut { return }
                log.appender.notePrepared(through: latest.through.withLock { $0 }, diskFull: false)
            }
            let entry = try log.append(count: entryBytes)
            try log.commit()
            thread.noteCurrentSegment(log.appender.currentSegment)
            lsns.append(entry.lsn)
            if round % 50 == 49 {
                let oldestLive = lsns[progress.state.withLock { $0.readFrom }]
                try log.checkpoint()
                _ = try log.recovered.makeReclaimer(storage: log.storage).reclaim(oldestLive: oldestLive)
            }
            progress.state.withLock { $0.places.append(entry.payloadAddress) }
            progress.advanced.signal()
        }
    }

    private final class Latest: Sendable {
        let through = Mutex<UInt64>(0)
        let arrived = DispatchSemaphore(value: 0)
    }
}
