import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Testing

/// `up`, `demo`, `status` and `down`, as on somebody's first day.
@Suite(.serialized) struct ClusterCommandTests {
    struct RunningCluster {
        let directory: TemporaryDirectory
        let data: String
        let config: String
        let base: Int
        let process: SpindleProcess

        /// The built-in description, with an add-in that is quick, and `change`.
        /// - Parameter prepare: gets the data directory before the cluster does.
        static func start(
            _ arguments: String..., change: (String) -> String = { $0 }, prepare: (String) throws -> Void = { _ in }
        ) async throws -> RunningCluster {
            let directory = try TemporaryDirectory()
            let config = directory.path + "/quick.yaml"
            let text = try await Spindle.run("config", "show").output.replacingOccurrences(of: "workDuration: 4s", with: "workDuration: 300ms")
            try Data(change(text).utf8).write(to: URL(fileURLWithPath: config))
            let data = directory.path + "/data"
            try prepare(data)
            let base = try FreePorts.base()
            let process = try SpindleProcess(["up", "--config", config, "--data", data, "--port-base", "\(base)"] + arguments)
            let end = ContinuousClock.now + Spindle.deadline
            while !process.output.contains("The cluster runs.") {
                try #require(process.isRunning && ContinuousClock.now < end, "\(process.output)\(process.errors)")
                // It says so on its output, which is looked at until the deadline.
                try await Task.sleep(for: .milliseconds(50))
            }
            return RunningCluster(directory: directory, data: data, config: config, base: base, process: process)
        }

        func spindle(_ arguments: String...) async throws -> Spindle.Result { try await Spindle.run(arguments + ["--data", data]) }

        func down() async throws {
            #expect(try await spindle("down").exitCode == 0)
            #expect(try await process.exitCode(within: Spindle.deadline) == 0)
        }
    }

