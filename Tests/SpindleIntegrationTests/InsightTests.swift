import Foundation
import Testing

/// Why something is where it is, and what happened under a correlation id, through real processes.
@Suite struct InsightTests {
    private struct Routing: Decodable {
        let id: String
        let lastAddinJobId: String?
        let lastGenerationStatus: String
    }
    private struct Why: Decodable {
        struct Next: Decodable { let event: String }
        let state: String
        let cause: String
        let next: Next?
        let text: String
        let details: [String: String]
    }
    private struct Timeline: Decodable {
        struct Item: Decodable {
            let at: String
            let kind: String
            let who: String?
            let text: String
            let details: [String: String]
        }
        let items: [Item]
    }

    /// The add-in dies in the middle of its first attempt; a second one ends the job.
    @Test func anApprovalIsFollowedFromTheClickToTheEvents() async throws {
        let roles = try RunningRoles(addin: ["--slow", "2s", "--die-after", "50"])
        try await roles.startAll(["broker", "bridge", "worker"])
        let created = try await roles.http("POST", "/api/routings", body: #"{"name": "브래킷"}"#).decode(Routing.self)
        let path = "/api/routings/\(created.id)"
        #expect(try await roles.http("POST", "\(path)/submit", body: "{}").status == 200)
        let approved = try await Curl.send(
            "POST", "http://127.0.0.1:\(roles.base + 2)\(path)/approve",
            ["-H", "Authorization: Bearer \(try roles.token("admin"))", "-H", "X-Correlation-ID: click-1", "-H", "Content-Type: application/json"], body: "{}")
        try #require(approved.status == 200, "\(approved.body)")
        let job = try #require(try await roles.http("GET", path).decode(Routing.self).lastAddinJobId)

        // No add-in runs: the command waits, and says for what.
        try await roles.waitUntil("the command waits for an add-in") {
            let answer = try await roles.http("GET", "/api/why/\(job)")
            return answer.status == 200 ? try answer.decode(Why.self).cause == "noConsumer" : false
        }
        let why = try await roles.http("GET", "/api/why/\(job)?language=en").decode(Why.self)
        #expect(why.state == "ready" && why.text.contains("no worker takes messages of ‘esprit-gen’"), "\(why)")
        let message = try #require(why.details["messageId"])
        let options = ["--data", roles.directory.path + "/data", "--port-base", "\(roles.base)"]
        let told = try await Spindle.run(["why", "esprit-gen", message, "--json"] + options)
        #expect(try told.json().first?["cause"] as? String == "noConsumer", "\(told)")

        try await roles.start("addin")
        #expect(try await roles.end(of: "addin") == 137, "it died at half of the work")
        try await roles.start("addin")
        try await roles.waitUntil("the result is there") {
            try await roles.http("GET", path).decode(Routing.self).lastGenerationStatus == "completed"
        }
        #expect(try await roles.http("GET", "/api/why/\(job)").decode(Why.self).state == "completed")
        try await roles.waitUntil("the alert is published") {
            try await Self.timeline(roles).contains { $0.kind == "event" && $0.text == "notification.alert" }
        }
        let items = try await Self.timeline(roles)
        #expect(items.map(\.at) == items.map(\.at).sorted())
        let steps = items.map { "\($0.kind) \($0.details["queue"] ?? $0.details["topic"] ?? "")\($0.kind == "leased" ? $0.details["attempt"] ?? "" : "")" }
        let expected = [
            "request ", "change ", "queued esprit-gen", "published esprit-gen", "leased esprit-gen1", "attempt esprit-gen", "leased esprit-gen2",
            "leased addin-result1", "handled addin-result", "result ", "event notification.alert",
        ]
        var place = steps.startIndex
        for step in expected {
            let found = try #require(steps[place...].firstIndex(of: step), "\(step) comes after \(steps[..<place]) in \(steps)")
            place = found + 1
        }
        #expect(items.first?.text == "POST /api/routings/{id}/approve → 200" && items.first?.who == "admin", "\(items.first as Any)")
        #expect(items.first { $0.kind == "handled" }?.who == "worker-results", "\(items)")
        let shown = try await Spindle.run(["timeline", "click-1"] + options)
        #expect(shown.exitCode == 0 && shown.output.contains("EspritGenerationCommand"), "\(shown)")
        #expect(try await Spindle.run(["timeline", "nobody"] + options).exitCode == 1)
        try await roles.stop()
    }

    private static func timeline(_ roles: RunningRoles) async throws -> [Timeline.Item] {
        try await roles.http("GET", "/api/timeline/click-1").decode(Timeline.self).items
    }
}
