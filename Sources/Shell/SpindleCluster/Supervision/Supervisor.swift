#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Foundation
package import Logging
import ServiceLifecycle
import SpindleText

/// How the supervisor itself works.
package struct SupervisorOptions: Sendable {
    /// Where process ids and `cluster.json` are written, usually `DATA/run`.
    package var runDirectory: String
    package var restart: RestartPolicy
    package var readyPollInterval: Duration
    /// Receives the output of processes whose output is `.prefixed`, one line at a time, from several threads.
    package var onLine: @Sendable (_ process: String, _ line: String) -> Void
    /// Receives what happens, from several threads; the log says the same.
    package var onEvent: @Sendable (SupervisorEvent) -> Void

    package init(
        runDirectory: String, restart: RestartPolicy = RestartPolicy(), readyPollInterval: Duration = .milliseconds(100),
        onLine: @escaping @Sendable (_ process: String, _ line: String) -> Void = { SupervisorOptions.printPrefixed($0, $1) },
        onEvent: @escaping @Sendable (SupervisorEvent) -> Void = { _ in }
    ) {
        self.runDirectory = runDirectory
        self.restart = restart
        self.readyPollInterval = readyPollInterval
        self.onLine = onLine
        self.onEvent = onEvent
    }

    /// `name | line` on standard output, in one write so that lines are not mixed.
    package static func printPrefixed(_ process: String, _ line: String) {
        let bytes = Array("\(process) | \(line)\n".utf8)
        _ = bytes.withUnsafeBytes { systemWrite(1, $0) }
    }
}

