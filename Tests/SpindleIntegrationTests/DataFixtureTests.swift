import DataFixtures
import Foundation
import Testing

/// Data directories that earlier versions wrote: the broker of today starts on a copy and tells the same of it.
@Suite struct DataFixtureTests {
    /// Counted anew at each start, or measured from now.
    private static let countedAnew: Set<String> = ["oldest_age_ms", "waiters", "duplicates", "subscriptions", "due_at_ms", "percent", "note"]

    /// Settings that have another name since.
    private static let renamed = [
        "backoff": "backoff_kind", "dedup_window_ms": "deduplication_window_ms", "concurrency_max": "concurrency",
        "concurrency_per_group_max": "concurrency_per_group", "rate_per_second_max": "rate_per_second",
        "rate_per_second_per_group_max": "rate_per_second_per_group",
    ]
    /// Dead letters of the description's queues are not used up by deliveries since.
    private static let declared = ["esprit-gen.dead", "addin-result.dead", "file-ingest.dead", "storage-retry.dead", "missingParts.dead"]

    private static func inTodaysWords(_ told: [String: Any]) -> [String: Any] {
        var told = told
        guard let policy = told["policy"] as? [String: Any] else { return told }
        var today = Dictionary(uniqueKeysWithValues: policy.map { (renamed[$0.key] ?? $0.key, $0.value) })
        if let name = told["name"] as? String, declared.contains(name) { today["attempts_max"] = 0 }
        // A damaged file is looked at again later since, not at once.
        if told["name"] as? String == "storage-retry" { today["delay_ms"] = 30_000 }
        told["policy"] = today
        return told
    }

    @Test(arguments: Fixture.queues + Fixture.domain) func aBrokerTellsTheSameOfOldData(name: String) async throws {
        let fixture = try Fixture(name)
        let broker = try LoneBroker(data: fixture.path)
        try await broker.start()
        func ask(_ arguments: String...) async throws -> [Any] {
            let result = try await Spindle.run(arguments + ["--data", fixture.path, "--port-base", "\(broker.base)", "--json"])
            try #require(result.exitCode == 0, "\(arguments): \(result.errors)")
            let values = try result.output.split(separator: "\n").map { try JSONSerialization.jsonObject(with: Data($0.utf8)) }
            return values.count == 1 ? values[0] as? [Any] ?? values : values
        }

        let queues = try fixture.byQueue("queues", as: [String: Any].self)
        let messages = try fixture.byQueue("messages", as: [[String: Any]].self)
        var compared = 0
        for (queue, told) in queues {
            let stats = try await ask("queue", "stats", queue)
            #expect(Fixture.differences([Self.inTodaysWords(told)], stats, except: Self.countedAnew, at: queue) == [])
            let held = try #require(messages[queue])
            let browsed = try await ask("queue", "browse", queue, "--limit", "0")
            #expect(Fixture.differences(held, browsed, except: Self.countedAnew, at: queue) == [])
            compared += held.count
        }
        #expect(compared >= (name.contains("queues") ? 100 : 1))

        // How long the domain's events are kept is said by the description, so theirs expire.
        if name.contains("queues") {
            let topics = try fixture.list("topics")
            // The description of today has two more: of dead messages, for which the queues' policies ask, and of files.
            let today = try await ask("topic", "ls").filter {
                ($0 as? [String: Any])?.values.contains { ["message.dead", "file.updated"].contains($0 as? String) } != true
            }
            #expect(Fixture.differences(topics, today, except: Self.countedAnew) == [])
            let events = try fixture.list("events")
            #expect(events.count == 6)
            #expect(Fixture.differences(events, try await ask("topic", "subscribe", "*", "--from", "earliest", "--count", "6")) == [])
        }

        broker.send(SIGTERM)
        #expect(try await broker.end() == 0)
        let verified = try await Spindle.run("log", "verify", fixture.path)
        #expect(verified.exitCode == 0, "\(verified.output)")
    }
}
