import Logging
import NIOCore
import NIOPosix
import SpindleLog
import SpindleNode
import SpindleWire

extension Shard {
    /// The threads on which a shard's files may block.
    struct Threads: Sendable {
        let writer: NIOThreadPool
        let background: NIOThreadPool
    }

    /// Recovers the log in `storage`. Blocks the loop, which has nothing else to do yet. ``begin(_:)`` follows.
    static func open(
        loop: any EventLoop, configuration: BrokerConfiguration, storage: any LogStorage, threads: Threads,
        directory: PrincipalDirectory, status: BrokerStatus, logger: Logger, times: ClockSource, stopProcess: @escaping @Sendable (String) -> Void
    ) throws(BrokerStartError) -> Shard {
        let storage = ErasedLogStorage(storage)
        let (state, recovered) = try recover(storage, configuration, logger)
        let clock = NodeClock(times.read(), lastLogged: state.time)
        let node = Node(
            configuration: NodeConfiguration(configuration, log: recovered.log), state: state, log: recovered.makeAppender())
        let files = LogFiles(
            storage: storage, writer: LogWriter(storage: storage), reader: recovered.makeReader(storage: storage),
            checkpointer: recovered.makeCheckpointer(storage: storage), reclaimer: recovered.makeReclaimer(storage: storage),
            preparer: recovered.makePreparer(storage: storage), writerThread: threads.writer, background: threads.background)
        let budget = try socketBudget(configuration.limits, logger)
        let shard = Shard(
            loop: loop, configuration: configuration, node: node, clock: clock, times: times, files: files, directory: directory,
            status: status, budget: budget, logger: logger, stopProcess: stopProcess)
        shard.maintenance.lastCheckpoint = recovered.checkpoint ?? recovered.first
        shard.maintenance.firstSegment = recovered.first.segment(segmentBytes: recovered.segmentBytes)
        return shard
    }

    /// Raises the limit of open files, and shares it out between the log and the clients.
    private static func socketBudget(_ limits: BrokerLimits, _ logger: Logger) throws(BrokerStartError) -> SocketBudget {
        let files = OpenFiles.raiseLimit()
        let inUse = OpenFiles.inUse() ?? 64
        guard let budget = SocketBudget(openFilesMax: files.now, inUse: inUse, limits: limits) else {
            throw BrokerStartError(
                .configuration,
                "this process may open \(files.now) files, and \(inUse) are open: too few for a log and clients; raise the limit (ulimit -n, LimitNOFILE)")
        }
        logger.info(
            "files and sockets",
            metadata: [
                "openFilesMax": "\(files.now)", "before": "\(files.before)", "open": "\(inUse)", "socketsMax": "\(budget.socketsMax)",
                "unauthenticatedMax": "\(budget.unauthenticatedMax)",
            ])
        if budget.socketsMax < limits.connectionsMax {
            logger.warning(
                "fewer clients can connect than the configuration allows: raise the limit of open files (ulimit -n, LimitNOFILE)",
                metadata: ["connections": "\(limits.connectionsMax)", "socketsMax": "\(budget.socketsMax)"])
        }
        return budget
    }

    /// Begins to work; done when the configured queues and topics exist, durably.
    func begin(_ queues: [DeclaredQueue], _ topics: [DeclaredTopic]) throws -> EventLoopFuture<Void> {
        try startPreparing()
        startSweeping()
        startScrubbing()
        flush()
        return whenRoomIsKnown().assumeIsolated().flatMap {
            for queue in queues {
                let changes = self.node.changes(by: queue.policy, of: queue.name)
                do throws(WireError) {
                    for change in changes { self.warn(of: change, queue: queue.name) }
                    try self.node.declareFromConfiguration(queue: queue.name, policy: queue.policy, now: self.now)
                } catch where error.code == .noSpace {
                    // What is there must be workable, or the disk would never be emptied.
                    self.logger.error("queue not declared", metadata: ["queue": "\(queue.name)", "reason": "\(error.message)"])
                } catch {
                    return self.loop.makeFailedFuture(
                        BrokerStartError(.configuration, "the queue '\(queue.name)' cannot be declared: \(error.message)"))
                }
            }
            for topic in topics {
                do throws(WireError) {
                    try self.node.declareTopicRetention(topic.pattern, topic.retention, now: self.now)
                } catch where error.code == .noSpace {
                    self.logger.error("retention not declared", metadata: ["topics": "\(topic.pattern)", "reason": "\(error.message)"])
                } catch {
                    return self.loop.makeFailedFuture(
                        BrokerStartError(.configuration, "the retention of the topics '\(topic.pattern)' cannot be declared: \(error.message)"))
                }
            }
            // At once, not with the first sweep: a broker that is killed again and again within a second must free segments too.
            self.compact()
            return self.whenDurable(self.node.log.end)
        }.nonisolated()
    }

    /// The description counts at every start: what `spindle queue declare` said otherwise is undone, and that must not go unseen.
    private func warn(of change: Node.PolicyChange, queue: String) {
        logger.warning(
            "the configuration changes a setting of a queue; what was declared for it since the last start is undone: to keep that, write it into the description",
            metadata: ["queue": "\(queue)", "setting": "\(change.setting.key)", "before": "\(change.before)", "after": "\(change.after)"])
    }

    private static func recover(
        _ storage: ErasedLogStorage, _ configuration: BrokerConfiguration, _ logger: Logger
    ) throws(BrokerStartError) -> (state: NodeState, recovered: RecoveredLog) {
        var random = SystemRandomNumberGenerator()
        let started = NIODeadline.now()
        let (state, recovered): (NodeState, RecoveredLog)
        do {
            (state, recovered) = try NodeState.recover(
                from: storage, log: configuration.log, newLogID: LogID(high: random.next(), low: random.next()),
                node: NodeConfiguration(configuration, log: LogID(high: 0, low: 0)))
        } catch {
            throw BrokerStartError(.log, "\(error)")
        }
        logger.info(
            "log recovered",
            metadata: [
                "new": "\(recovered.isNew)", "entries": "\(recovered.replayedEntries)", "bytes": "\(recovered.replayedBytes)",
                "milliseconds": "\((NIODeadline.now() - started).nanoseconds / 1_000_000)", "tail": "\(recovered.tail)",
            ])
        for file in recovered.quarantined { logger.warning("file put aside", metadata: ["file": "\(file)"]) }
        return (state, recovered)
    }
}

extension NodeConfiguration {
    init(_ configuration: BrokerConfiguration, log: LogID) {
        self.init(
            serverName: configuration.serverName, serverVersion: configuration.serverVersion, serverID: log.bytes,
            frameBytesMax: configuration.limits.frameBytesMax, inFlightMax: configuration.limits.inFlightMax,
            heartbeatMilliseconds: configuration.limits.heartbeatMilliseconds, topicEventsMax: configuration.topicEventsMax,
            topicRetentionMilliseconds: configuration.topicRetentionMilliseconds, outputWindowBytes: configuration.limits.outputBytesMax,
            outputBudgetBytes: configuration.limits.outputBudgetBytes)
        newQueues = configuration.newQueues
        topicBytesMax = configuration.topicBytesMax
    }
}

extension LogID {
    /// Sixteen bytes, the most significant first.
    fileprivate var bytes: [UInt8] {
        [high, low].flatMap { half in stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> UInt64($0)) } }
    }
}
