import Logging
import NIOCore
import NIOPosix
import SpindleDisk
import SpindleLog
import SpindleNode
import SpindleWire

extension Shard {
    func maintainLog() {
        maintenance.preparation?.noteCurrentSegment(node.log.currentSegment)
        if node.log.end.rawValue - min(maintenance.lastCheckpoint.rawValue, node.log.end.rawValue) >= maintenance.intervalBytes {
            beginCheckpoint()
        }
        writeCheckpointIfDurable()
        let refuses = maintenance.isBlocked && node.log.roomForPublish(payloadCount: limits.frameBytesMax) == .full
        if refuses != maintenance.refusesPublishes {
            maintenance.refusesPublishes = refuses
            status.diskFull(refuses)
        }
    }

    // MARK: Segments

    /// Has further segments made ready on a thread of their own.
    func startPreparing() throws(LogStorageError) {
        guard let preparer = maintenance.preparer.take() else { return }
        let shard = NIOLoopBound(self, eventLoop: loop)
        maintenance.preparation = try SegmentPreparationThread(
            preparer: preparer, currentSegment: node.log.currentSegment, configuration: node.log.configuration
        ) { report in
            shard.eventLoop.execute { shard.value.prepared(report) }
        }
    }

    private func prepared(_ report: SegmentPreparationReport) {
        guard isAlive else { return }
        let isBlocked = report.diskFull || report.failure != nil
        node.log.notePrepared(through: report.preparedThrough, diskFull: isBlocked)
        if isBlocked, !maintenance.isBlocked {
            logger.error(
                "no further log segment can be made ready; publishes are refused once what is ready is full",
                metadata: ["cause": "\(report.failure.map { "\($0)" } ?? "the disk is full")"])
        } else if !isBlocked, maintenance.isBlocked {
            logger.notice("log segments can be made ready again")
        }
        maintenance.isBlocked = isBlocked
        // What a checkpoint frees may be all that is needed.
        if isBlocked { beginCheckpoint() }
        if isBlocked || node.log.roomForPublish(payloadCount: limits.frameBytesMax) == .available {
            for waiter in roomWaiters { waiter.succeed() }
            roomWaiters.removeAll()
        }
        scheduleFlush()
    }

    /// Done when a publish would be accepted, or when it is known that none can be for now.
    func whenRoomIsKnown() -> EventLoopFuture<Void> {
        if node.log.roomForPublish(payloadCount: limits.frameBytesMax) != .preparing { return loop.makeSucceededVoidFuture() }
        let promise = loop.makePromise(of: Void.self)
        roomWaiters.append(promise)
        return promise.futureResult
    }

    // MARK: Checkpoints

    /// Takes the node's state as it is now; it is written when the log below it is durable.
    func beginCheckpoint() {
        guard case .none = maintenance.checkpoint, now >= maintenance.checkpointNotBefore,
            node.log.end > maintenance.lastCheckpoint
        else { return }
        let started = NIODeadline.now()
        maintenance.checkpoint = .taken(TakenCheckpoint(state: node.state, lsn: node.log.end))
        figures.checkpointPauseNanoseconds = UInt64(max(0, (NIODeadline.now() - started).nanoseconds))
    }

    private func writeCheckpointIfDurable() {
        guard case .taken(let checkpoint) = maintenance.checkpoint, checkpoint.lsn <= node.log.durable else { return }
        maintenance.checkpoint = .writing
        let durable = node.log.durable
        let checkpointer = files.checkpointer
        let reclaimer = files.reclaimer
        let shard = NIOLoopBound(self, eventLoop: loop)
        files.background.submit { state in
            guard state == .active else { return }
            let result: Result<WrittenCheckpoint, any Error>
            do {
                let bytes = try checkpointer.write(at: checkpoint.lsn, durable: durable, readBack: NodeState.check) { checkpoint.encode(to: $0) }
                result = .success(WrittenCheckpoint(bytes: bytes, reclaimed: try reclaimer.reclaim(oldestLive: checkpoint.oldestLive)))
            } catch {
                result = .failure(error)
            }
            let ended = result
            shard.eventLoop.execute { shard.value.checkpointEnded(checkpoint.lsn, ended) }
        }
    }

    private func checkpointEnded(_ lsn: LSN, _ result: Result<WrittenCheckpoint, any Error>) {
        maintenance.checkpoint = .none
        switch result {
        case .failure(let error):
            maintenance.checkpointNotBefore = now + LogMaintenance.retryMilliseconds
            logThrottled(.error, "no checkpoint was written; the log grows until one is", ["error": "\(error)"])
        case .success(let written):
            let freed = written.reclaimed.recycled + written.reclaimed.deleted
            maintenance.lastCheckpoint = lsn
            maintenance.firstSegment = max(maintenance.firstSegment, written.reclaimed.firstSegment)
            scrubbing.freed(below: maintenance.firstSegment)
            figures.checkpoints += 1
            figures.checkpointBytes = written.bytes
            figures.segmentsReclaimed += UInt64(freed)
            if freed > 0 { maintenance.preparation?.retry() }
            logger.debug(
                "checkpoint written",
                metadata: ["lsn": "\(lsn)", "bytes": "\(written.bytes)", "segmentsFreed": "\(freed)"])
        }
        let waiters = checkpointWaiters
        checkpointWaiters.removeAll()
        for waiter in waiters { waiter.succeed() }
        if isAlive { scheduleFlush() }
    }

