import Foundation
import Testing

/// The client commands against a broker that was started from the command line.
@Suite struct BrokerCommandTests {
    /// A broker with nothing around it.
    struct RunningBroker {
        let directory: TemporaryDirectory
        let base: Int
        let process: SpindleProcess

        static func start() async throws -> RunningBroker {
            let directory = try TemporaryDirectory()
            let base = try FreePorts.base()
            let process = try SpindleProcess(["broker", "--data", directory.path, "--port-base", "\(base)", "--log-format", "json"])
            let broker = RunningBroker(directory: directory, base: base, process: process)
            try await broker.waitUntilReady()
            return broker
        }

        private func waitUntilReady() async throws {
            let end = ContinuousClock.now + Spindle.deadline
            while ContinuousClock.now < end {
                if process.errors.contains("broker is ready") { return }
                try #require(process.isRunning, "\(process.errors)")
                // It says so in its log, which nobody can wait for but by looking, until the deadline.
                try await Task.sleep(for: .milliseconds(20))
            }
            Issue.record("the broker was not ready in \(Spindle.deadline): \(process.errors)")
        }

        func spindle(_ arguments: String..., input: String? = nil) async throws -> Spindle.Result {
            try await Spindle.run(arguments + ["--data", directory.path, "--port-base", "\(base)"], input: input)
        }

        /// Runs a command that must succeed, and returns its one JSON value.
        func json(_ arguments: String..., input: String? = nil) async throws -> [String: Any] {
            let result = try await Spindle.run(arguments + ["--data", directory.path, "--port-base", "\(base)", "--json"], input: input)
            try #require(result.exitCode == 0, "\(arguments): \(result.errors)")
            return try #require(try result.json().first)
        }

        func stop() async throws {
            process.send(SIGTERM)
            #expect(try await process.exitCode(within: Spindle.deadline) == 0)
        }
    }

