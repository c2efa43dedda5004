import Glibc
import Logging
import NIOCore
import NIOPosix
import SpindleLog
import SpindleNode

// Background scrubbing. What it finds is reported and does not stop the broker: a damaged record is never served, because each is
// checked as it is read for a delivery, and all the others can still be worked off. A checkpoint is taken at once, so that the next
// start need not replay what is damaged, and refuses nothing.
extension Shard {
    func startScrubbing() {
        guard upkeep.scrubBytesPerSecond > 0 else { return }
        scheduleScrubbing(afterBytes: UInt64(upkeep.scrubBytesPerRead))
    }

    private func scheduleScrubbing(afterBytes count: UInt64) {
        let nanoseconds = count.multipliedReportingOverflow(by: 1_000_000_000).partialValue / upkeep.scrubBytesPerSecond
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(clamping: nanoseconds))) { self.scrub() }
    }

    private func rest() {
        scrubbing.stage = .resting
        loop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(clamping: upkeep.scrubPauseMilliseconds))) {
            self.scrubbing.stage = .between(0)
            self.scrub()
        }
    }

    private func scrub() {
        guard isAlive else { return }
        switch scrubbing.stage {
        case .resting, .reading: return
        case .between(let next):
            // A segment is sealed and durable when the log is durable in one behind it.
            let sealedBelow = node.log.durable.segment(segmentBytes: node.log.segmentBytes)
            let number = max(next, maintenance.firstSegment)
            guard number < sealedBelow else {
                if next > 0 { scrubbing.passes += 1 }
                return rest()
            }
            read(SegmentScrub(storage: files.storage, log: node.log.log, segmentBytes: node.log.segmentBytes, number: number))
        case .within(let segment): read(segment)
        }
    }

    /// Reads the next piece on the background thread: no segment is freed meanwhile.
    private func read(_ segment: SegmentScrub<ErasedLogStorage>) {
        scrubbing.stage = .reading
        let shard = NIOLoopBound(self, eventLoop: loop)
        let byteCount = upkeep.scrubBytesPerRead
        files.background.submit { state in
            guard state == .active else { return }
            var segment = segment
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
            defer { buffer.deallocate() }
            let result = Result { () throws(LogStorageError) in try segment.step(buffer) }
            let (read, step) = (segment, result)
            shard.eventLoop.execute { shard.value.scrubbed(read, step) }
        }
    }

    private func scrubbed(
        _ segment: SegmentScrub<ErasedLogStorage>, _ result: Result<SegmentScrub<ErasedLogStorage>.Step, LogStorageError>
    ) {
        guard isAlive else { return }
        var byteCount = UInt64(upkeep.scrubBytesPerRead)
        scrubbing.stage = .between(segment.number + 1)
        switch result {
        case .success(.goOn(let count)):
            scrubbing.stage = .within(segment)
            byteCount = UInt64(count)
            scrubbing.bytesRead += byteCount
        case .success(.whole(let count)):
            byteCount = UInt64(count)
            scrubbing.bytesRead += byteCount
            scrubbing.segmentsRead += 1
        case .success(.damaged(let corruption)):
            scrubbing.segmentsRead += 1
            isDamaged(corruption, segment.number)
        case .failure(let error) where error.errno == ENOENT: break  // it was freed meanwhile
        case .failure(let error):
            isDamaged(
                LogCorruption(
                    file: "\(LogFileName.segment(segment.number))", offset: 0, reason: "it cannot be read: \(error)",
                    evidence: "the segment is sealed"),
                segment.number)
        }
        scheduleScrubbing(afterBytes: byteCount)
    }

    private func isDamaged(_ corruption: LogCorruption, _ segment: UInt64) {
        guard scrubbing.found(corruption, in: segment) else { return }
        logger.error(
            """
            a segment of the log is damaged; its damaged messages are not served, everything else goes on. Work off or move what is in it, \
            and look at the disk
            """,
            metadata: [
                "file": "\(corruption.file)", "offset": "\(corruption.offset)", "reason": "\(corruption.reason)",
            ])
        // Behind a fresh checkpoint a start does not need the segment's entries.
        guard segment >= maintenance.lastCheckpoint.segment(segmentBytes: node.log.segmentBytes) else { return }
        if node.log.end == maintenance.lastCheckpoint { _ = try? node.log.appendMark() }
        beginCheckpoint()
        scheduleFlush()
    }
}
