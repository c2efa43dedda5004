import ArgumentParser
import Foundation
import SpindleCluster

/// Which cluster on this machine is meant.
struct LocalClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's data directory. (default: $SPINDLE_DATA, else ./spindle-data)", valueName: "dir"))
    var data: String?

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    var directory: DataDirectory { DataDirectory(option: data) }

    func running() throws -> ClusterStatus {
        try directory.checkReadable()
        guard let status = ClusterOwnership.running(directory) else {
            throw CommandFailure(
                "no cluster runs in \(directory.path).",
                advice: "Start it with `spindle up`, or say with --data where its data directory is.")
        }
        return status
    }
}

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "The processes of the cluster that `spindle up` runs here. Exits with 1 when none does.",
        discussion: """
            Example:
              spindle status
            """)

    @OptionGroup var options: LocalClusterOptions

    private struct Answer: Encodable {
        struct Process: Encodable {
            let name: String
            let state: String
            let pid: Int32?
            let restarts: Int
            let ports: [Int]
            let lastExit: String?
        }

        let supervisorPid: Int32
        let web: String?
        let processes: [Process]
    }

    func run() async throws {
        let status = try options.running()
        let web = options.directory.endpoints()?.webURL.map { "\($0)/" }
        if options.json {
            return try Output.json(
                Answer(
                    supervisorPid: status.supervisorPid, web: web,
                    processes: status.processes.map {
                        .init(name: $0.name, state: $0.state.rawValue, pid: $0.pid, restarts: $0.restarts, ports: $0.ports, lastExit: $0.lastExit)
                    }))
        }
        Output.table(
            ["PROCESS", "STATE", "PID", "RESTARTS", "PORTS", "LAST END"],
            status.processes.map {
                [
                    $0.name, $0.state.rawValue, $0.pid.map { "\($0)" } ?? "-", "\($0.restarts)",
                    $0.ports.isEmpty ? "-" : $0.ports.map(String.init).joined(separator: ","), $0.lastExit ?? "-",
                ]
            })
        if let web { Output.lines("\n\(web)") }
    }
}

struct DownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Stop the cluster that `spindle up` runs here, in order, and wait for its end.",
        discussion: """
            Example:
              spindle down
            """)

    private static let deadline = Duration.seconds(90)
    private static let pollInterval = Duration.milliseconds(100)

    @OptionGroup var options: LocalClusterOptions

    private struct Answer: Encodable { let stopped: Bool }

    func run() async throws {
        let status = try options.running()
        guard let supervisor = status.provenSupervisorPid else {
            throw CommandFailure(
                "the cluster in \(options.directory.path) is run by a process that can't be seen from here.",
                advice: "Stop it in the container where `spindle up` runs.")
        }
        guard kill(supervisor, SIGTERM) == 0 else {
            throw CommandFailure(
                "process \(supervisor) cannot be stopped: \(String(cString: strerror(errno)))",
                advice: "Stop it as the user who started it.")
        }
        let end = ContinuousClock.now + Self.deadline
        while ClusterOwnership.running(options.directory) != nil {
            guard ContinuousClock.now < end else {
                throw CommandFailure("process \(supervisor) has not ended in \(Units.text(Self.deadline)).", advice: "`spindle status` shows what it waits for.")
            }
            try await Task.sleep(for: Self.pollInterval)
        }
        if options.json { return try Output.json(Answer(stopped: true)) }
        Output.line("stopped")
    }
}