    // MARK: The sweep

    /// Looks at every connection's deadlines, again and again.
    func startSweeping() {
        stalls.began(at: now)
        let interval = TimeAmount.milliseconds(Int64(clamping: limits.sweepMilliseconds))
        loop.assumeIsolated().scheduleTask(in: interval) {
            guard self.isAlive else { return }
            self.sweep()
            self.startSweeping()
        }
    }

    private func sweep() {
        compareClocks()
        let now = now
        let stall = stalls.came(at: now)
        var expired: [(Connection, ConnectionExpiry)] = []
        var quiet: [Connection] = []
        for connection in connections.values where connection.isOpen {
            connection.noteProgress()
            // While the broker itself does not read, nobody's silence counts: a peer that takes none of its output is cut for that.
            connection.deadlines.forgiveStall(stall, at: now)
            let isHeldHere = connection.isHeld && (heldInputBytes <= limits.processBytesMax || connection.outputBytes > 0)
            if connection.turns.isWaiting || isHeldHere {
                connection.deadlines.forgiveInput(at: now)
            }
            if let expiry = connection.deadlines.expired(at: now, limits: limits) {
                expired.append((connection, expiry))
            } else if connection.outputBytes == 0, connection.deadlines.pingDue(at: now, limits: limits) {
                quiet.append(connection)
            }
        }
        for (connection, expiry) in expired { end(connection, expiry) }
        evictOutput(at: now)
        for connection in quiet { node.ping(connection.id) }
        logLeftOut()
        markIdleLog()
        freeSpace()
        compact()
        scheduleFlush()
    }

    private func end(_ connection: Connection, _ expiry: ConnectionExpiry) {
        switch expiry {
        case .unauthenticated:
            refuse(connection, WireError(.timedOut, "no AUTH succeeded within \(limits.unauthenticatedMilliseconds) ms of connecting"))
        case .partialFrame:
            refuse(connection, WireError(.timedOut, "a frame was not whole \(limits.partialFrameMilliseconds) ms after it began"))
        case .silent:
            refuse(
                connection,
                WireError(.heartbeatMissed, "nothing came for \(limits.heartbeatMilliseconds) ms: send PING when there is nothing else to send"))
        case .outputStalled:
            cut(connection, .slowReader, "it took none of \(connection.outputBytes) bytes for \(limits.outputStallMilliseconds) ms")
        }
    }

    /// Cuts connections that take nothing, while those that read wait for the room that these fill.
    private func evictOutput(at now: UInt64) {
        let missing = node.outputBytesMissing
        guard missing > 0 else { return }
        let holders = connections.values.filter(\.isOpen).map {
            OutputEviction.Holder(
                connection: $0, byteCount: node.outputBytes(of: $0.id), stalledMilliseconds: $0.deadlines.outputStall(at: now))
        }
        let evicted = OutputEviction.connections(of: holders, missing: missing, stalledMin: limits.outputStallWhenFullMilliseconds)
        for connection in evicted {
            cut(
                connection, .slowReader,
                "it took none of \(connection.outputBytes) bytes for \(connection.deadlines.outputStall(at: now)) ms, and others wait for room")
        }
    }

    /// While the disk is full: takes checkpoints as soon as whole segments could be let go of. Two must stand behind them, so where
    /// nothing is logged any more a mark makes room for the second.
    private func freeSpace() {
        guard maintenance.isBlocked, case .none = maintenance.checkpoint else { return }
        let needed = node.state.oldestLiveAddress.map { LSN(rawValue: $0) } ?? node.log.end
        guard min(needed, node.log.end).segment(segmentBytes: node.log.segmentBytes) > maintenance.firstSegment else { return }
        if node.log.end == maintenance.lastCheckpoint { _ = try? node.log.appendMark() }
        beginCheckpoint()
    }

    /// Once the log has been still for a sweep, says in it that everything is durable: damage to what lies before can then be
    /// told from the torn end of a crash.
    private func markIdleLog() {
        let end = node.log.end
        if end == maintenance.endAtLastSweep, end != maintenance.markEnd, end == node.log.durable {
            if let mark = try? node.log.appendMark() { maintenance.markEnd = mark.end }
        }
        maintenance.endAtLastSweep = node.log.end
    }
}
