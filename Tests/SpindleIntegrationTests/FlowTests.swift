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

    private struct Job: Decodable {
        let status: String
        let message: String?
    }

    /// The worker gives up on the command; after that it is generated again, and ended over HTTP while the new command waits.
    @Test func aCommandThatDiesIsAFailedJobAndOneOfAnEndedJobIsTakenOut() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge", "worker"])
        let options = ["--data", roles.directory.path + "/data", "--port-base", "\(roles.base)", "--json"]
        let created = try await roles.http("POST", "/api/routings", body: #"{"name": "dies"}"#).decode(Routing.self)
        let path = "/api/routings/\(created.id)"
        for action in ["submit", "approve"] { #expect(try await roles.http("POST", "\(path)/\(action)", body: "{}").status == 200) }
        try await roles.waitUntil("the broker answers") { try await Spindle.run(["queue", "ls"] + options).exitCode == 0 }
        let lease = try await Spindle.run(["message", "lease", "esprit-gen", "--wait", "20s", "--lease", "60s"] + options)
        let token = try #require(try lease.json().first?["token"] as? String, "\(lease)")
        let dead = try await Spindle.run(["message", "nack", token, "--dead", "--reason", "no license"] + options)
        #expect(dead.exitCode == 0, "\(dead)")
        try await roles.waitUntil("the badge says that the generation failed") {
            try await roles.http("GET", path).decode(Routing.self).lastGenerationStatus == "failed"
        }
        let failed = try #require(try await roles.http("GET", path).decode(Routing.self).lastAddinJobId)
        let job = try await roles.http("GET", "/api/addin/jobs/\(failed)").decode(Job.self)
        #expect(job.status == "failed" && job.message == "The command to the add-in died after 1 attempt: no license", "\(job)")
        #expect(try await roles.http("GET", "\(path)/history").decode(History.self).items.last?.event == "AddinJobFailed")

        #expect(try await roles.http("POST", "\(path)/retry-generation", body: "{}").status == 200)
        let second = try #require(try await roles.http("GET", path).decode(Routing.self).lastAddinJobId)
        #expect(second != failed)
        let answer = try await roles.http("POST", "/api/addin/jobs/\(second)/complete", body: #"{"ResultStatus": "Completed", "Message": "by hand"}"#)
        #expect(answer.status == 202, "\(String(decoding: answer.body, as: UTF8.self))")
        try await roles.waitUntil("the result is there") {
            try await roles.http("GET", path).decode(Routing.self).lastGenerationStatus == "completed"
        }
        try await roles.waitUntil("its command is taken out of the queue") {
            let queue = try await Spindle.run(["queue", "stats", "esprit-gen"] + options).json().first
            return queue?["ready"] as? Int == 0 && queue?["leased"] as? Int == 0 && queue?["published"] as? Int == 2
        }
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