    /// Two web servers of one cluster: each has its own port and log, and both know the principals by their roles.
    @Test func severalWebServersServe() async throws {
        let cluster = try await RunningCluster.start("--without", "addin") { text in
            text.replacing("\n# The simulated add-in", with: "  - {name: second, host: local, principal: clerk, port: 7499}\n\n# The simulated add-in")
                .replacing("\nworkers:\n", with: "  - name: clerk\n    role: approver\n    permissions: {publish: [\"*\"], topicPublish: [\"*\"], topicSubscribe: [\"*\"]}\n\nworkers:\n")
        }
        let token = try String(contentsOfFile: "\(cluster.data)/tokens/clerk", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        for port in [cluster.base + 2, cluster.base + 6] {
            var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/api/routings")
            request.headers.add(name: "authorization", value: "Bearer \(token)")
            #expect(try await HTTPClient.shared.execute(request, timeout: .seconds(10)).status == .ok)
        }
        for name in ["web", "second"] { #expect(FileManager.default.fileExists(atPath: "\(cluster.data)/logs/\(name).log")) }
        try await cluster.down()
    }

    @Test func aRoutingGoesThroughAndTheClusterStops() async throws {
        let cluster = try await RunningCluster.start()
        #expect(cluster.process.output.contains("http://127.0.0.1:\(cluster.base + 2)/"))

        let demo = try await cluster.spindle("demo", "--json")
        #expect(demo.exitCode == 0, "\(demo.output)\(demo.errors)")
        let answer = try #require(try demo.json().first)
        #expect(answer["ending"] as? String == "completed")
        let output = try #require((answer["outputs"] as? [String])?.first)
        #expect(FileManager.default.fileExists(atPath: "\(cluster.data)/mcms/share/\(output)"))
        let seen = try #require(answer["timeline"] as? [[String: Any]]).compactMap { $0["what"] as? String }
        for event in ["routing.approval.changed", "addin.job.created", "addin.job.updated", "badge", "history"] { #expect(seen.contains(event), "\(seen)") }

        let status = try #require(try await cluster.spindle("status", "--json").json().first)
        let processes = try #require(status["processes"] as? [[String: Any]])
        #expect(processes.compactMap { $0["name"] as? String } == ["broker-1", "web", "results-1", "files-1", "addin"])
        #expect(processes.allSatisfy { $0["state"] as? String == "running" && $0["restarts"] as? Int == 0 })

        let again = try await Spindle.run("up", "--config", cluster.config, "--data", cluster.data)
        #expect(again.exitCode == 1)
        #expect(again.errors.contains("is running already"), "\(again.errors)")
        let elsewhere = try await Spindle.run(
            "up", "--config", cluster.config, "--data", cluster.directory.path + "/other", "--port-base", "\(cluster.base)")
        #expect(elsewhere.exitCode == 1)
        #expect(elsewhere.errors.contains("port \(cluster.base), for the broker, is in use"), "\(elsewhere.errors)")
        #expect(!FileManager.default.fileExists(atPath: cluster.directory.path + "/other"))

        try await cluster.down()
        let afterwards = try await cluster.spindle("demo")
        #expect(afterwards.exitCode == 1)
        #expect(afterwards.errors.contains("does not answer: connection refused"), "\(afterwards.errors)")
        #expect(try await Spindle.run("log", "verify", cluster.data).exitCode == 0)
    }

    /// A power cut can leave the cluster's name empty, and a killed `up` its number, which is this process's by now.
    @Test func whatAPowerCutLeftDoesNotStopTheNextStart() async throws {
        let cluster = try await RunningCluster.start(prepare: { data in
            try FileManager.default.createDirectory(atPath: data + "/run", withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: data + "/cluster"))
            let status = #"{"processes":[],"startedAt":"2026-01-31T09:30:00Z","supervisorPid":\#(getpid())}"#
            try Data(status.utf8).write(to: URL(fileURLWithPath: data + "/run/cluster.json"))
        })
        #expect(try String(contentsOfFile: cluster.data + "/cluster", encoding: .utf8) == "poc\n")
        try await cluster.down()
    }

    /// An operator pauses the queue, and an approval comes meanwhile: its command waits in the outbox, and is shown there.
    @Test func whatAPausedQueueDoesNotTakeIsInTheOutbox() async throws {
        let cluster = try await RunningCluster.start()
        func wait(for what: String, until isSo: () async throws -> Bool) async throws {
            let end = ContinuousClock.now + Spindle.deadline
            while try await !isSo() { try #require(ContinuousClock.now < end, "not in time: \(what)") }
        }
        #expect(try await cluster.spindle("queue", "pause", "esprit-gen", "--what", "publishes").exitCode == 0)
        #expect(try await cluster.spindle("demo", "--timeout", "1s").exitCode == 1)
        func waiting() async throws -> [[String: Any]] { try await cluster.spindle("outbox", "ls", "--json").json() }
        // Between two tries: during one it is in progress.
        var found: [String: Any]?
        try await wait(for: "the reason is shown") {
            found = try await waiting().first {
                $0["destination"] as? String == "esprit-gen" && $0["status"] as? String == "pending"
                    && ($0["error"] as? String)?.contains("QUEUE_PAUSED") == true
            }
            return found != nil
        }
        let row = try #require(found)
        #expect(row["attempts"] as? Int == 0, "\(row)")
        let shown = try await cluster.spindle("outbox", "show", try #require(row["id"] as? String))
        #expect(shown.output.contains("EspritGenerationCommand"), "\(shown.output)\(shown.errors)")
        #expect(try await cluster.spindle("outbox", "show", "nobody").exitCode == 1)
        #expect(try await cluster.spindle("outbox", "redrive", "nobody").errors.contains("0 of 1 rows"))
        #expect(try await cluster.spindle("outbox", "redrive").exitCode == 64, "neither ids nor --all")

        #expect(try await cluster.spindle("queue", "resume", "esprit-gen").exitCode == 0)
        try await wait(for: "it is published") { try await waiting().isEmpty }
        #expect(try await cluster.spindle("outbox", "ls").output == "everything is published\n")
        try await cluster.down()
    }

    @Test func workersAreSteeredByTheirLabels() async throws {
        let cluster = try await RunningCluster.start()
        func workers() async throws -> [[String: Any]] {
            let listed = try await cluster.spindle("worker", "ls", "--json")
            return try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]], "\(listed.errors)")
        }
        func wait(for what: String, until isSo: () async throws -> Bool) async throws {
            let end = ContinuousClock.now + Spindle.deadline
            while try await !isSo() { try #require(ContinuousClock.now < end, "not in time: \(what)") }
        }
        try await wait(for: "all are connected") { try await workers().count == 5 }
        let labels = try await workers().first { $0["client"] as? String == "results-1" }?["labels"] as? [[String: String]]
        let names = try #require(labels).compactMap { $0["name"] }
        #expect(names == ["role", "group", "host", "pid"])
        #expect(labels?.contains(["name": "group", "value": "results"]) == true)

        let quiet = try await cluster.spindle("worker", "quiet", "--label", "group=results", "--json")
        #expect(try quiet.json().first?["sessions_reached"] as? Int == 1)
        #expect(try await workers().filter { $0["is_quiet"] as? Bool == true }.compactMap { $0["client"] as? String } == ["results-1"])
        let terminate = try await cluster.spindle("worker", "terminate", "--label", "group=results", "--yes")
        #expect(terminate.exitCode == 0, "\(terminate.errors)")
        // It ends in order, its supervisor starts it again, and it works again.
        try await wait(for: "the worker has ended and works again") {
            try await workers().contains { $0["client"] as? String == "results-1" && $0["is_quiet"] as? Bool == false && $0["waits"] as? Bool == true }
        }
        let status = try #require(try await cluster.spindle("status", "--json").json().first)
        let process = try #require((status["processes"] as? [[String: Any]])?.first { $0["name"] as? String == "results-1" })
        #expect(process["restarts"] as? Int == 1)
        try await cluster.down()
    }

    @Test func aFailedGenerationIsShownAndCanBeExpected() async throws {
        let cluster = try await RunningCluster.start("--without", "addin")
        let addin = try SpindleProcess([
            "addin", "--fail", "--answer-twice", "--config", cluster.config, "--data", cluster.data, "--port-base", "\(cluster.base)",
        ])
        let expected = try await cluster.spindle("demo", "--json", "--expect-failure")
        #expect(expected.exitCode == 0, "\(expected.output)\(expected.errors)")
        #expect(try expected.json().first?["ending"] as? String == "failed")
        let surprise = try await cluster.spindle("demo")
        #expect(surprise.exitCode == 1)
        for shown in ["notification.alert", "approved, generation failed", "AddinJobFailed", "retry-generation"] {
            #expect(surprise.output.contains(shown), "\(surprise.output)")
        }
        addin.send(SIGTERM)
        #expect(try await addin.exitCode(within: Spindle.deadline) == 0)

        let nobody = try await cluster.spindle("demo", "--timeout", "2s")
        #expect(nobody.exitCode == 1)
        #expect(nobody.output.contains("Missing: addin.job.updated"), "\(nobody.output)")
        try await cluster.down()
    }

    @Test func anAddinThatDiesMidwayLosesNothing() async throws {
        let cluster = try await RunningCluster.start("--without", "addin")
        let arguments = ["addin", "--die-after", "50", "--slow", "500ms", "--config", cluster.config, "--data", cluster.data, "--port-base", "\(cluster.base)"]
        let first = try SpindleProcess(arguments)
        async let demo = cluster.spindle("demo", "--json", "--timeout", "50s")
        #expect(try await first.exitCode(within: Spindle.deadline) == 137)
        let second = try SpindleProcess(arguments)
        let result = try await demo
        #expect(result.exitCode == 0, "\(result.output)\(result.errors)")
        second.send(SIGTERM)
        #expect(try await second.exitCode(within: Spindle.deadline) == 0)
        try await cluster.down()
    }
}
