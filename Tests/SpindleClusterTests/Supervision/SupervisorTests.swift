import Foundation
import Logging
import ServiceLifecycle
import SpindleCluster
import Synchronization
import Testing

/// Gathers what a supervisor tells, and lets a test wait for it.
final class EventLog: Sendable {
    private struct State {
        var events: [SupervisorEvent] = []
        var lines: [String] = []
    }

    private let state = Mutex(State())
    private let changed: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation

    init() {
        (changed, change) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var events: [SupervisorEvent] { state.withLock { $0.events } }
    var lines: [String] { state.withLock { $0.lines } }

    func add(_ event: SupervisorEvent) {
        state.withLock { $0.events.append(event) }
        change.yield()
    }

    func add(line: String) {
        state.withLock { $0.lines.append(line) }
        change.yield()
    }

    struct DeadlineExceeded: Error, CustomStringConvertible {
        let description: String
    }

    /// Returns when `condition` holds.
    func wait(_ what: String, deadline: Duration = .seconds(30), until condition: @escaping @Sendable (EventLog) -> Bool) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                if condition(self) { return true }
                for await _ in self.changed where condition(self) { return true }
                return false
            }
            group.addTask {
                // The deadline.
                try await ContinuousClock().sleep(for: deadline)
                return false
            }
            let isMet = try await group.next() ?? false
            group.cancelAll()
            if !isMet { throw DeadlineExceeded(description: "\(what) did not happen in \(deadline): \(self.events) \(self.lines)") }
        }
    }
}

/// A supervisor over `/bin/sh` children in a temporary folder.
struct Shells {
    let folder: TemporaryFolder
    let log = EventLog()
    var runDirectory: String { folder.path + "/run" }

    init() throws {
        folder = try TemporaryFolder()
    }

    func shell(
        _ name: String, _ script: String, tier: Int = 0, stopGrace: Duration = .seconds(30), readyDeadline: Duration = .seconds(30),
        output: ProcessSpecification.Output = .prefixed, isReady: @escaping @Sendable () async -> Bool = { true }
    ) -> ProcessSpecification {
        ProcessSpecification(
            name: name, executable: "/bin/sh", arguments: ["-c", script], environment: ["FOLDER": folder.path], tier: tier,
            readyDeadline: readyDeadline, stopGrace: stopGrace, ports: [7400 + tier], output: output, isReady: isReady)
    }

