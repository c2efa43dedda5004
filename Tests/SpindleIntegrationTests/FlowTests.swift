import Foundation
import Testing

/// Results that come more than once, through real processes.
@Suite struct FlowTests {
    private struct Routing: Decodable {
        let id: String
        let status: String
        let camRevision: Int
        let lastAddinJobId: String?
        let lastGenerationStatus: String
    }
    private struct History: Decodable {
        struct Entry: Decodable { let event: String }
        let items: [Entry]
    }

    private static func demo(_ roles: RunningRoles, _ options: String...) async throws -> Spindle.Result {
        try await Spindle.run(["demo", "--data", roles.directory.path + "/data", "--port-base", "\(roles.base)", "--json"] + options)
    }

    private static func steps(_ result: Spindle.Result) -> String { result.output + result.errors }

    @Test func anAddinThatAnswersTwiceHasOneEffect() async throws {
        let roles = try RunningRoles(addin: ["--slow", "200ms", "--answer-twice"])
        try await roles.startAll()
        let created = try await roles.http("POST", "/api/routings", body: #"{"name": "브래킷"}"#).decode(Routing.self)
        for action in ["submit", "approve"] { #expect(try await roles.http("POST", "/api/routings/\(created.id)/\(action)", body: "{}").status == 200) }
        try await roles.waitUntil("the result is there") {
            try await roles.http("GET", "/api/routings/\(created.id)").decode(Routing.self).lastGenerationStatus == "completed"
        }
        // A second answer would be handled before this one's.
        let marker = try await Self.demo(roles)
        #expect(marker.exitCode == 0, "\(Self.steps(marker))")
        let events = try await roles.http("GET", "/api/routings/\(created.id)/history").decode(History.self).items.map(\.event)
        #expect(events.filter { $0 == "AddinJobCompleted" }.count == 1, "\(events)")
        try await roles.stop()
    }

    @Test func aResultPostedFiveTimesHasOneEffect() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge", "worker"])
        let created = try await roles.http("POST", "/api/routings", body: #"{"name": "posted"}"#).decode(Routing.self)
        for action in ["submit", "approve"] { #expect(try await roles.http("POST", "/api/routings/\(created.id)/\(action)", body: "{}").status == 200) }
        let job = try #require(try await roles.http("GET", "/api/routings/\(created.id)").decode(Routing.self).lastAddinJobId)
        var answers: Set<Data> = []
        for _ in 0..<5 {
            let answer = try await roles.http(
                "POST", "/api/addin/jobs/\(job)/complete", body: #"{"resultStatus": "completed", "message": "by hand", "outputs": []}"#)
            #expect(answer.status == 202, "\(String(decoding: answer.body, as: UTF8.self))")
            answers.insert(answer.body)
        }
        #expect(answers.count == 1, "the same answer each time")
        try await roles.waitUntil("the result is there") {
            try await roles.http("GET", "/api/routings/\(created.id)").decode(Routing.self).lastGenerationStatus == "completed"
        }
        let events = try await roles.http("GET", "/api/routings/\(created.id)/history").decode(History.self).items.map(\.event)
        #expect(events.filter { $0 == "AddinJobCompleted" }.count == 1, "\(events)")
        #expect(!events.contains("AddinJobResultIgnored"), "\(events)")
        try await roles.stop()
    }
}
