import Logging
import NIOCore
import NIOPosix
import SpindleLog
import SpindleNode
import SpindleWire

// Old segments are emptied by appending what lives in them again. The bytes are read and checked on the background thread, where no
// segment is freed meanwhile; the entry that moves them is logged like any other.
extension Shard {
    /// Called by the sweep: looks whether the log holds too much that is dead.
    func compact() {
        guard isAlive, case .idle = compaction.stage, now >= compaction.notBefore else { return }
        if compaction.boundary == nil {
            compaction.decide(
                oldestLive: node.state.oldestLiveAddress, liveBytes: node.state.liveBytes, end: node.log.end,
                segmentBytes: node.log.segmentBytes)
        }
        guard let boundary = compaction.boundary else { return }
        var stragglers = node.state.stragglers(
            below: min(boundary, node.log.durable.rawValue), max: upkeep.moveMessagesPerStep + compaction.unreadable.count)
        stragglers.removeAll { compaction.unreadable.contains($0.address) }
        guard !stragglers.isEmpty else {
            // What cannot be read stays, and with it the log's oldest segment: nothing is gained by moving the rest. Where nothing was
            // moved, looking again at once would find the same.
            if compaction.unreadable.isEmpty, compaction.hasMoved { again(afterMilliseconds: 0) }
            compaction.finishedSegment()
            return
        }
        var bytes = 0
        let count = stragglers.prefix(upkeep.moveMessagesPerStep).prefix { straggler in
            bytes += straggler.byteCount
            return bytes <= upkeep.moveBytesPerStep
        }.count
        let step = Array(stragglers.prefix(max(1, count)))
        guard node.hasRoomToRelocate(step) else { return }
        read(step)
    }

    private func again(afterMilliseconds milliseconds: UInt64) {
        loop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(clamping: milliseconds))) { self.compact() }
    }

    private func read(_ stragglers: [Straggler]) {
        compaction.stage = .reading
        let reader = files.reader
        let shard = NIOLoopBound(self, eventLoop: loop)
        files.background.submit { state in
            guard state == .active else { return }
            var readable: [Straggler] = []
            var unreadable: [Straggler] = []
            let total = stragglers.reduce(0) { $0 + $1.byteCount }
            let bytes = [UInt8](unsafeUninitializedCapacity: total) { space, count in
                for straggler in stragglers {
                    let place = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(space)[count..<count + straggler.byteCount])
                    do {
                        try reader.read(address: straggler.address, into: place)
                        try RecordView.check(place.bytes)
                        readable.append(straggler)
                        count += straggler.byteCount
                    } catch {
                        unreadable.append(straggler)
                    }
                }
            }
            let (found, lost) = (readable, unreadable)
            shard.eventLoop.execute { shard.value.move(found, bytes, lost) }
        }
    }

    private func move(_ stragglers: [Straggler], _ records: [UInt8], _ unreadable: [Straggler]) {
        guard isAlive else { return }
        compaction.stage = .idle
        for straggler in unreadable where node.state.isInPlace(straggler) {
            compaction.cannotRead(straggler.address)
            logger.error(
                "a stored message is damaged or cannot be read, and holds its segment of the log",
                metadata: ["address": "\(straggler.address)", "bytes": "\(straggler.byteCount)", "owner": "\(straggler.owner)"])
        }
        let relocated = node.relocate(stragglers, records: records.span.bytes, now: now)
        figures.messagesMoved += UInt64(relocated.records)
        figures.bytesMoved += relocated.bytes
        compaction.moved(bytes: relocated.loggedBytes, now: now, end: node.log.end)
        flush()
        again(afterMilliseconds: compaction.notBefore - min(now, compaction.notBefore))
    }
}