    func supervisor(_ processes: [ProcessSpecification], restart: RestartPolicy = RestartPolicy(initial: .milliseconds(1), cap: .milliseconds(4))) throws -> Supervisor {
        let log = log
        return try Supervisor(
            processes: processes,
            options: SupervisorOptions(
                runDirectory: runDirectory, restart: restart, readyPollInterval: .milliseconds(5), onLine: { log.add(line: "\($0) | \($1)") },
                onEvent: { log.add($0) }),
            logger: Logger(label: "supervisor", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// Runs until `body` returns, then shuts down gracefully, as SIGTERM does in the executable.
    func run(_ supervisor: Supervisor, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let group = ServiceGroup(configuration: .init(services: [.init(service: supervisor)], logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                try await body()
            } catch {
                await group.triggerGracefulShutdown()
                try? await tasks.waitForAll()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    func status() throws -> ClusterStatus {
        try #require(try ClusterStatus.read(runDirectory: runDirectory))
    }
}

/// `sleep` in the background and `wait`, so that the shell's trap runs at once.
private let untilTerm = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"

@Suite(.serialized) struct SupervisorTests {
    @Test func startsByTierAndStopsInReverse() async throws {
        let shells = try Shells()
        let log = shells.log
        let isBrokerReady = Atomic(false)
        let supervisor = try shells.supervisor([
            shells.shell("worker", untilTerm, tier: 2), shells.shell("web", untilTerm, tier: 1),
            shells.shell("broker", untilTerm, isReady: {
                // Nothing of a later tier may have been started before this one is ready.
                let started = log.events.filter { if case .started = $0 { true } else { false } }.count
                defer { isBrokerReady.store(true, ordering: .relaxed) }
                return started == 1 && isBrokerReady.load(ordering: .relaxed)
            }),
        ])
        try await shells.run(supervisor) {
            try await log.wait("ready") { $0.events.contains(.ready(name: "worker")) }
            let status = try shells.status()
            #expect(status.processes.map(\.name) == ["worker", "web", "broker"])
            #expect(status.processes.allSatisfy { $0.state == .running && $0.restarts == 0 })
            #expect(status.processes.map(\.ports) == [[7402], [7401], [7400]])
            #expect(ClusterStatus.running(in: shells.runDirectory)?.provenSupervisorPid == getpid())
            for process in status.processes {
                let file = try String(contentsOfFile: shells.runDirectory + "/\(process.name).pid", encoding: .utf8)
                #expect(file == "\(try #require(process.pid))\n")
            }
        }
        func names(_ pick: (SupervisorEvent) -> String?) -> [String] { log.events.compactMap(pick) }
        #expect(names { if case .started(let name, _) = $0 { name } else { nil } } == ["broker", "web", "worker"])
        #expect(names { if case .ready(let name) = $0 { name } else { nil } } == ["broker", "web", "worker"])
        #expect(names { if case .stopping(let name) = $0 { name } else { nil } } == ["worker", "web", "broker"])
        #expect(names { if case .stopped(let name) = $0 { name } else { nil } } == ["worker", "web", "broker"])
        #expect(try shells.status().processes.allSatisfy { $0.state == .stopped && $0.pid == nil && $0.lastExit == "exit code 0" })
        #expect(!FileManager.default.fileExists(atPath: shells.runDirectory + "/broker.pid"))
    }

    /// A killed supervisor leaves its file, and its number may be anybody's by now; no lock is held.
    @Test(arguments: [
        ("a process that runs, as after a restart of a container", getpid()), ("the first process", 1), ("every process", -1), ("this group", 0),
        ("no process", Int32.max),
    ])
    func whatAKilledSupervisorLeftProvesNothing(_ whose: String, number: Int32) throws {
        let shells = try Shells()
        try FileManager.default.createDirectory(atPath: shells.runDirectory, withIntermediateDirectories: true)
        let left = #"{"processes":[],"startedAt":"2026-01-31T09:30:00Z","supervisorPid":\#(number),"supervisorStart":1}"#
        try Data(left.utf8).write(to: URL(fileURLWithPath: "\(shells.runDirectory)/\(ClusterStatus.fileName)"))
        _ = FileManager.default.createFile(atPath: "\(shells.runDirectory)/supervisor.lock", contents: nil)
        #expect(ClusterStatus.running(in: shells.runDirectory) == nil)
        #expect(try shells.status().provenSupervisorPid == nil)
    }

    @Test func aRenamedLogIsBegunAgain() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/web.log"
        let file = OutputFile(path: path, checkInterval: .zero)
        file.write(line: "before")
        try FileManager.default.moveItem(atPath: path, toPath: path + ".rotated")
        file.write(line: "after")
        try FileManager.default.removeItem(atPath: path)
        file.write(line: "again")
        #expect(try String(contentsOfFile: path + ".rotated", encoding: .utf8) == "before\n")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "again\n")
    }

    @Test func restartsWhatDiesWithBackoff() async throws {
        let shells = try Shells()
        let log = shells.log
        // Fails three times, then stays.
        let script = "echo x >> $FOLDER/starts; [ $(wc -l < $FOLDER/starts) -gt 3 ] || exit 7; " + untilTerm
        let supervisor = try shells.supervisor([shells.shell("flaky", script)], restart: RestartPolicy(initial: .milliseconds(2), cap: .milliseconds(5), jitter: 0))
        try await shells.run(supervisor) {
            try await log.wait("the fourth start") { $0.events.count { if case .started = $0 { true } else { false } } == 4 }
            #expect(try shells.status().processes.first?.restarts == 3)
        }
        #expect(log.events.count { $0 == .exited(name: "flaky", status: .exited(code: 7)) } == 3)
        let delays = log.events.compactMap { if case .restarting(_, let delay) = $0 { delay } else { nil } }
        #expect(delays == [.milliseconds(2), .milliseconds(4), .milliseconds(5)])
    }

    @Test func restartsAChildThatWasKilled() async throws {
        let shells = try Shells()
        let log = shells.log
        let supervisor = try shells.supervisor([shells.shell("victim", untilTerm)])
        try await shells.run(supervisor) {
            try await log.wait("ready") { $0.events.contains(.ready(name: "victim")) }
            let pid = try #require(try shells.status().processes.first?.pid)
            kill(pid, SIGKILL)
            try await log.wait("its second start") { $0.events.count { if case .started = $0 { true } else { false } } == 2 }
        }
        #expect(log.events.contains(.exited(name: "victim", status: .signaled(SIGKILL))))
        #expect(!log.events.contains(.killed(name: "victim")))
    }

    @Test func killsWhatIgnoresSIGTERMWithEverythingItStarted() async throws {
        let shells = try Shells()
        let log = shells.log
        let script = "trap '' TERM; sleep 1000 & echo grandchild $!; while :; do sleep 1000; done"
        let supervisor = try shells.supervisor([shells.shell("deaf", script, stopGrace: .milliseconds(50))])
        try await shells.run(supervisor) {
            try await log.wait("its line") { !$0.lines.isEmpty }
        }
        #expect(log.events.suffix(4) == [.stopping(name: "deaf"), .killed(name: "deaf"), .exited(name: "deaf", status: .signaled(SIGKILL)), .stopped(name: "deaf")])
        let grandchild = try #require(log.lines.first?.split(separator: " ").last.flatMap { Int32($0) })
        try await waitUntilGone(grandchild)
    }

    @Test func outputIsForwardedLineByLine() async throws {
        let shells = try Shells()
        let log = shells.log
        let file = shells.folder.path + "/out.log"
        let supervisor = try shells.supervisor([
            shells.shell("loud", "echo one; echo two >&2; printf three; exit 0"),
            shells.shell("quiet", "echo '{\"json\": 1}'; " + untilTerm, output: .file(file)),
        ])
        try await shells.run(supervisor) {
            try await log.wait("the lines") { Set(["loud | one", "loud | two", "loud | three"]).isSubset(of: Set($0.lines)) }
            try await log.wait("the file") { _ in (try? String(contentsOfFile: file, encoding: .utf8)) == "{\"json\": 1}\n" }
        }
        #expect(!log.lines.contains { $0.hasPrefix("quiet") })
    }

    @Test func aStartThatIsNotReadyInTimeFailsAndStopsTheRest() async throws {
        let shells = try Shells()
        let log = shells.log
        let supervisor = try shells.supervisor([
            shells.shell("broker", untilTerm), shells.shell("web", untilTerm, tier: 1, readyDeadline: .milliseconds(50), isReady: { false }),
            shells.shell("worker", untilTerm, tier: 2),
        ])
        let error = await #expect(throws: SupervisorError.self) { try await supervisor.run() }
        #expect(error == .notReady(name: "web", deadline: .milliseconds(50), lastExit: nil))
        #expect(log.events.contains(.stopped(name: "broker")))
        #expect(!log.events.contains { if case .started(name: "worker", _) = $0 { true } else { false } })
    }

    /// A broker beside another one on the same log, say: nobody waits two minutes to be told.
    @Test func aProcessThatKeepsEndingFailsTheStart() async throws {
        let shells = try Shells()
        let supervisor = try shells.supervisor([shells.shell("broker", "exit 3", isReady: { false })])
        let error = await #expect(throws: SupervisorError.self) { try await supervisor.run() }
        #expect(error == .keepsEnding(name: "broker", starts: 5, lastExit: .exited(code: 3)))
    }

    @Test func askedTwiceItKillsWhatStops() async throws {
        let shells = try Shells()
        let log = shells.log
        let supervisor = try shells.supervisor([shells.shell("deaf", "trap '' TERM; echo; while :; do sleep 1000; done", stopGrace: .seconds(3_600))])
        try await shells.run(supervisor) {
            try await log.wait("its line") { !$0.lines.isEmpty }
            Task {
                try await log.wait("its stop") { $0.events.contains(.stopping(name: "deaf")) }
                await supervisor.killAll()
            }
        }
        #expect(log.events.contains(.killed(name: "deaf")))
    }

    @Test func anExecutableThatIsNotThereIsToldAndTriedAgain() async throws {
        let shells = try Shells()
        let log = shells.log
        let missing = ProcessSpecification(name: "absent", executable: shells.folder.path + "/absent", readyDeadline: .milliseconds(30))
        let supervisor = try shells.supervisor([missing])
        let error = await #expect(throws: SupervisorError.self) { try await supervisor.run() }
        #expect(error == .notReady(name: "absent", deadline: .milliseconds(30), lastExit: .notStarted(errno: ENOENT)))
        #expect(log.events.contains(.exited(name: "absent", status: .notStarted(errno: ENOENT))))
    }

    @Test func oneSupervisorForOneFolder() async throws {
        let shells = try Shells()
        let log = shells.log
        let first = try shells.supervisor([shells.shell("only", untilTerm)])
        try await shells.run(first) {
            try await log.wait("ready") { $0.events.contains(.ready(name: "only")) }
            let rival = try shells.supervisor([])
            let error = await #expect(throws: SupervisorError.self) { try await rival.run() }
            #expect(error == .alreadyRunning(runDirectory: shells.runDirectory))
        }
    }

    @Test(arguments: [["a", "a"], ["../a"], ["supervisor"], [""]]) func badNamesAreRefused(names: [String]) throws {
        let shells = try Shells()
        #expect(throws: SupervisorError.self) { try shells.supervisor(names.map { shells.shell($0, "true") }) }
    }
}

/// Waits until no process has this id.
func waitUntilGone(_ pid: Int32, deadline: Duration = .seconds(30)) async throws {
    let end = ContinuousClock.now + deadline
    while kill(pid, 0) == 0 {
        // A killed orphan is a zombie until the init process of this machine reaps it.
        let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        if stat.contains(") Z ") { return }
        try #require(ContinuousClock.now < end, "process \(pid) is still there")
        await Task.yield()
    }
}

/// What happens when a supervisor is killed, shown with processes of their own.
@Suite struct SupervisorDeathTests {
    @Test func childrenEndWithAKilledSupervisor() async throws {
        let folder = try TemporaryFolder()
        setenv("SPINDLE_TEST_FOLDER", folder.path, 1)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let folder = try #require(ProcessInfo.processInfo.environment["SPINDLE_TEST_FOLDER"])
            // What SupervisorWatch does, in shell: read the inherited pipe to its end.
            let script = "echo $$ > $FOLDER/pid.new; mv $FOLDER/pid.new $FOLDER/pid; (cat <&3 > /dev/null; kill -9 $$) & wait"
            let log = EventLog()
            let supervisor = try Supervisor(
                processes: [ProcessSpecification(name: "child", executable: "/bin/sh", arguments: ["-c", script], environment: ["FOLDER": folder])],
                options: SupervisorOptions(runDirectory: folder + "/run", onEvent: { log.add($0) }))
            let running = Task { try await supervisor.run() }
            try await log.wait("start") { _ in FileManager.default.fileExists(atPath: folder + "/pid") }
            kill(getpid(), SIGKILL)
            _ = try await running.value
        }
        let text = try String(contentsOfFile: folder.path + "/pid", encoding: .utf8)
        try await waitUntilGone(try #require(Int32(text.trimmingCharacters(in: .newlines))))
    }

    @Test func theWatchEndsAProcessWhosePipeIsClosed() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            setenv(SupervisorWatch.environmentKey, "\(ends[0])", 1)
            SupervisorWatch.exitWhenSupervisorIsGone()
            close(ends[1])
            // The deadline: the watch ends this process before.
            try await ContinuousClock().sleep(for: .seconds(30))
        }
    }

    @Test func theWatchEndsAProcessThatIgnoresSIGTERM() async {
        await #expect(processExitsWith: .exitCode(SupervisorWatch.exitCode)) {
            signal(SIGTERM, SIG_IGN)
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            setenv(SupervisorWatch.environmentKey, "\(ends[0])", 1)
            SupervisorWatch.exitWhenSupervisorIsGone(grace: .milliseconds(20))
            close(ends[1])
            // The deadline: the watch ends this process before.
            try await ContinuousClock().sleep(for: .seconds(30))
        }
    }

    @Test func withoutASupervisorTheWatchDoesNothing() async {
        await #expect(processExitsWith: .exitCode(42)) {
            for value in ["", "x", "-1", "999999", "2147483648"] {
                setenv(SupervisorWatch.environmentKey, value, 1)
                SupervisorWatch.exitWhenSupervisorIsGone(grace: .zero)
            }
            exit(42)
        }
    }
}

@Suite struct RestartBackoffTests {
    @Test func doublesToTheCapAndStartsOverAfterAHealthyRun() {
        let policy = RestartPolicy(initial: .seconds(1), cap: .seconds(10), jitter: 0, resetAfter: .seconds(60))
        var backoff = RestartBackoff()
        let delays = (0..<6).map { _ in backoff.died(after: .zero, policy: policy, chance: 0.5) }
        #expect(delays == [1, 2, 4, 8, 10, 10].map { .seconds($0) })
        #expect(backoff.died(after: .seconds(59), policy: policy, chance: 0.5) == .seconds(10))
        #expect(backoff.died(after: .seconds(60), policy: policy, chance: 0.5) == .seconds(1))
        for _ in 0..<1000 { _ = backoff.died(after: .zero, policy: policy, chance: 1) }
        #expect(backoff.deathsInARow <= RestartBackoff.doublingsMax + 1)
    }

