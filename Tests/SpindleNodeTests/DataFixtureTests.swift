import DataFixtures
import Foundation
import SpindleLog
import SpindleNode
import SpindleSimulator
import SpindleWire
import Testing

/// Logs that earlier versions wrote, decoded and used by the node of today.
@Suite struct DataFixtureTests {
    /// Of each queue: what may be counted anew at a start.
    private static let values: [(key: String, path: any KeyPath<StatsReply.Queue, UInt64> & Sendable)] = [
        ("ready", \.ready), ("leased", \.leased), ("delayed", \.delayed), ("bytes", \.bytes), ("published", \.published), ("delivered", \.delivered),
        ("acknowledged", \.acknowledged), ("nacked", \.nacked), ("expired", \.expired), ("dead", \.dead),
    ]

    /// The node at the time of the last entry.
    private static func broker(on fixture: Fixture) throws -> TestBroker {
        let disk = SimulatedDisk()
        for (text, bytes) in try fixture.logFiles() {
            guard let name = LogFileName(text) else { continue }
            try disk.create(name)
            try bytes.withUnsafeBytes { try disk.write(name, at: 0, $0) }
            try disk.sync(name)
        }
        try disk.syncDirectory()
        return try TestBroker(disk)
    }

    private static func stats(_ broker: TestBroker) throws -> [String: StatsReply.Queue] {
        let frame = try #require(broker.ask(broker.connect(), .stats) { StatsRequest().encode(into: &$0) })
        return Dictionary(uniqueKeysWithValues: try StatsReply(frame.body.span.bytes).queues.map { ($0.name, $0) })
    }

    private static func publish(
        _ broker: TestBroker, to queue: String, _ record: MessageRecord, producer: UInt64 = 0, sequence: UInt64 = 0
    ) throws -> PublishReply.Run {
        var records = WireWriter()
        try record.encode(into: &records)
        let bytes = records.array()
        let frame = broker.ask(broker.connect(), .publish) { writer in
            PublishRequest.encodeHead(
                producerID: producer, firstSequence: sequence, queue: queue, count: 1, recordsByteCount: bytes.count, into: &writer)
            writer.bytes(bytes.span.bytes)
        }
        let body = try #require(frame).body
        let runs = try PublishReply(body.span.bytes).runs
        return try #require(runs.first)
    }

