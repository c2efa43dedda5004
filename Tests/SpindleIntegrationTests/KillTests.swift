import Foundation
import SpindleClient
import Testing

/// kill -9 at random moments, seen from outside.
@Suite(.serialized) struct KillTests {
    private struct Routing: Decodable {
        let id: String
        let lastGenerationStatus: String
    }
    private struct Page: Decodable {
        let items: [Routing]
        let nextCursor: String?
    }
    private struct History: Decodable {
        struct Entry: Decodable { let event: String }
        let items: [Entry]
    }

    /// Seconds may be spared or spent by `SPINDLE_KILLS` and `SPINDLE_BROKER_KILLS`.
    private static func count(_ name: String, _ usual: Int) -> Int { ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual }

    @Test func noRoutingIsLeftWithoutItsResultAndNoHistoryIsDoubled() async throws {
        let kills = Self.count("SPINDLE_KILLS", 200)
        let roles = try RunningRoles()
        try await roles.startAll()

        var routings: [String] = []
        for kill in 0..<kills {
            let created = try await roles.http("POST", "/api/routings", body: #"{"name": "가공 \#(kill)"}"#)
            let id = try created.decode(Routing.self).id
            for action in ["submit", "approve"] {
                let answer = try await roles.http("POST", "/api/routings/\(id)/\(action)", body: "{}")
                #expect(answer.status == 200, "\(action): \(String(decoding: answer.body, as: UTF8.self))")
            }
            routings.append(id)
            // A random moment of the flow; the deadline of the whole is at the end.
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<250)))
            try await roles.killAndRestart(try #require(["broker", "worker", "addin"].randomElement()))
        }

        for id in routings {
            try await roles.waitUntil("routing \(id) has its result", within: .seconds(90)) {
                try await roles.http("GET", "/api/routings/\(id)").decode(Routing.self).lastGenerationStatus == "completed"
            }
        }
        for id in routings {
            let events = try await roles.http("GET", "/api/routings/\(id)/history").decode(History.self).items.map(\.event)
            for event in ["RoutingApproved", "AddinJobCreated", "AddinJobCompleted"] {
                #expect(events.filter { $0 == event }.count == 1, "\(id): \(events)")
            }
            #expect(!events.contains("AddinJobFailed"), "\(id): \(events)")
        }
        try await roles.stop()
    }

    @Test func aConfirmedPublishSurvivesAndAConfirmedAckIsFinal() async throws {
        let cycles = Self.count("SPINDLE_BROKER_KILLS", 500)
        let roles = try RunningRoles()
        try await roles.startAll(["broker"])
        let client = try await SpindleClient.connect(
            configuration: ClientConfiguration(
                endpoints: [.init(host: "127.0.0.1", port: roles.base)], credential: .token(try roles.token("admin")),
                connectTimeout: .seconds(2), requestTimeout: .seconds(60), backoff: .init(initial: .milliseconds(5), cap: .milliseconds(50))))
        _ = try await client.declare(queue: "kills", policy: Self.policy)
        let ledger = Ledger()

        try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<2 {
                group.addTask { try await Self.publish(client, ledger, producer: producer) }
            }
            group.addTask { try await Self.work(client, ledger) }
            for _ in 0..<cycles {
                let confirmed = await ledger.confirmedCount
                try await roles.waitUntil("publishing goes on after a kill") { await ledger.confirmedCount > confirmed }
                // A random moment; the deadline is the waiting above.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<60)))
                try await roles.killAndRestart("broker")
            }
            await ledger.stopPublishing()
            try await group.waitForAll()
        }
        let unaccounted = await ledger.unacknowledged
        #expect(unaccounted.isEmpty, "\(unaccounted.count) confirmed messages were never delivered, such as \(unaccounted.prefix(3))")
        let violations = await ledger.violations
        #expect(violations.isEmpty, "\(violations.prefix(5))")
        #expect(await ledger.confirmedCount >= cycles)
        await client.close()
        try await roles.stop()

        let verified = try await Spindle.run("log", "verify", roles.directory.path + "/data")
        #expect(verified.exitCode == 0, "\(verified.output)\(verified.errors)")
        print("kill -9 of the broker: \(cycles) cycles, \(await ledger.confirmedCount) confirmed publishes, \(await ledger.acknowledgedCount) confirmed acks, 0 lost")
    }

    private static var policy: QueuePolicy {
        var policy = QueuePolicy()
        policy.attemptsMax = 0
        return policy
    }

    /// Publishes batches one after the other until told to stop.
    private static func publish(_ client: SpindleClient, _ ledger: Ledger, producer: Int) async throws {
        var next = 0
        while await ledger.isPublishing {
            let names = (0..<20).map { "\(producer)-\(next + $0)" }
            next += names.count
            let outcomes = try await client.publish(names.map { Message(text: $0) }, to: "kills")
            for (name, outcome) in zip(names, outcomes) {
                switch outcome {
                case .stored, .duplicate: await ledger.confirmed(name)
                case .refused(let error): await ledger.violation("\(name) was refused: \(error)")
                }
            }
        }
        await ledger.publisherEnded()
    }

    /// Leases and acknowledges until everything confirmed was acknowledged, or nothing has come for a while.
    private static func work(_ client: SpindleClient, _ ledger: Ledger) async throws {
        var emptyLeases = 0
        while await !ledger.isSettled, emptyLeases < 20 {
            let deliveries = try await client.lease(from: "kills", max: 200, duration: .seconds(2), wait: .milliseconds(500))
            let isPublishing = await ledger.isPublishing
            emptyLeases = deliveries.isEmpty && !isPublishing ? emptyLeases + 1 : 0
            for delivery in deliveries { await ledger.delivered(String(decoding: delivery.message.body, as: UTF8.self)) }
            guard !deliveries.isEmpty else { continue }
            let outcomes = try await client.acknowledge(deliveries.map(\.token))
            for (delivery, outcome) in zip(deliveries, outcomes) {
                let name = String(decoding: delivery.message.body, as: UTF8.self)
                if case .done = outcome { await ledger.acknowledged(name) } else { await ledger.unknownAck(name) }
            }
        }
    }

    /// What the broker said, and what therefore must hold.
    private actor Ledger {
        private var confirmedNames: Set<String> = []
        private var acknowledgedNames: Set<String> = []
        private var doneNames: Set<String> = []
        private(set) var violations: [String] = []
        private(set) var isPublishing = true
        private var publishers = 2

        var confirmedCount: Int { confirmedNames.count }
        var acknowledgedCount: Int { acknowledgedNames.count }
        var unacknowledged: Set<String> { confirmedNames.subtracting(doneNames) }
        var isSettled: Bool { publishers == 0 && unacknowledged.isEmpty }

        func stopPublishing() { isPublishing = false }
        func publisherEnded() { publishers -= 1 }
        func confirmed(_ name: String) { confirmedNames.insert(name) }
        func violation(_ text: String) { violations.append(text) }

        func delivered(_ name: String) {
            if acknowledgedNames.contains(name) { violations.append("\(name) was delivered after its ack was confirmed") }
        }

        func acknowledged(_ name: String) {
            if !acknowledgedNames.insert(name).inserted { violations.append("\(name) was acknowledged twice") }
            doneNames.insert(name)
        }

        /// The ack's answer was lost, or came too late: the message may come again, and was delivered at least.
        func unknownAck(_ name: String) { doneNames.insert(name) }
    }
}
