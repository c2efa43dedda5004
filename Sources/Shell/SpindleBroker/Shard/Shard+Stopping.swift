import Logging
import NIOCore
import SpindleLog
import SpindleNode

extension Shard {
    /// Tells every client to finish and go; done when all are gone or the time is over.
    func drain(graceMilliseconds: UInt32) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        guard case .running = phase else {
            promise.succeed()
            return promise.futureResult
        }
        phase = .draining
        node.drain(graceMilliseconds: graceMilliseconds, reason: "the broker stops", now: now)
        flush()
        guard isAlive, !connections.isEmpty else {
            promise.succeed()
            return promise.futureResult
        }
        drained = promise
        loop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(graceMilliseconds))) {
            self.drained.take()?.succeed()
        }
        return promise.futureResult
    }

    /// How long a connection may take to read its last words: shorter while everything waits for the stop.
    var lingerMilliseconds: UInt64 {
        switch phase {
        case .running: limits.lingerMilliseconds
        case .draining, .stopped, .failed: min(limits.lingerMilliseconds, 100)
        }
    }

    /// Closes what is left, and leaves a log that is durable, marked and checkpointed to its end.
    func finish() -> EventLoopFuture<Void> {
        guard isAlive else { return loop.makeSucceededVoidFuture() }
        flush()
        for connection in Array(connections.values) {
            connection.closeAfterOutput(lingerMilliseconds: lingerMilliseconds)
        }
        if node.log.end != maintenance.markEnd, let mark = try? node.log.appendMark() { maintenance.markEnd = mark.end }
        return whenDurable(node.log.end).assumeIsolated().flatMap { () -> EventLoopFuture<Void> in
            // One that is being written ends first.
            self.whenCheckpointed().assumeIsolated().flatMap { () -> EventLoopFuture<Void> in
                self.maintenance.checkpointNotBefore = 0
                self.beginCheckpoint()
                self.maintainLog()
                return self.whenCheckpointed()
            }.nonisolated()
        }.map {
            self.phase = .stopped
            self.cancelTimer()
            for connection in Array(self.connections.values) { connection.closeNow() }
        }.nonisolated()
    }

    private func whenCheckpointed() -> EventLoopFuture<Void> {
        if case .none = maintenance.checkpoint { return loop.makeSucceededVoidFuture() }
        let promise = loop.makePromise(of: Void.self)
        checkpointWaiters.append(promise)
        return promise.futureResult
    }
}
