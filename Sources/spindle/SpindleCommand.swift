import ArgumentParser
import SpindleClient

/// The one executable: every role of a cluster, and what operators and scripts need.
@main
struct SpindleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spindle",
        abstract: "A durable message broker and worker cluster for your own network.",
        discussion: """
            Begin here:
              spindle up       starts everything on this machine and prints the address of the console
              spindle demo     in a second terminal: drives one routing through it and shows what happens
            """,
        version: SpindleClient.version,
        groupedSubcommands: [
            CommandGroup(name: "A cluster on this machine:", subcommands: [UpCommand.self, DownCommand.self, StatusCommand.self, DemoCommand.self]),
            CommandGroup(name: "Working with a running broker:", subcommands: [QueueCommand.self, MessageCommand.self, TopicCommand.self, OutboxCommand.self, BenchCommand.self]),
            CommandGroup(name: "Proof:", subcommands: [SimulateCommand.self]),
            CommandGroup(name: "Files:", subcommands: [ConfigCommand.self, CertificateCommand.self, BackupCommand.self, RestoreCommand.self, LogCommand.self]),
            CommandGroup(
                name: "Single roles, as service units start them:",
                subcommands: [BrokerCommand.self, BridgeCommand.self, WorkerCommand.self, AddinCommand.self]),
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch let error as SpindleError {
            // A broker's answer can hold a stranger's text: the reason of a pause, the name of a client.
            end(CommandFailure("\(error)"))
        } catch {
            end(error)
        }
    }

    private static func end(_ error: any Error) -> Never {
        let code = exitCode(for: error)
        // Help, versions and bare exit codes are ArgumentParser's to print.
        guard code != .success, !(error is ExitCode) else { exit(withError: error) }
        Output.error(fullMessage(for: error))
        exit(withError: code)
    }
}
