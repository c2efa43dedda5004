import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import SpindleCluster
import SpindleObservability
import UnixSignals

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Start a whole cluster on this machine, and keep it running until Ctrl-C.",
        discussion: """
            The first start needs nothing: it makes the data directory, tokens and queues, and prints the address of the page. What dies
            is started again. Each process logs to DIR/logs/NAME.log.

            Example:
              spindle up
              spindle up --data /srv/spindle --port-base 7500
              spindle up --without addin     and, in another terminal: spindle addin --fail
            """)

    @OptionGroup var cluster: ClusterOptions

    @Option(help: ArgumentHelp("Start only what the description places on this host.", valueName: "name"))
    var host: String?

    @Option(name: .customLong("without"), help: ArgumentHelp("Leave this process or worker group out, to start it yourself; may be repeated.", valueName: "name"))
    var excluded: [String] = []

    @Flag(help: "Show the log lines of all processes here, instead of in files.")
    var verbose = false

    func run() async throws {
        let configuration = try cluster.load()
        if let host, configuration.address(ofHost: host) == nil {
            throw CommandFailure("the description has no host “\(host)”.", advice: "It has: \(configuration.hosts.map(\.name).joined(separator: ", ")).")
        }
        let plan = try plan(configuration)
        let directory = DataDirectory(path: configuration.dataDirectory)
        try ClusterOwnership(directory).check(clusterName: configuration.name)
        try await PortCheck(configuration, plan).run()
        try directory.make()
        try ClusterOwnership(directory).claim(clusterName: configuration.name)
        try ClusterEndpoints(configuration, host: host).write(to: directory)

        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        Observability.bootstrap(label: "up", format: isatty(STDERR_FILENO) == 1 ? .plain : .json, level: .error)
        let screen = UpScreen(configuration: configuration, plan: plan, directory: directory, options: cluster, isVerbose: verbose)
        let launch = ClusterLaunch(plan: plan, configuration: configuration, directory: directory, options: cluster, isVerbose: verbose)
        let supervisor = try Supervisor(
            processes: try launch.processes(), options: SupervisorOptions(runDirectory: directory.runDirectory, onEvent: screen.handle))
        screen.begin()
        var group = ServiceGroupConfiguration(
            services: [Self.hangups(supervisor), supervisor].map {
                .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup, failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "services", factory: { _ in SwiftLogNoOpLogHandler() }))
        group.maximumGracefulShutdownDuration = nil
        // A second Ctrl-C does not wait for anybody.
        let impatience = Task {
            var interrupts = 0
            for await _ in await UnixSignalsSequence(trapping: .sigint) {
                interrupts += 1
                if interrupts > 1 { await supervisor.killAll() }
            }
        }
        defer { impatience.cancel() }
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as SupervisorError {
            throw screen.explain(error)
        }
        Output.line("stopped")
    }

    /// SIGHUP goes on to the processes, which read tokens and certificates again. The one that a closed terminal sends stops the cluster.
    private static func hangups(_ supervisor: Supervisor) -> any Service {
        let hadTerminal = isatty(STDIN_FILENO) == 1
        return HangupSignal {
            guard !hadTerminal || isatty(STDIN_FILENO) == 1 else {
                kill(getpid(), SIGTERM)
                return
            }
            await supervisor.send(SIGHUP)
        }
    }

    private func plan(_ configuration: ClusterConfiguration) throws -> ClusterPlan {
        var plan = ClusterPlan(configuration, host: host)
        for name in excluded {
            let before = plan.processes.count
            plan.processes.removeAll { process in
                if case .worker(let group, _) = process.role, group.name == name { return true }
                return process.name == name
            }
            guard plan.processes.count < before else {
                throw CommandFailure("there is no process “\(name)” to leave out.", advice: "There are: \(plan.processes.map(\.name).joined(separator: ", ")).")
            }
        }
        guard !plan.processes.isEmpty else { throw CommandFailure("the description has nothing to start here.") }
        return plan
    }
}

/// The processes of a plan, as the supervisor starts them: this same executable, once for each role.
struct ClusterLaunch {
    /// How long a role has for its first start: a broker may have a long log to read.
    private static let readyDeadline = Duration.seconds(120)

    let plan: ClusterPlan
    let configuration: ClusterConfiguration
    let directory: DataDirectory
    let options: ClusterOptions
    let isVerbose: Bool

    func processes() throws -> [ProcessSpecification] {
        let logs = Self.logDirectory(directory)
        try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return plan.processes.map { process in
            ProcessSpecification(
                name: process.name, executable: executable, arguments: arguments(process), tier: process.tier,
                readyDeadline: waitsForAnotherHost(process) ? Self.otherHostDeadline : Self.readyDeadline,
                stopGrace: RoleProcess.stopDeadline + .seconds(5), ports: process.ports,
                output: isVerbose ? .prefixed : .file(Self.logFile(process.name, directory)), isReady: readiness(process))
        }
    }

    static func logDirectory(_ directory: DataDirectory) -> String { directory.path + "/logs" }
    static func logFile(_ process: String, _ directory: DataDirectory) -> String { "\(logDirectory(directory))/\(process).log" }

    private func arguments(_ process: ClusterPlan.Process) -> [String] {
        let command =
            switch process.role {
            case .broker: "broker"
            case .web: "bridge"
            case .worker: "worker"
            case .addin: "addin"
            }
        var arguments = [command, "--name", process.name, "--data", directory.path]
        if let config = options.config { arguments += ["--config", URL(fileURLWithPath: config).standardizedFileURL.path] }
        if let portBase = options.portBase { arguments += ["--port-base", "\(portBase)"] }
        return arguments
    }

    /// How long a process waits for a broker that somebody starts on another machine: until it is there.
    private static let otherHostDeadline = Duration.seconds(3_650 * 86_400)

    private func waitsForAnotherHost(_ process: ClusterPlan.Process) -> Bool {
        switch process.role {
        case .broker, .web: false
        case .worker, .addin: !plan.processes.contains { if case .broker = $0.role { true } else { false } }
        }
    }

    /// Broker and web server say by HTTP when they are ready, workers and the add-in write down that they have reached a broker.
    private func readiness(_ process: ClusterPlan.Process) -> @Sendable () async -> Bool {
        switch process.role {
        case .broker(let broker):
            if let port = broker.ports.operations {
                let host = broker.listen.operations
                return { await ReadinessProbe.isReady(host: host, port: port) }
            }
            let (host, port) = broker.ports.plain.map { (broker.listen.plain, $0) } ?? (broker.listen.tls, broker.ports.tls ?? 0)
            return { await ReadinessProbe.isListening(host: host, port: port) }
        case .web(let web):
            let hasTLS = web.tls != nil
            return { await ReadinessProbe.isReady(host: web.listen, port: web.port, hasTLS: hasTLS) }
        case .worker, .addin:
            let (name, directory) = (process.name, directory)
            return { ReadyNotice.isReady(name, in: directory) }
        }
    }
}
