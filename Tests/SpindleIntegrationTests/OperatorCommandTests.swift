import Foundation
import Testing

/// What operators do at a prompt, against a broker that was started from the command line.
@Suite struct OperatorCommandTests {
    typealias RunningBroker = BrokerCommandTests.RunningBroker

    /// Publishes a message for each text, and returns their ids.
    private func publish(_ broker: RunningBroker, to queue: String, _ texts: [String], _ more: String...) async throws -> [String] {
        var ids: [String] = []
        for text in texts {
            let result = try await Spindle.run(
                ["message", "publish", queue, "--text", text, "--data", broker.directory.path, "--port-base", "\(broker.base)", "--json"] + more)
            let answer = try #require(try result.json().first, "\(result.errors)")
            ids.append(try #require(answer["id"] as? String))
        }
        return ids
    }

    /// A started broker that answers what `probe` asks; else the test is cancelled, and says what is missing.
    private func broker(answering probe: String...) async throws -> RunningBroker {
        let broker = try await RunningBroker.start()
        let result = try await Spindle.run(probe + ["--data", broker.directory.path, "--port-base", "\(broker.base)"])
        if result.errors.contains("UNSUPPORTED") {
            try await broker.stop()
            try Test.cancel("this broker does not answer `spindle \(probe.joined(separator: " "))`")
        }
        return broker
    }

    @Test func aQueueIsPausedAndResumed() async throws {
        let broker = try await broker(answering: "queue", "resume", "esprit-gen")
        _ = try await publish(broker, to: "esprit-gen", ["one"])
        let paused = try await broker.json("queue", "pause", "esprit-gen", "--what", "both", "--reason", "the CAM server is serviced")
        #expect(paused["deliveries_paused"] as? Bool == true && paused["publishes_paused"] as? Bool == true)
        #expect(try await broker.spindle("message", "lease", "esprit-gen").exitCode == 2)
        let refused = try await broker.spindle("message", "publish", "esprit-gen", "--text", "two")
        #expect(refused.exitCode == 1 && refused.errors.contains("QUEUE_PAUSED"), "\(refused.errors)")
        #expect(try await broker.json("queue", "stats", "esprit-gen")["pause_reason"] as? String == "the CAM server is serviced")
        #expect(try await broker.spindle("queue", "ls", "esprit-gen").output.contains("esprit-gen (all paused)"))
        _ = try await broker.json("queue", "resume", "esprit-gen")
        #expect(try await broker.json("message", "lease", "esprit-gen", "--wait", "5s")["body"] as? String == "one")
        try await broker.stop()
    }

    @Test func noTextOfAStrangerDrivesATerminal() async throws {
        let broker = try await broker(answering: "queue", "browse", "esprit-gen")
        let evil = "a\u{1B}]0;x\u{7}\r\u{9B}2J\u{202E}b\nforged"
        let ids = try await publish(
            broker, to: "missingParts", ["body"], "--task-type", evil, "--group", evil, "--correlation-id", evil, "--header", "evil=\(evil)")
        _ = try await broker.json("queue", "pause", "missingParts", "--what", "publishes", "--reason", evil)
        let commands = [
            ["why", "missingParts", ids[0]], ["queue", "stats", "missingParts"], ["queue", "ls"], ["queue", "browse", "missingParts"], ["queue", "browse", "missingParts", "--full"],
            ["message", "get", "missingParts", ids[0]], ["message", "get", "missingParts", ids[0], "--json"],
            ["message", "publish", "missingParts", "--text", "x"], ["message", "lease", "missingParts"], ["queue", "browse", "missingParts", "--full"],
        ]
        for command in commands {
            let result = try await Spindle.run(command + ["--data", broker.directory.path, "--port-base", "\(broker.base)"])
            for text in [result.output, result.errors] {
                let obeyed = text.unicodeScalars.filter { $0 != "\n" && ($0.properties.generalCategory == .control || $0.value == 0x202E) }
                #expect(obeyed.isEmpty, "\(command): \(obeyed)")
                #expect(!text.split(separator: "\n").contains("forged"), "\(command) begins a line of its own with a stranger's text")
            }
        }
        try await broker.stop()
    }

    @Test func messagesAreLookedAtChosenAndChanged() async throws {
        let broker = try await broker(answering: "queue", "browse", "esprit-gen")
        let ids = try await publish(broker, to: "missingParts", ["a", "b", "c"], "--task-type", "Part", "--header", "part=7")
        let late = try await publish(broker, to: "missingParts", ["later"], "--delay", "1h", "--group", "g")
        let all = try await broker.spindle("queue", "browse", "missingParts", "--json").json()
        #expect(all.compactMap { $0["id"] as? String } == ids + late)
        try #require(all.count == 4)
        #expect((all[0]["message"] as? [String: Any])?["body"] as? String == "a")
        #expect(all[3]["state"] as? String == "delayed" && (all[3]["due_at_ms"] as? Int ?? 0) > 0)
        let chosen = try await broker.spindle("queue", "browse", "missingParts", "--header", "taskType=Part", "--header", "part=7", "--limit", "2", "--json")
        #expect(try chosen.json().compactMap { $0["id"] as? String } == Array(ids.prefix(2)))
        #expect(chosen.errors.contains("There are more") == false, "JSON is for scripts")
        let table = try await broker.spindle("queue", "browse", "missingParts", "--group", "g")
        #expect(table.output.contains(late[0]) && !table.output.contains(ids[0]), "\(table.output)")
        #expect(try await broker.spindle("queue", "browse", "missingParts", "--text", "nobody has this").output.contains("no message"))

        let waits = try await broker.json("why", "missingParts", late[0])
        #expect(waits["state"] as? String == "delayed" && waits["cause"] as? String == "delayed", "\(waits)")
        #expect((waits["next"] as? [String: Any])?["event"] as? String == "becomesReady", "\(waits)")
        _ = try await broker.json("queue", "pause", "missingParts", "--reason", "the saw is blunt")
        let paused = try await broker.spindle("why", "missingParts", ids[0]).output
        #expect(paused.contains("ready since") && paused.contains("deliveries of ‘missingParts’ are paused: the saw is blunt"), "\(paused)")
        _ = try await broker.json("queue", "resume", "missingParts")

        let moved = try await broker.json("message", "reschedule", "missingParts", late[0], "--now")
        #expect(moved["outcome"] as? String == "rescheduled")
        #expect(try await broker.json("message", "get", "missingParts", late[0])["state"] as? String == "ready")
        let cancelled = try await broker.spindle("message", "cancel", "missingParts", ids[0], "fffffffffff0", "--reason", "withdrawn", "--json")
        #expect(cancelled.exitCode == 1)
        #expect(try cancelled.json().compactMap { $0["outcome"] as? String } == ["removed (it was ready)", "no_such_message"])
        let gone = try await broker.spindle("message", "get", "missingParts", ids[0])
        #expect(gone.exitCode == 1 && gone.errors.contains("NO_SUCH_MESSAGE"), "\(gone.errors)")
        try await broker.stop()
    }

    @Test func aLeasedMessageThatIsCancelledTellsItsHolder() async throws {
        let broker = try await broker(answering: "message", "cancel", "esprit-gen", "1")
        let id = try await publish(broker, to: "esprit-gen", ["long work"])[0]
        let token = try #require(try await broker.json("message", "lease", "esprit-gen", "--wait", "5s")["token"] as? String)
        #expect(try await broker.json("message", "cancel", "esprit-gen", id)["outcome"] as? String == "flagged: gone when its lease ends")
        #expect(try await broker.json("message", "get", "esprit-gen", id)["state"] as? String == "cancelled")
        #expect(try await broker.json("message", "extend", token)["outcome"] as? String == "cancelled")
        _ = try await broker.json("message", "nack", token, "--delay", "0s")
        #expect(try await broker.spindle("message", "get", "esprit-gen", id).exitCode == 1)
        try await broker.stop()
    }

    @Test func deadLettersGoBackAndManyChangeAtOnce() async throws {
        let broker = try await broker(answering: "queue", "job", "esprit-gen", "1")
        let ids = try await publish(broker, to: "addin-result", ["a", "b", "c"])
        for _ in ids {
            let token = try #require(try await broker.json("message", "lease", "addin-result", "--wait", "5s")["token"] as? String)
            _ = try await broker.json("message", "nack", token, "--dead", "--reason", "W: is not there")
        }
        let dead = try await broker.spindle("queue", "browse", "addin-result.dead", "--reason-contains", "W:", "--origin", "addin-result", "--json").json()
        #expect(dead.count == 3)
        #expect(((dead.first?["history"] as? [String: Any])?["attempts"] as? [[String: Any]])?.first?["reason"] as? String == "W: is not there")
        let first = try #require(dead.first?["id"] as? String)
        let some = try await broker.json("queue", "redrive", "addin-result.dead", "--id", first, "--wait")
        #expect(some["state"] as? String == "done" && some["done"] as? Int == 1, "\(some)")
        let job = try #require(some["job"] as? String)
        #expect(try await broker.json("queue", "job", "addin-result.dead", job)["matched"] as? Int == 1)
        let moved = try await broker.json("queue", "move", "addin-result.dead", "--to", "missingParts", "--all", "--wait")
        #expect(moved["done"] as? Int == 2, "\(moved)")
        #expect(try await broker.json("queue", "stats", "addin-result")["ready"] as? Int == 1)
        let cancelled = try await broker.json("queue", "cancel", "missingParts", "--older-than", "0s", "--yes", "--wait")
        #expect(cancelled["done"] as? Int == 2, "\(cancelled)")
        let unknown = try await broker.spindle("queue", "job", "missingParts", "ffff")
        #expect(unknown.exitCode == 1 && unknown.errors.contains("INVALID_ARGUMENT"), "\(unknown.errors)")
        try await broker.stop()
    }

    @Test func aResultIsAwaited() async throws {
        let broker = try await broker(answering: "message", "await", "esprit-gen", "1", "--wait", "0s")
        _ = try await broker.json("queue", "declare", "reports", "--result-retention", "1h")
        let ids = try await publish(broker, to: "reports", ["a", "b"])
        #expect(try await broker.spindle("message", "await", "reports", ids[0], "--wait", "0s").exitCode == 2)
        let token = try #require(try await broker.json("message", "lease", "reports", "--wait", "5s")["token"] as? String)
        _ = try await broker.json("message", "ack", token, "--result", "{\"rows\":17}")
        let done = try await broker.json("message", "await", "reports", ids[0])
        #expect(done["state"] as? String == "acknowledged" && done["result"] as? String == "{\"rows\":17}", "\(done)")
        _ = try await broker.json("message", "cancel", "reports", ids[1])
        let cancelled = try await broker.spindle("message", "await", "reports", ids[1], "--json")
        #expect(cancelled.exitCode == 1)
        #expect(try cancelled.json().first?["state"] as? String == "cancelled")
        try await broker.stop()
    }

    @Test func queuesArePurgedAndDeleted() async throws {
        let broker = try await broker(answering: "queue", "purge", "esprit-gen", "--yes")
        _ = try await broker.json("queue", "declare", "old", "--dead-letter-queue", "")
        _ = try await publish(broker, to: "old", ["a", "b"])
        _ = try await publish(broker, to: "old", ["c"], "--delay", "1h")
        #expect(try await broker.json("queue", "purge", "old", "--what", "ready", "--yes")["messages_removed"] as? Int == 2)
        let kept = try await broker.spindle("queue", "delete", "old", "--yes")
        #expect(kept.exitCode == 1 && kept.errors.contains("--with-messages"), "\(kept.errors)")
        #expect(try await broker.json("queue", "delete", "old", "--with-messages", "--yes")["messages_removed"] as? Int == 1)
        #expect(try await broker.spindle("queue", "stats", "old").exitCode == 1)
        // Only a dead-letter queue that there is, is named, under its own name.
        _ = try await broker.json("queue", "declare", "plain", "--dead-letter-queue", "")
        let plain = try await broker.spindle("queue", "delete", "plain", "--yes")
        #expect(plain.exitCode == 0 && !plain.errors.contains("dead"), "\(plain.errors)")
        _ = try await broker.json("queue", "declare", "other", "--dead-letter-queue", "morgue")
        _ = try await publish(broker, to: "morgue", ["lost"])
        let other = try await broker.spindle("queue", "delete", "other", "--yes")
        #expect(other.errors.contains("morgue stays, with 1 messages: `spindle queue delete morgue --with-messages`"), "\(other.errors)")
        try await broker.stop()
    }

    @Test func aQueueHasEveryPolicyThatItWasDeclaredWith() async throws {
        let broker = try await RunningBroker.start()
        _ = try await broker.json(
            "queue", "declare", "jobs", "--ordered-groups", "--fair-groups", "--time-to-live", "1d", "--concurrency", "8", "--concurrency-per-group", "2",
            "--rate-per-second", "50", "--rate-per-second-per-group", "5", "--result-retention", "10m", "--dead-letter-retention", "30d", "--no-priorities")
        let policy = try #require(try await broker.json("queue", "stats", "jobs")["policy"] as? [String: Any])
        #expect(policy["ordered_groups"] as? Bool == true && policy["fair_groups"] as? Bool == true && policy["priorities"] as? Bool == false)
        let numbers = [
            "time_to_live_ms": 86_400_000, "concurrency": 8, "concurrency_per_group": 2, "rate_per_second": 50,
            "rate_per_second_per_group": 5, "result_retention_ms": 600_000,
        ]
        for (name, value) in numbers { #expect(policy[name] as? Int == value, "\(name)") }
        let dead = try #require(try await broker.json("queue", "stats", "jobs.dead")["policy"] as? [String: Any])
        #expect(dead["time_to_live_ms"] as? Int == 30 * 86_400_000)
        let shown = try await broker.spindle("queue", "stats", "jobs")
        #expect(shown.output.contains("rate-per-second-per-group") && shown.output.contains("result-retention"))
        let without = try await broker.spindle("queue", "declare", "dropping", "--dead-letter-queue", "", "--dead-letter-retention", "1d")
        #expect(without.exitCode == 1 && without.errors.contains("has no dead-letter queue"), "\(without.errors)")
        try await broker.stop()
    }

    @Test func topicsAreListedAndTheirHistoryIsLimited() async throws {
        let broker = try await broker(answering: "topic", "ls")
        #expect(try await broker.json("topic", "declare", "shop.*", "--events", "2")["outcome"] as? String == "created")
        #expect(try await broker.json("topic", "declare", "shop.*", "--events", "2")["outcome"] as? String == "unchanged")
        for number in 1...3 { _ = try await broker.json("topic", "publish", "shop.opened", "--text", "\(number)") }
        _ = try await broker.json("topic", "publish", "other", "--text", "x")
        let listed = try await broker.spindle("topic", "ls", "shop.*", "--json")
        let topics = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
        #expect(topics.count == 1 && topics[0]["events"] as? Int == 2 && topics[0]["published"] as? Int == 3, "\(topics)")
        let rest = try await broker.spindle("topic", "subscribe", "shop.*", "--from", "earliest", "--count", "2", "--json")
        #expect(try rest.json().compactMap { $0["body"] as? String } == ["2", "3"])
        try await broker.stop()
    }

    @Test func workersAreListedAndSteered() async throws {
        let broker = try await broker(answering: "worker", "ls")
        _ = try await publish(broker, to: "esprit-gen", ["held"])
        _ = try await broker.json("message", "lease", "esprit-gen", "--wait", "5s")
        let listed = try await broker.spindle("worker", "ls", "--leases", "--json")
        let sessions = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]], "\(listed.errors)")
        // The command that leased it has gone, the one that asks is there.
        let gone = try #require(sessions.first { $0["session"] as? Int == 0 })
        #expect(((gone["leases"] as? [[String: Any]])?.first)?["queue"] as? String == "esprit-gen")
        #expect(sessions.contains { $0["client"] as? String == "spindle-cli" && $0["principal"] as? String == "admin" })
        let nobody = try await broker.spindle("worker", "quiet", "--label", "host=nowhere")
        #expect(nobody.exitCode == 1 && nobody.output.contains("nobody was reached"))
        let forbidden = try await broker.spindle("worker", "terminate", "--all", "--yes", "--principal", "addin")
        #expect(forbidden.exitCode == 1 && forbidden.errors.contains("PERMISSION_DENIED"))
        #expect(try await broker.json("worker", "resume", "--all")["sessions_reached"] as? Int == 1)
        try await broker.stop()
    }
}