    /// Who is given the data directory finds a broker that has nothing around it.
    @Test func aLoneBrokerIsFoundByItsDataDirectory() async throws {
        let broker = try await RunningBroker.start()
        func wait(for what: String, until isSo: () async throws -> Bool) async throws {
            let end = ContinuousClock.now + Spindle.deadline
            while try await !isSo() { try #require(ContinuousClock.now < end, "not in time: \(what)") }
        }
        try await wait(for: "a command finds it") { try await Spindle.run("queue", "ls", "--data", broker.directory.path).exitCode == 0 }
        let worker = try SpindleProcess(["worker", "--group", "results", "--data", broker.directory.path, "--log-format", "json"])
        try await wait(for: "a worker finds it") {
            try await Spindle.run("worker", "ls", "--data", broker.directory.path).output.contains("worker-results")
        }
        worker.send(SIGTERM)
        #expect(try await worker.exitCode(within: Spindle.deadline) == 0, "\(worker.errors)")
        try await broker.stop()
    }

    @Test func aMessageIsDeclaredForPublishedLeasedGivenBackAndAcknowledged() async throws {
        let broker = try await RunningBroker.start()
        let tokenMode = try FileManager.default.attributesOfItem(atPath: broker.directory.path + "/tokens/admin")[.posixPermissions] as? Int
        #expect(tokenMode == 0o600)

        let five = try await broker.spindle("queue", "ls")
        for name in ["esprit-gen", "addin-result", "file-ingest", "storage-retry", "missingParts"] { #expect(five.output.contains(name)) }
        #expect(try await broker.json("queue", "declare", "orders", "--attempts-max", "3", "--backoff-initial", "0s")["outcome"] as? String == "created")
        #expect(try await broker.json("queue", "declare", "orders", "--attempts-max", "3")["outcome"] as? String == "unchanged")

        let published = try await broker.json(
            "message", "publish", "orders", "--file", "-", "--task-type", "Order", "--correlation-id", "c-1", "--header", "shop=3", "--dedup-key", "k1",
            input: "첫 주문\n")
        #expect(published["outcome"] as? String == "stored")
        let repeated = try await broker.json("message", "publish", "orders", "--text", "again", "--dedup-key", "k1")
        #expect(repeated["outcome"] as? String == "duplicate")
        #expect(repeated["id"] as? String == published["id"] as? String)

        let first = try await broker.json("message", "lease", "orders", "--lease", "30s", "--wait", "5s")
        #expect(first["body"] as? String == "첫 주문\n")
        #expect(first["task_type"] as? String == "Order")
        #expect(first["attempt"] as? Int == 1)
        let token = try #require(first["token"] as? String)
        #expect(try await broker.json("message", "extend", token, "--lease", "1m", "--percent", "40")["outcome"] as? String == "extended")
        #expect(try await broker.json("message", "nack", token, "--delay", "0s", "--reason", "try again")["outcome"] as? String == "given back")

        let stale = try await broker.spindle("message", "ack", token)
        #expect(stale.exitCode == 1)
        #expect(stale.output.contains("was given back"), "\(stale.output)")

        let second = try await broker.json("message", "lease", "orders", "--wait", "5s")
        #expect(second["attempt"] as? Int == 2)
        #expect(try await broker.json("message", "ack", try #require(second["token"] as? String))["outcome"] as? String == "acknowledged")
        let empty = try await broker.spindle("message", "lease", "orders")
        #expect(empty.exitCode == 2)

        let figures = try await broker.json("queue", "stats", "orders")
        #expect(figures["ready"] as? Int == 0)
        #expect(figures["published"] as? Int == 1)
        #expect(figures["acknowledged"] as? Int == 1)
        #expect((figures["policy"] as? [String: Any])?["attempts_max"] as? Int == 3)
        try await broker.stop()
    }

    @Test func refusalsNameTheNextStep() async throws {
        let broker = try await RunningBroker.start()
        let unknown = try await broker.spindle("message", "publish", "no-such", "--text", "x")
        #expect(unknown.exitCode == 1)
        #expect(unknown.errors.contains("NO_SUCH_QUEUE"))
        #expect(unknown.errors.contains("spindle queue declare"), "\(unknown.errors)")
        let forbidden = try await broker.spindle("message", "lease", "esprit-gen", "--principal", "web")
        #expect(forbidden.exitCode == 1)
        #expect(forbidden.errors.contains("PERMISSION_DENIED"))
        #expect(forbidden.errors.contains("--principal"))
        let unknownQueue = try await broker.spindle("queue", "stats", "no-such")
        #expect(unknownQueue.exitCode == 1)
        try Data("spn_0123456789012345678901234567890123456789012\n".utf8)
            .write(to: URL(fileURLWithPath: broker.directory.path + "/tokens/stranger"))
        let stranger = try await broker.spindle("queue", "ls", "--principal", "stranger")
        #expect(stranger.exitCode == 1)
        #expect(stranger.errors.contains("AUTHENTICATION_FAILED"), "\(stranger.errors)")

        let second = try await Spindle.run("broker", "--data", broker.directory.path, "--port-base", "\(try FreePorts.base())")
        #expect(second.exitCode == 1)
        #expect(second.errors.contains("Is another broker running on \(broker.directory.path)?"), "\(second.errors)")
        try await broker.stop()
    }

    @Test func eventsAreFollowedFromWhereOneAsks() async throws {
        let broker = try await RunningBroker.start()
        let one = try await broker.json("topic", "publish", "shop.opened", "--text", "1")
        _ = try await broker.json("topic", "publish", "shop.closed", "--text", "2")
        _ = try await broker.json("topic", "publish", "other", "--text", "3")
        let all = try await broker.spindle("topic", "subscribe", "shop.*", "--from", "earliest", "--count", "2", "--json")
        #expect(try all.json().compactMap { $0["body"] as? String } == ["1", "2"])
        let rest = try await broker.spindle(
            "topic", "subscribe", "*", "--from", try #require(one["cursor"] as? String), "--count", "2", "--json")
        #expect(try rest.json().compactMap { $0["topic"] as? String } == ["shop.closed", "other"])
        try await broker.stop()
    }

    @Test(arguments: ["publish", "lease", "rtt", "delivery"]) func aMeasurementHasItsFiguresAndParameters(_ mode: String) async throws {
        let broker = try await RunningBroker.start()
        let result = try await broker.json("bench", mode, "--size", "64", "--count", "250", "--batch", "20", "--window", "3")
        let isSingle = mode == "rtt" || mode == "delivery"
        #expect(result["mode"] as? String == mode)
        #expect(result["size"] as? Int == 64)
        #expect(result["count"] as? Int == 250)
        #expect(result["batch"] as? Int == (isSingle ? 1 : 20))
        #expect(result["window"] as? Int == (isSingle ? 1 : 3))
        #expect(result["errors"] as? Int == 0)
        #expect(try #require(result["messages_per_second"] as? Double) > 0)
        let p50 = try #require(result["p50_us"] as? Int)
        #expect(p50 > 0)
        #expect(try #require(result["p99_us"] as? Int) >= p50)
        let left = try await broker.json("queue", "stats", "bench")
        #expect(left["published"] as? Int == 250)
        #expect(left["ready"] as? Int == (mode == "publish" || mode == "rtt" ? 250 : 0))
        try await broker.stop()
    }

    @Test func aLogIsWholeAfterAStopAndDamageIsLocated() async throws {
        let broker = try await RunningBroker.start()
        _ = try await broker.json("queue", "declare", "q")
        for text in ["one", "two", "three"] { _ = try await broker.json("message", "publish", "q", "--text", text) }
        let inUse = try await Spindle.run("log", "verify", broker.directory.path)
        #expect(inUse.exitCode == 1)
        #expect(inUse.errors.contains("stop the broker"), "\(inUse.errors)")
        try await broker.stop()

        let verified = try await Spindle.run("log", "verify", broker.directory.path)
        #expect(verified.exitCode == 0, "\(verified.output)\(verified.errors)")
        #expect(verified.output.contains("the log is whole"))
        let entries = try await Spindle.run("log", "inspect", broker.directory.path + "/broker/log", "--json")
        #expect(entries.exitCode == 0)
        let publishes = try entries.json().filter { $0["type"] as? String == "publish" }
        #expect(publishes.count == 3, "\(entries.output)")
        #expect(publishes.allSatisfy { abs(Double($0["time_ms"] as? Int ?? 0) / 1000 - Date.now.timeIntervalSince1970) < 600 })

        try flipOneByte(of: try #require(publishes.first), in: broker.directory.path + "/broker/log")
        let damaged = try await Spindle.run("log", "verify", broker.directory.path, "--json")
        #expect(damaged.exitCode == 1)
        let answer = try #require(try damaged.json().first)
        #expect(answer["is_healthy"] as? Bool == false)
        let problem = try #require((answer["problems"] as? [[String: Any]])?.first)
        #expect(problem["file"] as? String != nil && problem["offset"] as? Int != nil)
    }

    /// In the middle of the entry's payload.
    private func flipOneByte(of entry: [String: Any], in log: String) throws {
        let text = try #require(entry["lsn"] as? String)
        let lsn = try #require(UInt64(text, radix: 16))
        let segments = try FileManager.default.contentsOfDirectory(atPath: log).filter { $0.hasSuffix(".segment") }.sorted()
        let file = "\(log)/\(try #require(segments.first))"
        let size = try #require(try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        defer { try? handle.close() }
        let offset = UInt64(Int(lsn % UInt64(size)) + 60)
        try handle.seek(toOffset: offset)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: offset)
        try handle.write(contentsOf: Data([byte ^ 0xff]))
    }
}
