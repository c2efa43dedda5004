import Foundation
import Testing

@Suite struct CommandLineTests {
    // MARK: Help

    static let commands: [[String]] = [
        ["up"], ["down"], ["status"], ["demo"], ["queue", "ls"], ["queue", "stats"], ["queue", "declare"], ["queue", "pause"], ["queue", "resume"],
        ["queue", "purge"], ["queue", "delete"], ["queue", "browse"], ["queue", "redrive"], ["queue", "move"], ["queue", "reschedule"],
        ["queue", "cancel"], ["queue", "job"], ["message", "publish"], ["message", "lease"], ["message", "ack"], ["message", "nack"],
        ["message", "extend"], ["message", "get"], ["message", "cancel"], ["message", "reschedule"], ["message", "await"], ["why"], ["timeline"], ["topic", "ls"],
        ["topic", "publish"], ["topic", "subscribe"], ["topic", "declare"], ["worker", "run"], ["worker", "ls"], ["worker", "quiet"],
        ["worker", "resume"], ["worker", "terminate"],
        ["bench", "publish"], ["bench", "lease"], ["bench", "rtt"], ["bench", "delivery"], ["config", "check"], ["config", "show"],
        ["cert", "init"], ["log", "inspect"], ["log", "verify"], ["user", "add"], ["user", "ls"], ["user", "role"], ["user", "passwd"], ["user", "disable"], ["user", "enable"],
        ["user", "invite"], ["user", "audit"], ["broker"], ["bridge"], ["worker"], ["addin"],
    ]

    @Test(arguments: commands) func helpHasAnExample(_ command: [String]) async throws {
        let result = try await Spindle.run(command + ["--help"])
        #expect(result.exitCode == 0)
        #expect(result.output.contains("Example"), "\(result.output)")
        #expect(result.output.contains("spindle \(command.joined(separator: " "))"))
    }

    @Test(arguments: [[], ["queue"], ["message"], ["topic"], ["bench"], ["config"], ["cert"], ["log"]])
    func groupsShowTheirCommands(_ group: [String]) async throws {
        let result = try await Spindle.run(group)
        #expect(result.exitCode == 0)
        #expect(result.output.contains("SUBCOMMANDS:") || result.output.contains("cluster on this machine"), "\(result.output)")
    }