/// Starts processes tier by tier, keeps them running, and stops them in reverse.
///
/// - A tier is started when every process before it is ready. A process that isn't ready in its deadline ends the start:
///   what runs is stopped, and `run()` throws.
/// - What dies is started again after an exponential back-off with jitter.
/// - At graceful shutdown or cancellation the last tier is stopped first: SIGTERM, SIGKILL after the grace.
/// - When the supervisor itself is killed its children notice: see `SupervisorWatch`.
package actor Supervisor: Service {
    /// More processes than this on one machine are taken for a slip.
    package static let processesMax = 256
    /// A process that ends so often before it is ready will not become it: its log says why.
    private static let startsBeforeReadyMax = 5

    private struct Child {
        let specification: ProcessSpecification
        var state = ClusterStatus.State.waiting
        var process: ChildProcess?
        var starts = 0
        var lastExit: ExitStatus?
        var backoff = RestartBackoff()
        var isStopRequested = false
        var wasReady = false
        /// Runs the process over and over, until its stop is requested.
        var keeping: Task<Void, Never>?
    }

    private let options: SupervisorOptions
    private let logger: Logger
    private var children: [Child]
    private let startedAt = Date()

    package init(processes: [ProcessSpecification], options: SupervisorOptions, logger: Logger = Logger(label: "supervisor")) throws(SupervisorError) {
        var names: [String] = []
        for process in processes {
            guard Name.isPlain(process.name), process.name != "supervisor" else {
                throw .badSpecification(name: process.name, reason: "its name must be letters, digits, \".\", \"-\" and \"_\", and not \"supervisor\"")
            }
            guard !names.contains(process.name) else { throw .badSpecification(name: process.name, reason: "there are two of this name") }
            names.append(process.name)
        }
        if processes.count > Self.processesMax {
            throw .badSpecification(name: processes[Self.processesMax].name, reason: "there are more than \(Self.processesMax) processes")
        }
        self.options = options
        self.logger = logger
        children = processes.map { Child(specification: $0) }
    }

    /// Runs until graceful shutdown or cancellation.
    /// - Throws: `SupervisorError` when the cluster did not start.
    package func run() async throws {
        let directory = try RunDirectory(path: options.runDirectory)
        // The kernel closes the writing end when this process ends, however it ends.
        guard let lifeline = try? Spawn.locked({ held in PipeEnds(held) }) else {
            throw SupervisorError.runDirectoryUnusable(path: options.runDirectory, reason: "no file descriptors are left")
        }
        defer { lifeline.closeBoth() }
        writeStatus()
        let (shutdown, requestShutdown) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        let failure = await withTaskCancellationOrGracefulShutdownHandler {
            do throws(SupervisorError) {
                try await startAll(supervisorPipe: lifeline.reading, until: shutdown)
                return SupervisorError?.none
            } catch {
                return error
            }
        } onCancelOrGracefulShutdown: {
            requestShutdown.yield()
        }
        // A task of its own: the stop takes its time although this one may be cancelled.
        await Task { await self.stopAll() }.value
        withExtendedLifetime(directory) {}
        if let failure { throw failure }
    }

    // MARK: Starting

    /// It is said this often that a process is not ready yet.
    private static let waitingInterval = Duration.seconds(10)

    private enum Milestone: Sendable {
        case started
        case failed(SupervisorError)
        case shutdownRequested
    }

    /// Returns when shutdown was requested, at once if that happens during the start.
    private func startAll(supervisorPipe: Int32, until shutdown: AsyncStream<Void>) async throws(SupervisorError) {
        let failure = await withTaskGroup(of: Milestone.self) { group in
            group.addTask {
                do throws(SupervisorError) {
                    try await self.startTiers(supervisorPipe: supervisorPipe)
                    return .started
                } catch {
                    return .failed(error)
                }
            }
            group.addTask {
                for await _ in shutdown { break }
                return .shutdownRequested
            }
            defer { group.cancelAll() }
            while let milestone = await group.next() {
                switch milestone {
                case .started: continue
                case .failed(let error): return SupervisorError?.some(error)
                case .shutdownRequested: return nil
                }
            }
            return nil
        }
        if let failure { throw failure }
    }

    private func startTiers(supervisorPipe: Int32) async throws(SupervisorError) {
        for tier in Set(children.map(\.specification.tier)).sorted() {
            let members = children.indices.filter { children[$0].specification.tier == tier }
            for index in members {
                guard !Task.isCancelled else { return }
                children[index].keeping = Task { await self.keep(index, supervisorPipe: supervisorPipe) }
            }
            for index in members {
                guard await becomesReady(index) else {
                    if Task.isCancelled { return }
                    let specification = children[index].specification
                    if endedTooOften(index), let lastExit = children[index].lastExit {
                        throw .keepsEnding(name: specification.name, starts: children[index].starts, lastExit: lastExit)
                    }
                    throw .notReady(name: specification.name, deadline: specification.readyDeadline, lastExit: children[index].lastExit)
                }
                children[index].wasReady = true
                setState(index, .running)
                tell(.ready(name: children[index].specification.name))
            }
        }
        logger.info("the cluster runs", metadata: ["processes": "\(children.count)"])
    }

    private func becomesReady(_ index: Int) async -> Bool {
        let specification = children[index].specification
        let began = ContinuousClock.now
        let deadline = began + specification.readyDeadline
        var told = began
        while ContinuousClock.now < deadline, !Task.isCancelled, !endedTooOften(index) {
            if children[index].process != nil, await specification.isReady(), children[index].process != nil { return true }
            if ContinuousClock.now - told >= Self.waitingInterval {
                told = .now
                tell(.waiting(name: specification.name, since: told - began))
            }
            try? await Task.sleep(for: options.readyPollInterval)
        }
        return false
    }

    private func endedTooOften(_ index: Int) -> Bool {
        !children[index].wasReady && children[index].starts >= Self.startsBeforeReadyMax && children[index].process == nil
    }

    // MARK: Keeping one process running

    private func keep(_ index: Int, supervisorPipe: Int32) async {
        let name = children[index].specification.name
        while !children[index].isStopRequested {
            let began = ContinuousClock.now
            let status = await runOnce(index, supervisorPipe: supervisorPipe)
            children[index].lastExit = status
            tell(.exited(name: name, status: status))
            guard !children[index].isStopRequested, !endedTooOften(index) else { break }
            let delay = children[index].backoff.died(
                after: ContinuousClock.now - began, policy: options.restart, chance: Double.random(in: 0...1))
            setState(index, .backingOff)
            tell(.restarting(name: name, after: delay))
            // Cut short by stop().
            try? await Task.sleep(for: delay)
        }
        setState(index, .stopped)
        tell(.stopped(name: name))
    }

    private func runOnce(_ index: Int, supervisorPipe: Int32) async -> ExitStatus {
        let specification = children[index].specification
        let process: ChildProcess
        do throws(ChildProcess.SpawnFailure) {
            process = try ChildProcess.start(specification, supervisorPipe: supervisorPipe, onLine: lineHandler(specification))
        } catch {
            return .notStarted(errno: error.errno)
        }
        children[index].process = process
        children[index].starts += 1
        // After the first start nobody asks for readiness any more: what runs is running.
        setState(index, children[index].starts == 1 ? .starting : .running)
        writePid(process.pid, of: specification.name)
        tell(.started(name: specification.name, pid: process.pid))
        let status = await process.waitForExit()
        children[index].process = nil
        unlink("\(options.runDirectory)/\(specification.name).pid")
        return status
    }

    private func lineHandler(_ specification: ProcessSpecification) -> @Sendable (String) -> Void {
        switch specification.output {
        case .prefixed:
            let (name, onLine) = (specification.name, options.onLine)
            return { onLine(name, $0) }
        case .file(let path):
            let file = OutputFile(path: path)
            return { file.write(line: $0) }
        }
    }

    // MARK: Stopping

    private func stopAll() async {
        for tier in Set(children.map(\.specification.tier)).sorted(by: >) {
            await withTaskGroup(of: Void.self) { group in
                for index in children.indices where children[index].specification.tier == tier {
                    group.addTask { await self.stop(index) }
                }
            }
        }
        let killed = children.filter { $0.lastExit == .signaled(SIGKILL) }.map(\.specification.name)
        logger.info("the cluster is stopped", metadata: killed.isEmpty ? [:] : ["killed": .array(killed.map { .string($0) })])
    }

    private func stop(_ index: Int) async {
        guard let keeping = children[index].keeping else { return }
        let specification = children[index].specification
        children[index].isStopRequested = true
        keeping.cancel()
        if let process = children[index].process {
            setState(index, .stopping)
            tell(.stopping(name: specification.name))
            process.send(SIGTERM)
        }
        let killing = Task {
            try await Task.sleep(for: specification.stopGrace)
            self.kill(index)
        }
        await keeping.value
        killing.cancel()
    }

    /// Ends at once what still runs: somebody asked twice for the stop.
    package func killAll() {
        for index in children.indices where children[index].isStopRequested { kill(index) }
    }

    private func kill(_ index: Int) {
        guard let process = children[index].process else { return }
        tell(.killed(name: children[index].specification.name))
        process.send(SIGKILL, toGroup: true)
    }

    /// Sends a signal to every process that runs.
    package func send(_ signal: Int32) {
        for child in children { child.process?.send(signal) }
    }

    // MARK: Telling

    private func setState(_ index: Int, _ state: ClusterStatus.State) {
        children[index].state = state
        writeStatus()
    }

    private func writePid(_ pid: Int32, of name: String) {
        do {
            try Data("\(pid)\n".utf8).write(to: URL(fileURLWithPath: "\(options.runDirectory)/\(name).pid"), options: .atomic)
        } catch {
            logger.warning("a process id could not be written down", metadata: ["process": .string(name), "error": "\(error)"])
        }
        writeStatus()
    }

    private func writeStatus() {
        let status = ClusterStatus(
            supervisorPid: getpid(), supervisorStart: ProcessStart.ticks(of: getpid()), startedAt: startedAt,
            processes: children.map { child in
                ClusterStatus.Process(
                    name: child.specification.name, pid: child.process?.pid, state: child.state, restarts: max(0, child.starts - 1),
                    ports: child.specification.ports, tier: child.specification.tier, lastExit: child.lastExit?.description)
            })
        do {
            try status.write(runDirectory: options.runDirectory)
        } catch {
            logger.warning("the status file could not be written", metadata: ["error": "\(error)"])
        }
    }

    private func tell(_ event: SupervisorEvent) {
        switch event {
        case .started(let name, let pid): logger.info("started", metadata: ["process": .string(name), "pid": .stringConvertible(pid)])
        case .ready(let name): logger.info("ready", metadata: ["process": .string(name)])
        case .waiting(let name, let since):
            logger.notice("not ready yet", metadata: ["process": .string(name), "since": .string("\(since)")])
        case .exited(let name, let status): logger.notice("ended", metadata: ["process": .string(name), "status": .string(status.description)])
        case .restarting(let name, let delay): logger.warning("starts again", metadata: ["process": .string(name), "after": .string("\(delay)")])
        case .stopping(let name): logger.info("stopping", metadata: ["process": .string(name)])
        case .killed(let name): logger.warning("killed: it did not stop in its grace, or an operator did not wait for that", metadata: ["process": .string(name)])
        case .stopped(let name): logger.debug("stopped", metadata: ["process": .string(name)])
        }
        options.onEvent(event)
    }
}
