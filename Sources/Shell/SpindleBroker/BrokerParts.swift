import Glibc
import Logging
import NIOCore
import NIOPosix
import SpindleDisk
import SpindleLog
import SpindleNode
import Synchronization

/// The threads, sockets and the shard of a broker, from the first to be opened to the last to be closed.
final class BrokerParts: Sendable {
    let logger: Logger
    let status = BrokerStatus()
    /// The shard's event loop.
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    /// Apart, so that a busy shard does not look dead.
    let operationsGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let threads = Shard.Threads(writer: NIOThreadPool(numberOfThreads: 1), background: NIOThreadPool(numberOfThreads: 1))

    private struct State {
        var listeners: [any Channel] = []
        var operations: [any Channel] = []
        var shard: NIOLoopBound<Shard>?
    }

    private let state = Mutex(State())

    init(logger: Logger) {
        self.logger = logger
        threads.writer.start()
        threads.background.start()
    }

    func add(_ channel: any Channel, isOperations: Bool) {
        state.withLock { if isOperations { $0.operations.append(channel) } else { $0.listeners.append(channel) } }
    }

    /// Opens the shard on its loop; done when what the configuration declares is durable.
    func openShard(
        _ configuration: BrokerConfiguration, _ storage: any LogStorage, _ directory: PrincipalDirectory,
        _ hooks: BrokerHooks
    ) async throws(BrokerStartError) -> NIOLoopBound<Shard> {
        let loop = group.next()
        let opened = loop.submit { [threads, status, logger] in
            let shard = try Shard.open(
                loop: loop, configuration: configuration, storage: storage, threads: threads, directory: directory, status: status,
                logger: logger, times: hooks.times, stopProcess: hooks.stopProcess)
            hooks.recovered()
            return (NIOLoopBound(shard, eventLoop: loop), try shard.begin(configuration.queues, configuration.topics))
        }
        do {
            let (shard, durable) = try await opened.get()
            state.withLock { $0.shard = shard }
            try await durable.get()
            return shard
        } catch let error as BrokerStartError {
            throw error
        } catch {
            throw BrokerStartError(.log, "\(error)")
        }
    }

    /// Gives the shard the principals with the tokens that they have now.
    func use(_ directory: PrincipalDirectory) async {
        guard let shard = state.withLock({ $0.shard }) else { return }
        // Fails only where the loop has ended, and with it the connections.
        try? await shard.eventLoop.submit { shard.value.use(directory) }.get()
    }

    func metrics() async -> String {
        guard let shard = state.withLock({ $0.shard }) else { return "" }
        let text = try? await group.next().submit { shard.value.figuresNow() }.get().text
        return text ?? ""
    }

    /// What `/status` answers; empty before the log is open.
    func statusText() async -> String {
        guard let shard = state.withLock({ $0.shard }), let figures = try? await group.next().submit({ shard.value.figuresNow() }).get()
        else { return "" }
        return ShardStatus(figures, phase: status.phase, notReady: status.notReady).json
    }

    /// The way back, whatever of it was gone: stop accepting, drain, make durable, close.
    func dismantle(graceMilliseconds: UInt32) async {
        status.draining()
        let (listeners, shard) = state.withLock { ($0.listeners, $0.shard) }
        for listener in listeners { try? await listener.close().get() }
        if let shard {
            let loop = shard.eventLoop
            try? await loop.flatSubmit { shard.value.drain(graceMilliseconds: graceMilliseconds) }.get()
            do {
                try await loop.flatSubmit { shard.value.finish() }.get()
            } catch {
                logger.error("the log was not closed cleanly; the next start recovers it", metadata: ["error": "\(error)"])
            }
            let preparation = try? await loop.submit { shard.value.maintenance.preparation }.get()
            try? await threads.background.runIfActive { preparation?.stop() }
        }
        try? await threads.background.shutdownGracefully()
        try? await threads.writer.shutdownGracefully()
        let operations = state.withLock { state in
            state.shard = nil
            state.listeners = []
            return state.operations
        }
        for channel in operations { try? await channel.close().get() }
        try? await group.shutdownGracefully()
        try? await operationsGroup.shutdownGracefully()
        state.withLock { $0.operations = [] }
        status.stopped()
        logger.info("broker has stopped")
    }
}

package enum ProcessEnd {
    /// Ends the process at once: nothing that would run at an orderly exit may touch the log any more.
    package static func logFailed() { _exit(BrokerExitCode.logFailed) }
}