    /// `docs/operations.md` is compared with the table of settings elsewhere.
    @Test func everyQueueSettingHasAnOption() async throws {
        let root = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
        let rows = page.matches(of: #/\n\| `[a-zA-Z.]+` \| `(--[a-z-]+)` \|/#).map { String($0.1) }
        #expect(rows.count > 20)
        let help = try await Spindle.run("queue", "declare", "--help").output
        for option in rows { #expect(help.contains("\(option)/") || help.contains("\(option) <"), "\(option)") }
    }

    // MARK: Wrong input

    struct Refusal: Sendable, CustomTestStringConvertible {
        let arguments: [String]
        let says: String
        var testDescription: String { arguments.joined(separator: " ") }

        init(_ arguments: String..., says: String) {
            self.arguments = arguments
            self.says = says
        }
    }

    static let usageErrors = [
        Refusal("flie", says: "Unexpected argument 'flie'"),
        Refusal("message", "publish", "q", says: "--file FILE"),
        Refusal("message", "publish", "q", "--text", "a", "--file", "b", says: "--file FILE"),
        Refusal("message", "publish", "q", "--text", "a", "--priority", "10", says: "--priority must be from 0 to 9"),
        Refusal("message", "publish", "q", "--text", "a", "--header", "novalue", says: "--header"),
        Refusal("message", "publish", "q", "--text", "a", "--delay", "3 weeks", says: "--delay"),
        Refusal("message", "publish", "q", "--text", "a", "--delay", "1.5h", says: "write a whole number and one of the units"),
        Refusal("message", "publish", "q", "--text", "a", "--delay", "36500d", says: "at most 3650d"),
        Refusal("message", "ack", says: "<tokens>"),
        Refusal("message", "ack", "12", says: "tokens"),
        Refusal("message", "nack", "1.1", "--dead", "--release", says: "exclude each other"),
        Refusal("message", "lease", "q", "--max", "0", says: "--max must be from 1 to 65536"),
        Refusal("message", "lease", "q", "--lease", "thirty", says: "--lease"),
        Refusal("queue", "declare", "q", "--backoff-jitter", "101", says: "--backoff-jitter must be 0 to 100"),
        Refusal("queue", "ls", "--url", "http://x", says: "spindle://HOST:PORT"),
        Refusal("queue", "ls", "--url", "spindle://x", "--port-base", "7400", says: "give one of them"),
        Refusal("queue", "ls", "--url", "spindle://10.0.0.5:7400", says: "--allow-plaintext"),
        Refusal("queue", "ls", "--url", "broker.example.lan:7400", says: "--allow-plaintext"),
        Refusal("queue", "ls", "--url", "spindle://127.evil.example:7400", says: "without TLS"),
        Refusal("queue", "ls", "--port-base", "70000", says: "--port-base"),
        Refusal("queue", "declare", "q", "--rate-per-second-per-group", "-1", says: "--rate-per-second-per-group"),
        Refusal("queue", "browse", "q", "--state", "dead", says: "--state"),
        Refusal("queue", "browse", "q", "--older-than", "yesterday", says: "--older-than"),
        Refusal("queue", "browse", "q", "--header", "taskType", says: "--header"),
        Refusal("queue", "browse", "q", "--attempts-min", "3", "--attempts-max", "2", says: "no message can meet both"),
        Refusal("queue", "browse", "q", "--limit", "-1", says: "--limit"),
        Refusal("queue", "redrive", "q.dead", "--rate", "-1", says: "--rate"),
        Refusal("queue", "cancel", "q", "--yes", says: "say which messages are meant"),
        Refusal("queue", "cancel", "q", "--all", "--group", "g", "--yes", says: "exclude each other"),
        Refusal("queue", "move", "q", "--all", says: "--to"),
        Refusal("queue", "reschedule", "q", "--all", says: "--delay DURATION, or --now"),
        Refusal("queue", "job", "q", "0", says: "job"),
        Refusal("queue", "job", "q", "1f", "--stop", "--wait", says: "exclude each other"),
        Refusal("message", "ack", "1.1", "2.1", "--result", "x", says: "give one token"),
        Refusal("message", "get", "q", "xyz", says: "id"), Refusal("why", "q", "xyz", says: "id"),
        Refusal("message", "reschedule", "q", "1", "--now", "--delay", "1s", says: "--delay DURATION, or --now"),
        Refusal("topic", "declare", "*", says: "--age, --bytes or --events"),
        Refusal("worker", "quiet", says: "--session N, --label NAME=VALUE, or --all"),
        Refusal("worker", "terminate", "--all", "--session", "3", "--yes", says: "--session N, --label NAME=VALUE, or --all"),
        Refusal("worker", "resume", "--session", "0", says: "no connection"),
        Refusal("worker", "--gruop", "results", says: "--gruop"),
        Refusal("bench", "publish", "--batch", "0", says: "--batch must be from 1"),
        Refusal("bench", "publish", "--size", "100000", "--batch", "1000", says: "do not fit one request"),
        Refusal("topic", "subscribe", "*", "--from", "yesterday", says: "--from"),
        Refusal("demo", "--url", "localhost", says: "http://HOST:PORT"),
        Refusal("user", "add", "kim", "--role", "king", says: "--role"),
        Refusal("user", "role", "kim", "king", says: "role"),
        Refusal("user", "audit", "--limit", "0", says: "--limit must be from 1"),
        Refusal("addin", "--die-after", "100", says: "--die-after must be from 0 to 99"),
    ]

    @Test(arguments: usageErrors) func usageErrorsAreExplained(_ refusal: Refusal) async throws {
        let result = try await Spindle.run(refusal.arguments)
        #expect(result.exitCode == 64)
        #expect(result.errors.contains(refusal.says), "\(result.errors)")
        #expect(result.output.isEmpty)
    }

    /// What a shell does with a command: its arguments are bytes, and its output may have no room.
    @Test(arguments: [
        ("--help > /dev/full", 74, "No space left on device"), ("config show > /dev/full", 74, "No space left on device"),
        ("config show | head -n 1 >/dev/null", 0, ""),
        (#"message publish q --text "$(printf 'a\377')""#, 1, "argument 5 is not UTF-8 text"),
        ("message publish q --text -x --data /nowhere", 1, "there are no tokens"),
        ("config check /nowhere", 1, "No such file or directory"),
    ]) func aShellsWays(command: String, exitCode: Int32, says: String) async throws {
        let process = try SpindleProcess([], prefix: ["sh", "-c", #""$0" \#(command)"#])
        #expect(try await process.exitCode(within: Spindle.deadline) == exitCode)
        #expect(says.isEmpty ? process.errors.isEmpty : process.errors.contains(says), "\(process.errors)")
    }

    /// Nobody is there to be asked, so what cannot be taken back is not done; without a broker that is not even looked for.
    @Test(arguments: [
        ["queue", "delete", "q"], ["queue", "purge", "q"], ["queue", "cancel", "q", "--all"], ["worker", "terminate", "--all"],
    ]) func whatCannotBeTakenBackAsksFirst(_ command: [String]) async throws {
        let directory = try TemporaryDirectory()
        let asked = try await Spindle.run(command + ["--data", directory.path])
        #expect(asked.exitCode == 1)
        #expect(asked.errors.contains("Repeat it with --yes"), "\(asked.errors)")
        let meant = try await Spindle.run(command + ["--data", directory.path, "--yes"])
        #expect(meant.errors.contains("there are no tokens"), "\(meant.errors)")
    }

    // MARK: Nothing there

    @Test(arguments: [["queue", "ls"], ["message", "lease", "q"], ["topic", "subscribe", "*"], ["bench", "rtt"], ["demo"]])
    func withoutADataDirectoryTheNextStepIsNamed(_ command: [String]) async throws {
        let directory = try TemporaryDirectory()
        let result = try await Spindle.run(command + ["--data", directory.path + "/none"])
        #expect(result.exitCode == 1)
        #expect(result.errors.contains("there are no tokens in \(directory.path)/none"), "\(result.errors)")
        #expect(result.errors.contains("spindle up"))
    }

    @Test(arguments: ["status", "down"]) func withoutAClusterThereIsNothingToStopOrShow(_ command: String) async throws {
        let directory = try TemporaryDirectory()
        let result = try await Spindle.run(command, "--data", directory.path)
        #expect(result.exitCode == 1)
        #expect(result.errors.contains("no cluster runs in \(directory.path)"))
    }

    @Test func anUnreachableBrokerIsSaidAtOnce() async throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.path + "/tokens", withIntermediateDirectories: true)
        try Data("spn_0123456789012345678901234567890123456789012".utf8).write(to: URL(fileURLWithPath: directory.path + "/tokens/admin"))
        let base = try FreePorts.base()
        let refused = try await Spindle.run(["queue", "ls", "--port-base", "\(base)"], environment: ["SPINDLE_DATA": directory.path])
        #expect(refused.exitCode == 1)
        #expect(refused.errors.contains("no broker answers at 127.0.0.1:\(base): connection refused"), "\(refused.errors)")
        #expect(refused.errors.contains("spindle up --port-base \(base)"))
        let stranger = try await Spindle.run("queue", "ls", "--data", directory.path, "--principal", "nobody")
        #expect(stranger.errors.contains("There are: admin."), "\(stranger.errors)")
    }

    @Test func upRefusesAFolderOfSomebodyElse() async throws {
        let directory = try TemporaryDirectory()
        try Data("thesis".utf8).write(to: URL(fileURLWithPath: directory.path + "/thesis.tex"))
        let result = try await Spindle.run("up", "--data", directory.path, "--port-base", "\(try FreePorts.base())")
        #expect(result.exitCode == 1)
        #expect(result.errors.contains("has other files in it, such as “thesis.tex”"), "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["thesis.tex"])
    }

    // MARK: Files

    @Test func theBuiltInDescriptionIsRightAndMistakesAreLocated() async throws {
        let directory = try TemporaryDirectory()
        let shown = try await Spindle.run("config", "show")
        let file = directory.path + "/mine.yaml"
        try Data(shown.output.utf8).write(to: URL(fileURLWithPath: file))
        let right = try await Spindle.run("config", "check", file)
        #expect(right.exitCode == 0)
        #expect(right.output.contains("cluster “poc”"))

        let broken = shown.output.replacingOccurrences(of: "concurrency: 4", with: "concurency: 4")
        try Data(broken.utf8).write(to: URL(fileURLWithPath: file))
        let wrong = try await Spindle.run("config", "check", file)
        #expect(wrong.exitCode == 1)
        #expect(wrong.errors.contains("\(file):"))
        #expect(wrong.errors.contains("did you mean concurrency?"), "\(wrong.errors)")
        let up = try await Spindle.run("up", "--config", file, "--data", directory.path + "/data")
        #expect(up.exitCode == 1)
        #expect(up.errors.contains("did you mean concurrency?"))

        let missing = try await Spindle.run("config", "check", directory.path + "/none.yaml")
        #expect(missing.exitCode == 1)
    }

    @Test func anAuthorityIsMadeOnceUnlessItIsToBeReplaced() async throws {
        let directory = try TemporaryDirectory()
        let made = try await Spindle.run("cert", "init", "--data", directory.path, "--host", "broker.example.internal", "--json")
        #expect(made.exitCode == 0, "\(made.errors)")
        let names = try made.json().compactMap { $0["name"] as? String }
        #expect(names.contains("broker-1") && names.contains("web") && names.contains("addin"), "\(names)")
        let key = directory.path + "/tls/ca.key"
        let mode = try FileManager.default.attributesOfItem(atPath: key)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let first = try Data(contentsOf: URL(fileURLWithPath: key))
        let again = try await Spindle.run("cert", "init", "--data", directory.path)
        #expect(again.exitCode == 1)
        #expect(again.errors.contains("--replace"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: key)) == first)
        let replaced = try await Spindle.run("cert", "init", "--data", directory.path, "--replace")
        #expect(replaced.exitCode == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: key)) != first)
    }

    @Test func aFolderWithoutALogIsNoLog() async throws {
        let directory = try TemporaryDirectory()
        for command in ["verify", "inspect"] {
            let result = try await Spindle.run("log", command, directory.path)
            #expect(result.exitCode == 1)
            #expect(result.errors.contains("there is no log in \(directory.path)"))
        }
    }
}