    @Test(arguments: [(0.0, 800), (0.5, 1000), (1.0, 1200)]) func jitterSpreadsEvenly(chance: Double, milliseconds: Int) {
        let policy = RestartPolicy(initial: .seconds(1), cap: .seconds(10), jitter: 0.2)
        var backoff = RestartBackoff()
        let delay = backoff.died(after: .zero, policy: policy, chance: chance)
        #expect(abs((delay - .milliseconds(milliseconds)) / .microseconds(1)) < 1)
    }
}

@Suite struct ClusterPlanTests {
    @Test func everythingOnOneMachine() throws {
        let plan = ClusterPlan(try ClusterConfiguration.poc, host: nil)
        #expect(plan.processes.map(\.name) == ["broker-1", "web", "results-1", "files-1", "addin"])
        #expect(plan.processes.map(\.tier) == [0, 1, 2, 2, 3])
        #expect(plan.processes[0].ports == [7400, 7403])
    }

    @Test(arguments: [
        ("broker-host", ["broker-1"]), ("files-host", ["web", "results-1", "results-2", "files-1"]),
        ("cam-host", []), ("elsewhere", []),
    ]) func eachHostItsOwn(host: String, names: [String]) throws {
        let intranet = try ClusterConfiguration.parse(yaml: Repository.text("cluster-config/intranet.yaml"), fileName: "intranet.yaml")
        #expect(ClusterPlan(intranet, host: host).processes.map(\.name) == names)
    }
}
