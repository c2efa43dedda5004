import Foundation
import SpindleClient
import Testing

/// A disk that really is full: a small tmpfs.
@Suite(.serialized) struct FullDiskTests {
    private static let queue = "full"
    private static let needsRoot: Comment = "mounting a tmpfs needs root"

    /// What a worker knows of the messages it fetched.
    private struct Fetched {
        var acknowledged = 0
        var dead = 0
    }

    private static func connect(_ broker: LoneBroker) async throws -> SpindleClient {
        let client = try await SpindleClient.connect(
            configuration: ClientConfiguration(
                endpoints: [.init(host: broker.host, port: broker.base)], credential: .token(try broker.token()),
                backoff: .init(initial: .milliseconds(10), cap: .milliseconds(100))))
        _ = try await client.declare(queue: queue + ".dead")
        var policy = QueuePolicy()
        policy.deadLetterQueue = queue + ".dead"
        _ = try await client.declare(queue: queue, policy: policy)
        return client
    }

    /// nil: stored.
    private static func publish(_ client: SpindleClient, _ body: [UInt8]) async throws -> SpindleError? {
        do {
            for outcome in try await client.publish([Message(body: body)], to: queue) {
                if case .refused(let error) = outcome { return error }
            }
            return nil
        } catch let error as SpindleError {
            return error
        }
    }

    /// Publishes until the disk is full.
    private static func fill(_ client: SpindleClient, _ body: [UInt8]) async throws -> Int {
        var stored = 0
        while true {
            try #require(stored < 4_000, "the disk can't hold this")
            if let refusal = try await publish(client, body) {
                #expect(refusal.code == .noSpace && refusal.isRetryable, "\(refusal)")
                return stored
            }
            stored += 1
        }
    }

    /// Fetches `count` messages; every tenth becomes a dead letter.
    private static func fetch(_ client: SpindleClient, _ count: Int, _ body: [UInt8], from queue: String = queue) async throws -> Fetched {
        var fetched = Fetched()
        while fetched.acknowledged + fetched.dead < count {
            let left = count - fetched.acknowledged - fetched.dead
            let deliveries = try await client.lease(from: queue, max: min(8, left), bytesMax: 8 << 20, wait: .seconds(10))
            try #require(!deliveries.isEmpty, "\(left) of \(count) did not come")
            for delivery in deliveries { #expect(delivery.message.body == body) }
            let isDead = queue == Self.queue && Int.random(in: 0..<10) == 0
            let tokens = deliveries.map(\.token)
            let outcomes = isDead
                ? try await client.negativeAcknowledge(tokens.map { NegativeAcknowledgement(token: $0, disposition: .dead, reason: "too much") })
                : try await client.acknowledge(tokens)
            #expect(outcomes.allSatisfy { $0.isDone }, "there is room for acks and dead letters: \(outcomes)")
            if isDead { fetched.dead += outcomes.count } else { fetched.acknowledged += outcomes.count }
        }
        return fetched
    }

    @Test(.enabled(if: Machine.canMount, needsRoot))
    func publishesAreRefusedAcksAreNotAndFreedSpaceIsUsedAgain() async throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(at: folder.path + "/disk", megabytes: 48)
        let broker = try LoneBroker(data: disk.path + "/data")
        try await broker.start()
        let client = try await Self.connect(broker)
        // Random bytes, so that nothing is compressed.
        let body = (0..<100_000).map { _ in UInt8.random(in: 0...255) }
        let stored = try await Self.fill(client, body)
        #expect(stored > 100)

        // The broker is up: messages are delivered, and their acks and deaths are logged in the space kept for them.
        var fetched = try await Self.fetch(client, stored / 4, body)
        // A start on a full disk, twice; nothing is forgotten, and nothing more is taken than before.
        for _ in 0..<2 {
            try await broker.kill()
            try await broker.start()
        }
        let rest = try await Self.fetch(client, stored - fetched.acknowledged - fetched.dead, body)
        fetched.acknowledged += rest.acknowledged
        fetched.dead += rest.dead
        let statistics = try await client.statistics(matching: "full*")
        #expect(statistics.first { $0.name == Self.queue }.map { $0.ready + $0.leased + $0.delayed } == 0)
        #expect(statistics.first { $0.name == Self.queue + ".dead" }?.ready == fetched.dead)
        // The dead letters still hold old segments.
        _ = try await Self.fetch(client, fetched.dead, body, from: Self.queue + ".dead")
        // A checkpoint lets go of the segments that nothing needs any more: publishes are taken again.
        try await eventually("publishes are taken again") { try await Self.publish(client, body) == nil }
        await client.close()
        try await broker.stop()
        withExtendedLifetime(disk) {}
    }

    @Test(.enabled(if: Machine.canMount, needsRoot))
    func aDiskThatOthersFillIsBorneWithoutLossUntilThereIsRoom() async throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(at: folder.path + "/disk", megabytes: 64)
        let broker = try LoneBroker(data: disk.path + "/data")
        try await broker.start()
        let load = try broker.load(.init(bodyBytes: 0...4_000, backlogMax: 8_000, allowsRefusals: true))
        let ballast = disk.path + "/ballast"
        let totals = try await load.run {
            for round in 0..<4 {
                try await load.progress(by: 1_000)
                // Not a byte is left, not even for checkpoints.
                _ = try? Machine.run("dd", "if=/dev/zero", "of=\(ballast)", "bs=64k")
                let refused = load.checker.totals.refused
                try await eventually("publishes are refused, or go on in what is ready") {
                    let totals = load.checker.totals
                    return totals.refused > refused || round > 0
                }
                if round % 2 == 1 {
                    try await broker.kill()
                    try broker.launch()
                    try await broker.ready()
                }
                let acknowledged = load.checker.totals.acknowledged
                try await eventually("acks are taken on the full disk") { load.checker.totals.acknowledged > acknowledged || load.checker.backlog == 0 }
                try FileManager.default.removeItem(atPath: ballast)
            }
            try await load.progress(by: 1_000)
        }
        try await broker.stop()
        print(totals.line("full disk", cycles: 4) + ", \(totals.refused) publishes refused")
        withExtendedLifetime(disk) {}
    }
}
