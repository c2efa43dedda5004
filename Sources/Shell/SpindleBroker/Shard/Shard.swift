import Logging
import NIOCore
import NIOPosix
import SpindleLog
import SpindleNode
import SpindleWire

/// One node and all that it needs from the world: its connections, its log's files, its clock. Lives on one event loop.
///
/// Events go into the node, effects gather in its outbox, and once in every tick of the loop ``flush()`` performs them,
/// commits what was logged and writes each connection's output in one piece.
final class Shard {
    let loop: any EventLoop
    let limits: BrokerLimits
    let upkeep: LogUpkeepPolicy
    let logger: Logger
    var directory: PrincipalDirectory
    let status: BrokerStatus
    /// Ends the process after a failed write or sync of the log.
    let stopProcess: @Sendable (String) -> Void

    var node: Node
    private var clock: NodeClock
    private let times: ClockSource
    var now: UInt64 { clock.now(boot: times.boot()) }

    // The log's files.
    let files: LogFiles
    var commit: GroupCommit
    var maintenance: LogMaintenance
    var scrubbing = LogScrubbing()
    var compaction: LogCompaction
    /// Those who wait until the log is durable up to a position.
    var durableWaiters: [(lsn: LSN, promise: EventLoopPromise<Void>)] = []

    // Connections.
    var connections: [SessionID: Connection] = [:]
    var sockets: ClientSockets
    var stalls: StallWatch
    var throttle = LogThrottle()
    /// Connections with output of this tick.
    var touched: [Connection] = []
    /// Connections that are not read from for now.
    var held: [Connection] = []
    var heldInputBytes = 0
    var unsentBytes = 0
    var isHeldByLog = false

    // The tick.
    var performing = Node.Outbox()
    /// Of the stored records that are read at once.
    var recordSizes: [Int] = []
    var turns = Turns()

    var figures = ShardCounters()
    var drained: EventLoopPromise<Void>?
    var checkpointWaiters: [EventLoopPromise<Void>] = []
    var roomWaiters: [EventLoopPromise<Void>] = []
    var phase: Phase = .running

    /// Can transition to: `running` → `draining` → `stopped`; all → `failed`.
    enum Phase {
        case running
        case draining
        case stopped
        /// The log could not be written: nobody is answered any more.
        case failed
    }

    var isAlive: Bool {
        switch phase {
        case .running, .draining: true
        case .stopped, .failed: false
        }
    }

    init(
        loop: any EventLoop, configuration: BrokerConfiguration, node: consuming Node, clock: NodeClock, times: ClockSource,
        files: LogFiles, directory: PrincipalDirectory, status: BrokerStatus, budget: SocketBudget, logger: Logger,
        stopProcess: @escaping @Sendable (String) -> Void
    ) {
        loop.preconditionInEventLoop()
        self.loop = loop
        limits = configuration.limits
        upkeep = configuration.upkeep
        self.node = node
        self.clock = clock
        self.times = times
        self.files = files
        self.directory = directory
        self.status = status
        self.logger = logger
        self.stopProcess = stopProcess
        compaction = LogCompaction(policy: configuration.upkeep)
        commit = GroupCommit(policy: configuration.commit)
        sockets = ClientSockets(budget: budget)
        stalls = StallWatch(intervalMilliseconds: limits.sweepMilliseconds)
        maintenance = LogMaintenance(preparer: files.preparer, intervalBytes: configuration.checkpointIntervalBytes)
    }

    // MARK: The tick

    /// Has ``flush()`` run at the end of this tick, after every socket that is ready now was read.
    func scheduleFlush() {
        guard !turns.isFlushScheduled else { return }
        turns.isFlushScheduled = true
        loop.assumeIsolated().execute { self.flush() }
    }

    func flush() {
        turns.isFlushScheduled = false
        guard isAlive else { return }
        performEffects()
        node.endOfTick(now: now)
        performEffects()
        commitIfDue()
        guard isAlive else { return }
        writeOutputs()
        holdOrRelease()
        maintainLog()
        armTimer()
        endTurn()
    }

    private func writeOutputs() {
        guard !touched.isEmpty else { return }
        let connections = touched
        touched.removeAll(keepingCapacity: true)
        for connection in connections { connection.writePending() }
    }

    // MARK: Timers of the node

    /// One task for the node's next deadline. One that is due earlier than needed is left: it arms the next.
    private func armTimer() {
        guard let deadline = node.nextDeadline else { return }
        if let timer = turns.timer, timer.at <= deadline { return }
        turns.timer?.task.cancel()
        // What is due at once comes after a look at the sockets all the same.
        let wait = max(clock.wait(until: deadline, boot: times.boot()), Turns.pause)
        let task = loop.assumeIsolated().scheduleTask(in: wait) { self.timerFired() }
        turns.timer = (deadline, task)
    }

    private func timerFired() {
        turns.timer = nil
        guard isAlive else { return }
        node.tick(now: now)
        flush()
    }

    func cancelTimer() {
        turns.timer?.task.cancel()
        turns.timer = nil
    }

    /// Compares the node's clock with the wall clock, and has the next flush set the timer anew: the loop's own clock stands still while
    /// the machine is suspended, so a timer that was set before would fire too late.
    func compareClocks() {
        let reading = times.read()
        if let step = clock.compare(reading) {
            logger.notice(
                "the wall clock was set; stamps drift towards it, leases and delays keep their length",
                metadata: [
                    "secondsSet": "\(step.seconds)", "secondsToDrift": "\(clock.secondsToWall(boot: reading.boot))",
                    "driftPerSecond": "1/\(NodeClock.driftDivisor)",
                ])
        }
        cancelTimer()
    }
}
