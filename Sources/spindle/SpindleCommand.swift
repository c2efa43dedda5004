import ArgumentParser
import Glibc
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
            CommandGroup(name: "A cluster on this machine:", subcommands: [UpCommand.self, DownCommand.self, StatusCommand.self, HealthCommand.self, DemoCommand.self]),
            CommandGroup(name: "Working with a running broker:", subcommands: [QueueCommand.self, MessageCommand.self, WhyCommand.self, TimelineCommand.self, TopicCommand.self, OutboxCommand.self, BenchCommand.self]),
            CommandGroup(name: "People:", subcommands: [UserCommand.self]),
            CommandGroup(name: "Files of routings:", subcommands: [FileCommand.self, CasCommand.self]),
            CommandGroup(name: "Proof:", subcommands: [SimulateCommand.self]),
            CommandGroup(name: "Files of a cluster:", subcommands: [ConfigCommand.self, HostCommand.self, CertificateCommand.self, BackupCommand.self, RestoreCommand.self, LogCommand.self]),
            CommandGroup(
                name: "Single roles, as service units start them:",
                subcommands: [BrokerCommand.self, BridgeCommand.self, WorkerCommand.self, AddinCommand.self]),
        ]
    )

    static func main() async {
        checkArguments()
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
        guard !(error is ExitCode) else { exit(withError: error) }
        let text = fullMessage(for: error)
        if code == .success { Output.help(text) } else { Output.error(text) }
        exit(withError: code)
    }

    /// Refuses arguments that are not text: Swift would replace their bytes without a word.
    private static func checkArguments() {
        for (number, argument) in CommandLine.unsafeArgv.bytes.enumerated() where String(validating: argument, as: UTF8.self) == nil {
            end(CommandFailure("argument \(number) is not UTF-8 text.", advice: "Put bytes that are no text into a file, and name it: --file FILE."))
        }
    }
}

extension UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    /// The bytes of each of a program's arguments; nil ends them.
    fileprivate var bytes: [[UInt8]] {
        var result: [[UInt8]] = []
        while let argument = self[result.count] {
            result.append(Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument))))
        }
        return result
    }
}
