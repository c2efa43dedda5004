import Foundation
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

    /// `SPINDLE_KILLS` and `SPINDLE_BROKER_KILLS` set the numbers of kills.
    @Test func noRoutingIsLeftWithoutItsResultAndNoHistoryIsDoubled() async throws {
        let kills = Machine.count("SPINDLE_KILLS", 200)
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
        let cycles = Machine.count("SPINDLE_BROKER_KILLS", 500)
        let broker = try LoneBroker()
        try await broker.start()
        let load = try broker.load(.init(batch: 1...100))
        let totals = try await load.run {
            for _ in 0..<cycles {
                try await load.progress()
                // A random moment; the deadline is the waiting above.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<60)))
                try await broker.killAndStart()
            }
        }
        try await broker.stop()
        print(totals.line("kill -9 of the broker", cycles: cycles))
    }
}
