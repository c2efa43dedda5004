import ArgumentParser
import SpindleCluster

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check a cluster's description, or print the built-in one.",
        subcommands: [ConfigCheckCommand.self, ConfigShowCommand.self])
}

struct ConfigCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say everything that is wrong in a file, with line and column.",
        discussion: """
            Example:
              spindle config check cluster-config/poc.yaml
            """)

    @Argument(help: "The file.")
    var file: String

    func run() async throws {
        let configuration: ClusterConfiguration
        do {
            configuration = try ClusterConfiguration.load(file: file)
        } catch {
            for problem in error.errors { Output.error("\(problem)") }
            throw ExitCode.failure
        }
        let processes = ClusterPlan(configuration, host: nil).processes.count
        Output.line(
            "\(file) is right: cluster “\(configuration.name)” with \(processes) processes on \(configuration.hosts.count) "
                + "\(configuration.hosts.count == 1 ? "host" : "hosts"), \(configuration.queues.count) queues, "
                + "\(configuration.principals.count) principals")
    }
}

struct ConfigShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print the description that `spindle up` uses when it is given none.",
        discussion: """
            Example:
              spindle config show > my-cluster.yaml
            """)

    func run() async throws { Output.lines(ClusterConfiguration.pocText) }
}
