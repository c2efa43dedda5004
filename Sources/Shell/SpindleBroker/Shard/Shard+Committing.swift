import Logging
import NIOCore
import NIOPosix
import SpindleLog
import SpindleNode

extension Shard {
    /// Brings the open batch to the disk, unless one is under way.
    func commitIfDue() {
        let decision = commit.decide(openBatchBytes: node.log.openBatchBytes)
        switch decision {
        case .wait: return
        case .inline, .handOver: break
        }
        guard let batch = node.log.takeBatch() else { return }
        commit.begin(byteCount: batch.byteCount)
        if decision == .inline {
            let started = NIODeadline.now()
            let result = Self.write(batch, files.writer)
            finishCommit(batch, result, nanoseconds: Self.nanoseconds(since: started))
        } else {
            handOver(batch)
        }
    }

    private func handOver(_ batch: LogBatch) {
        let writer = files.writer
        let shard = NIOLoopBound(self, eventLoop: loop)
        files.writerThread.submit { state in
            // The pool is only stopped when no batch is under way.
            guard state == .active else { return }
            let started = NIODeadline.now()
            let result = Self.write(batch, writer)
            let nanoseconds = Self.nanoseconds(since: started)
            shard.eventLoop.execute {
                shard.value.finishCommit(batch, result, nanoseconds: nanoseconds)
                shard.value.flush()
            }
        }
    }

    private static func write(
        _ batch: LogBatch, _ writer: LogWriter<ErasedLogStorage>
    ) -> Result<LSN, LogStorageError> {
        do { return .success(try writer.write(batch)) } catch { return .failure(error) }
    }

    private static func nanoseconds(since start: NIODeadline) -> UInt64 {
        UInt64(max(0, (NIODeadline.now() - start).nanoseconds))
    }

    private func finishCommit(_ batch: LogBatch, _ result: Result<LSN, LogStorageError>, nanoseconds: UInt64) {
        guard isAlive else { return }
        switch result {
        case .success(let lsn):
            commit.succeeded(nanoseconds: nanoseconds)
            figures.commitNanoseconds.record(nanoseconds)
            figures.batchBytes.record(UInt64(batch.byteCount))
            figures.entries += UInt64(batch.entryCount)
            node.log.recycle(batch)
            node.logDurable(lsn, now: now)
            wakeDurableWaiters()
            performEffects()
            // Grants that this made possible are logged before they are delivered.
            if node.log.openBatchBytes > 0 { scheduleFlush() }
        case .failure(let error):
            fail(error)
        }
    }

    /// A write or a sync failed: nobody knows what is on the disk. Nobody is answered, nothing is tried again.
    private func fail(_ error: LogStorageError) {
        phase = .failed
        commit.failed()
        cancelTimer()
        let message = "the log could not be written, the broker stops: \(error)"
        logger.critical("\(message)")
        status.failed(message)
        for waiter in durableWaiters { waiter.promise.fail(error) }
        durableWaiters.removeAll()
        for waiter in roomWaiters + checkpointWaiters { waiter.fail(error) }
        roomWaiters.removeAll()
        checkpointWaiters.removeAll()
        touched.removeAll()
        for connection in Array(connections.values) { connection.closeNow() }
        drained.take()?.succeed()
        stopProcess(message)
    }

    // MARK: Waiting for the disk

    /// Done when everything below `lsn` is durable.
    func whenDurable(_ lsn: LSN) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        if node.log.durable >= lsn {
            promise.succeed()
        } else {
            durableWaiters.append((lsn, promise))
            scheduleFlush()
        }
        return promise.futureResult
    }

    private func wakeDurableWaiters() {
        guard !durableWaiters.isEmpty else { return }
        let durable = node.log.durable
        let ready = durableWaiters.filter { $0.lsn <= durable }
        durableWaiters.removeAll { $0.lsn <= durable }
        for waiter in ready { waiter.promise.succeed() }
    }
}