    @Test(arguments: Fixture.queues) func aQueueHoldsWhatItHeld(name: String) throws {
        let fixture = try Fixture(name)
        let told = try fixture.byQueue("queues", as: [String: Any].self)
        let tells = try Self.stats(try Self.broker(on: fixture))
        #expect(told.keys.sorted() == tells.keys.sorted())
        for (queue, numbers) in told {
            for (key, path) in Self.values { #expect(tells[queue]?[keyPath: path] == numbers[key] as? UInt64, "\(key) of \(queue)") }
        }
        #expect(tells["ordered"]?.leased == 3)
        #expect(tells["paused"]?.pauseReason == "점검")
    }

    @Test(arguments: Fixture.queues) func messagesKeepTheirIdsStatesAndAttempts(name: String) throws {
        let fixture = try Fixture(name)
        let broker = try Self.broker(on: fixture)
        var messages = 0
        for (queue, told) in try fixture.byQueue("messages", as: [[String: Any]].self) {
            let frame = broker.ask(broker.connect(), .browse) {
                BrowseRequest(queue: queue, after: 0, messagesMax: 1000, bytesMax: 1 << 17, parts: []).encode(into: &$0)
            }
            let body = try #require(frame).body
            var reader = WireReader(body.span.bytes)
            let tells = try BrowseReplyHead(&reader).items
            #expect(tells.map { String($0.id, radix: 16) } == told.compactMap { $0["id"] as? String }, "\(queue)")
            #expect(tells.map { "\($0.state)" } == told.compactMap { $0["state"] as? String }, "\(queue)")
            #expect(tells.map(\.attempts) == told.compactMap { $0["attempts"] as? UInt32 }, "\(queue)")
            #expect(tells.map(\.holder) == told.map { $0["holder"] as? String ?? "" }, "\(queue)")
            messages += tells.count
        }
        #expect(messages > 100)
    }

    @Test(arguments: Fixture.queues) func whatWasStoredOnceIsNotStoredAgain(name: String) throws {
        let broker = try Self.broker(on: try Fixture(name))
        var keyed = MessageRecord(body: [])
        // Before and after the checkpoint, acknowledged and waiting; and of a queue that was purged.
        for (queue, key) in [("keys", "key-0"), ("keys", "key-19"), ("keys", "key-24"), ("purged", "kept")] {
            keyed.deduplicationKey = key
            #expect(try Self.publish(broker, to: queue, keyed).status == .duplicate, "\(key)")
        }
        keyed.deduplicationKey = "key-25"
        #expect(try Self.publish(broker, to: "keys", keyed).status == .ok)
        for sequence in UInt64(1)...3 {
            #expect(try Self.publish(broker, to: "plain", MessageRecord(body: []), producer: 0x5eed, sequence: sequence).status == .duplicate)
        }
        #expect(try Self.publish(broker, to: "plain", MessageRecord(body: []), producer: 0x5eed, sequence: 4).status == .ok)
    }

    @Test(arguments: Fixture.queues) func orderedGroupsStillWaitForTheirLeases(name: String) throws {
        let broker = try Self.broker(on: try Fixture(name))
        let session = broker.connect()
        func lease(_ queue: String) throws -> [String] {
            let frame = broker.ask(session, .lease) {
                LeaseRequest(queue: queue, messagesMax: 10, bytesMax: 1 << 17, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0)
            }
            let body = try #require(frame).body
            var reader = WireReader(body.span.bytes)
            return try LeaseReplyHead(&reader).items.map { message in
                String(decoding: try RecordView.decode(try reader.span(Int(message.recordByteCount), "record")).body, as: UTF8.self)
            }
        }
        // Of four groups three have a message leased.
        #expect(try lease("ordered") == ["ordered 3"])
        #expect(try lease("priorities") == ["priority 9", "priority 4", "priority 4", "priority 0"])
        #expect(try lease("late") == (0..<6).map { "late \($0)" })
        #expect(try lease("paused").isEmpty)
    }

    @Test(arguments: Fixture.queues) func topicsJobsAndResultsAreKept(name: String) throws {
        let fixture = try Fixture(name)
        let broker = try Self.broker(on: fixture)
        let session = broker.connect()
        let stats = try #require(broker.ask(session, .topicStats) { TopicStatsRequest().encode(into: &$0) })
        let topics = try TopicStatsReply(stats.body.span.bytes).topics
        let told = try fixture.list("topics")
        #expect(topics.map(\.name) == told.compactMap { $0["name"] as? String })
        #expect(topics.map(\.events) == told.compactMap { $0["events"] as? UInt64 })
        #expect(topics.map(\.published) == told.compactMap { $0["published"] as? UInt64 })
        #expect(topics.map(\.events) == [5, 1])

        let jobs = try fixture.list("jobs")
        for (job, queue) in [(UInt64(1), "source"), (2, "failing.dead")] {
            let frame = try #require(broker.ask(session, .bulk) { BulkRequest(.look, job: job, queue: queue).encode(into: &$0) })
            let tells = try JobReply(frame.body.span.bytes)
            #expect(tells.done == jobs[Int(job) - 1]["done"] as? UInt64 && tells.done > 0)
            #expect(tells.state != .running)
        }

        for result in try fixture.list("results") {
            let id = try #require(UInt64(result["id"] as? String ?? "", radix: 16))
            let frame = try #require(broker.ask(session, .await) { AwaitRequest(queue: "results", ids: [id], waitMilliseconds: 0).encode(into: &$0) })
            let items = try AwaitReply(frame.body.span.bytes).items
            let item = try #require(items.first)
            #expect(item.state == .acknowledged)
            #expect(String(decoding: item.result, as: UTF8.self) == result["result"] as? String)
        }
    }

    /// What is loaded is written and loaded again by today's version without a difference.
    @Test(arguments: Fixture.queues + Fixture.domain) func aCheckpointOfItIsTheSameState(name: String) throws {
        let broker = try Self.broker(on: try Fixture(name))
        let before = broker.encodedState()
        #expect(try broker.recoveredState() == before)
        try broker.checkpoint()
        #expect(try broker.recoveredState() == broker.encodedState())
        #expect(try LogInspector(storage: SimulatedDisk(broker.storage.disk)).verifyState().isHealthy)
    }
}
