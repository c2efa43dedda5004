import Foundation
import Testing

/// The operators' part of the HTTP API, by a person who signed in, against real processes.
@Suite struct OperationsRouteTests {
    /// A cluster with an operator's session.
    private struct Shop {
        let roles: RunningRoles
        let origin: String
        let session: [String]

        static func open(_ started: [String], change: @Sendable (String) -> String = { $0 }) async throws -> Shop {
            let roles = try RunningRoles(change: change)
            try await roles.startAll(started)
            let origin = "http://127.0.0.1:\(roles.base + 2)"
            let shop = Shop(roles: roles, origin: origin, session: try await Self.session(of: "oper", role: "operator", roles, origin))
            try await roles.waitUntil("the web server reaches the broker") { try await shop.ask("GET", "/api/queues").status == 200 }
            return shop
        }

        /// Makes an account, and signs in.
        static func session(of name: String, role: String, _ roles: RunningRoles, _ origin: String) async throws -> [String] {
            let added = try await Spindle.run(
                "user", "add", name, "--role", role, "--password-file", "-", "--data", roles.data, input: "correct horse battery")
            try #require(added.exitCode == 0, "\(added.errors)")
            let signedIn = try await Curl.send("POST", origin + "/api/session", body: #"{"name":"\#(name)","password":"correct horse battery"}"#)
            return ["-H", "Cookie: \(try #require(signedIn.cookie, "\(signedIn)"))", "-H", "Origin: \(origin)"]
        }

        func ask(_ method: String, _ path: String, _ body: String? = nil, correlation: String? = nil) async throws -> Curl.Answer {
            let named = correlation.map { ["-H", "X-Correlation-ID: \($0)"] } ?? []
            return try await Curl.send(method, origin + path, session + named, body: body)
        }

        /// The answer to a request that must succeed.
        func json(_ method: String, _ path: String, _ body: String? = nil, correlation: String? = nil) async throws -> [String: Any] {
            let answer = try await ask(method, path, body, correlation: correlation)
            try #require((200...299).contains(answer.status), "\(method) \(path): \(answer.status) \(answer.body)")
            return try #require(try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
        }

        func items(_ path: String) async throws -> [[String: Any]] { try #require(try await json("GET", path)["items"] as? [[String: Any]]) }

        /// Runs a command that must succeed, and returns its first JSON value.
        @discardableResult
        func spindle(_ arguments: String...) async throws -> [String: Any] {
            let result = try await Spindle.run(arguments + ["--data", roles.data, "--port-base", "\(roles.base)", "--json"])
            try #require(result.exitCode == 0, "\(arguments): \(result.errors)")
            return try result.json().first ?? [:]
        }

        func publish(_ queue: String, _ text: String, _ more: String...) async throws -> String {
            let result = try await Spindle.run(
                ["message", "publish", queue, "--text", text] + more + ["--data", roles.data, "--port-base", "\(roles.base)", "--json"])
            return try #require(try result.json().first?["id"] as? String, "\(result.errors)")
        }

        /// Lets the next message of a queue die.
        func kill(_ queue: String, reason: String) async throws {
            let token = try #require(try await spindle("message", "lease", queue, "--wait", "20s", "--lease", "60s")["token"] as? String)
            try await spindle("message", "nack", token, "--dead", "--reason", reason)
        }

        /// The one line of the audit with this correlation id, by the operator, from here, and of now.
        func audited(_ correlation: String, _ action: String, _ subject: String, _ detail: String?, status: Int = 200) async throws {
            let result = try await Spindle.run("user", "audit", "--limit", "100", "--json", "--data", roles.data)
            let lines = try result.json().filter { $0["correlation_id"] as? String == correlation }
            try #require(lines.count == 1, "\(correlation): \(result.output)\(result.errors)")
            let line = lines[0]
            #expect(line["actor"] as? String == "oper" && line["principal"] as? String == "user:oper" && line["address"] as? String == "127.0.0.1", "\(line)")
            #expect(line["action"] as? String == action && line["subject"] as? String == subject && line["status"] as? Int == status, "\(line)")
            #expect(line["detail"] as? String == detail, "\(correlation)")
            let written = Date(timeIntervalSince1970: Double(try #require(line["time_ms"] as? Int)) / 1000)
            #expect(abs(written.timeIntervalSinceNow) < 120, "\(written)")
        }
    }

    /// Both queues send their dead letters to one.
    @Sendable private static func sharedGraveyard(_ text: String) -> String {
        text.replacing("- name: missingParts\n    policy:\n", with: "- name: missingParts\n    policy:\n      deadLetterQueue: file-ingest.dead\n")
            .replacing("- name: cas-gc\n    policy:\n", with: "- name: cas-gc\n    policy:\n      deadLetterQueue: file-ingest.dead\n")
    }

    @Test func aQueueIsSeenPausedAndResumedByItsOperatorOnly() async throws {
        let shop = try await Shop.open(["broker", "bridge"])
        _ = try await shop.publish("esprit-gen", "one")
        _ = try await shop.publish("esprit-gen", "later", "--delay", "1h")
        let queues = try await shop.items("/api/queues")
        let queue = try #require(queues.first { $0["name"] as? String == "esprit-gen" }, "\(queues)")
        #expect(queue["ready"] as? Int == 1 && queue["delayed"] as? Int == 1 && queue["leased"] as? Int == 0 && queue["held"] as? Int == 2, "\(queue)")
        #expect(queue["deadLetterQueue"] as? String == "esprit-gen.dead" && queue["isDeadLetterQueue"] as? Bool == false)
        #expect(try await shop.json("GET", "/api/queues/esprit-gen.dead")["isDeadLetterQueue"] as? Bool == true)
        #expect((queue["bytes"] as? Int ?? 0) > 0)

        let paused = try await shop.json("POST", "/api/queues/esprit-gen/pause", #"{"reason":"the CAM server is serviced"}"#, correlation: "pause-1")
        #expect(paused["paused"] as? Bool == true)
        let reason = try await shop.spindle("queue", "stats", "esprit-gen")["pause_reason"] as? String
        #expect(reason == "the CAM server is serviced")
        try await shop.audited("pause-1", "POST /api/queues/{id}/pause", "/api/queues/esprit-gen/pause", "the CAM server is serviced")
        let resumed = try await shop.json("POST", "/api/queues/esprit-gen/resume", correlation: "resume-1")
        #expect(resumed["paused"] as? Bool == false)
        let leased = try await shop.spindle("message", "lease", "esprit-gen", "--wait", "20s")
        #expect(leased["body"] as? String == "one")
        try await shop.audited("resume-1", "POST /api/queues/{id}/resume", "/api/queues/esprit-gen/resume", nil)

        #expect(try await shop.ask("GET", "/api/queues/nothing").status == 404)
        #expect(try await shop.ask("POST", "/api/queues/nothing/pause", correlation: "nothing-1").status == 404)
        try await shop.audited("nothing-1", "POST /api/queues/{id}/pause", "/api/queues/nothing/pause", "paused by oper", status: 404)
        let viewer = try await Shop.session(of: "view", role: "viewer", shop.roles, shop.origin)
        #expect(try await Curl.send("GET", shop.origin + "/api/queues", viewer).status == 403)
        #expect(try await Curl.send("POST", shop.origin + "/api/queues/esprit-gen/pause", viewer).status == 403)
        #expect(try await shop.json("GET", "/api/queues/esprit-gen")["paused"] as? Bool == false)
        try await shop.roles.stop()
    }

    @Test func messagesAreFoundSeenWholeAndCancelled() async throws {
        let shop = try await Shop.open(["broker", "bridge"])
        let page = "/api/queues/missingParts/messages"
        let part = try await shop.publish(
            "missingParts", #"{"part":"브래킷"}"#, "--task-type", "Part", "--group", "g1", "--header", "site=south:2", "--correlation-id", "c-7")
        let plain = try await shop.publish("missingParts", "plain", "--task-type", "Other", "--group", "g2", "--header", "site=north")
        let late = try await shop.publish("missingParts", "late", "--delay", "1h")
        let bytes = shop.roles.directory.path + "/bytes"
        let binary = Data([0xff, 0x00, 0x0d, 0x0a, 0x80])
        try binary.write(to: URL(fileURLWithPath: bytes))
        let raw = try #require(try await shop.spindle("message", "publish", "missingParts", "--file", bytes)["id"] as? String)
        // The first one is tried in vain once, so that it has a reason to be found by.
        let token = try #require(try await shop.spindle("message", "lease", "missingParts", "--wait", "20s", "--lease", "60s")["token"] as? String)
        try await shop.spindle("message", "nack", token, "--reason", "the share is away", "--delay", "0s")

        func ids(_ query: String) async throws -> [String] { try await shop.items("\(page)?\(query)").compactMap { $0["id"] as? String } }
        #expect(try await ids("") == [part, plain, late, raw])
        for (query, found) in [
            ("id=\(plain)", [plain]), ("type=Part", [part]), ("group=g2", [plain]), ("header=site:south:2", [part]), ("header=site:south", []),
            ("error=share%20is", [part]), ("error=Share", []), ("state=delayed", [late]), ("state=leased", []),
            ("type=Part&group=g1&header=site:south:2&error=away&state=ready", [part]), ("type=Part&group=g2", []), ("id=nothing", []),
        ] { #expect(try await ids(query) == found, "\(query)") }
        let first = try await shop.json("GET", "\(page)?limit=3")
        let cursor = try #require(first["nextCursor"] as? String)
        #expect(try await ids("limit=3&cursor=\(cursor)") == [raw])

        let message = try await shop.json("GET", "\(page)/\(part)")
        #expect(message["type"] as? String == "Part" && message["group"] as? String == "g1" && message["correlationId"] as? String == "c-7", "\(message)")
        #expect(message["body"] as? [String: String] == ["encoding": "json", "value": #"{"part":"브래킷"}"#])
        #expect((message["headers"] as? [[String: String]])?.contains(["name": "site", "value": "south:2"]) == true, "\(message)")
        let attempt = try #require((message["attempts"] as? [[String: Any]])?.first)
        #expect(attempt["error"] as? String == "the share is away" && attempt["outcome"] as? String == "nacked", "\(attempt)")
        #expect(attempt["worker"] as? String != nil && attempt["at"] as? String != nil)
        let encoded = try await shop.json("GET", "\(page)/\(raw)")["body"] as? [String: String]
        #expect(encoded == ["encoding": "base64", "value": binary.base64EncodedString()])
        #expect(try await shop.json("GET", "\(page)/\(plain)")["body"] as? [String: String] == ["encoding": "text", "value": "plain"])
        let saved = shop.roles.directory.path + "/saved"
        let head = try await Curl.send("GET", shop.origin + "\(page)/\(raw)/body", shop.session + ["-o", saved, "-D", "-"])
        #expect(head.status == 200 && head.field("content-disposition") == "attachment; filename=\"\(raw).bin\"", "\(head)")
        // With -i, curl writes the head into the file too: the body follows it.
        let file = try Data(contentsOf: URL(fileURLWithPath: saved))
        #expect(file.suffix(binary.count + 4) == Data("\r\n\r\n".utf8) + binary)

        // Cancelled: gone, or flagged while somebody holds it.
        let gone = try await shop.json("POST", "\(page)/\(plain)/cancel", #"{"reason":"withdrawn"}"#, correlation: "cancel-1")
        #expect(gone["outcome"] as? String == "removed")
        try await shop.audited("cancel-1", "POST /api/queues/{id}/messages/{index}/cancel", "\(page)/\(plain)/cancel", "removed: withdrawn")
        #expect(try await shop.ask("GET", "\(page)/\(plain)").status == 404)
        let held = try await shop.spindle("message", "lease", "missingParts", "--wait", "20s", "--lease", "60s")
        #expect(held["body"] as? String == #"{"part":"브래킷"}"#, "\(held)")
        #expect(try await shop.json("POST", "\(page)/\(part)/cancel")["outcome"] as? String == "flagged")
        #expect(try await shop.json("GET", "\(page)/\(part)")["state"] as? String == "cancelled")
        try await shop.roles.stop()
    }

    @Test func deadLettersReturnToTheQueuesTheyCameFrom() async throws {
        let shop = try await Shop.open(["broker", "bridge"], change: Self.sharedGraveyard)
        for (queue, reason) in [("missingParts", "no license"), ("cas-gc", "no license"), ("missingParts", "bad part")] {
            _ = try await shop.publish(queue, reason)
            try await shop.kill(queue, reason: reason)
        }
        let broken = "/api/queues/file-ingest.dead"
        let dead = try await shop.items("\(broken)/messages")
        #expect(dead.compactMap { $0["error"] as? String } == ["no license", "no license", "bad part"], "\(dead)")
        #expect(try await shop.json("GET", "/api/queues/missingParts")["dead"] as? Int == 3)
        let one = try await shop.json("GET", "\(broken)/messages/\(try #require(dead[1]["id"] as? String))")
        #expect((one["origin"] as? [String: Any])?["queue"] as? String == "cas-gc", "\(one)")
        #expect((one["attempts"] as? [[String: Any]])?.last?["error"] as? String == "no license")

        let filter = #""filter":{"error":"license"}"#
        let preview = try await shop.json("POST", "\(broken)/redrive", "{\(filter),\"preview\":true}", correlation: "preview-1")
        #expect(preview["count"] as? Int == 2 && preview["isCut"] as? Bool == false, "\(preview)")
        #expect(try await shop.json("GET", broken)["held"] as? Int == 3, "a preview moves nothing")
        try await shop.audited("preview-1", "POST /api/queues/{id}/redrive", "\(broken)/redrive", "preview: 2 messages; filter: error=license")
        let answer = try await shop.json("POST", "\(broken)/redrive", "{\(filter)}", correlation: "redrive-1")
        let receipt = try #require(answer["receipt"] as? [String: Any])
        #expect(receipt["moved"] as? Int == 2 && receipt["skipped"] as? Int == 0 && receipt["state"] as? String == "done", "\(receipt)")
        let job = try #require(receipt["id"] as? String)
        try await shop.audited("redrive-1", "POST /api/queues/{id}/redrive", "\(broken)/redrive", "job \(job) (done): 2 moved, 0 skipped; filter: error=license")
        let later = try await shop.json("GET", "\(broken)/redrive/\(job)")["receipt"] as? [String: Any]
        #expect(later?["moved"] as? Int == 2)
        #expect(try await shop.items("\(broken)/messages").compactMap { $0["error"] as? String } == ["bad part"])
        for queue in ["missingParts", "cas-gc"] {
            let back = try await shop.spindle("message", "lease", queue, "--wait", "20s")
            #expect(back["body"] as? String == "no license", "\(queue): \(back)")
        }
        #expect(try await shop.ask("POST", "\(broken)/redrive", #"{"filter":{"headers":["site"]}}"#).status == 400)
        try await shop.roles.stop()
    }

    @Test func aWorkerIsSeenQuietedAndEnded() async throws {
        let shop = try await Shop.open(["broker", "bridge", "worker"])
        @Sendable func worker() async throws -> [String: Any]? { try await shop.items("/api/workers").first { ($0["name"] as? String)?.hasPrefix("worker-results") == true } }
        try await shop.roles.waitUntil("the worker waits for messages") { try await worker()?["isIdle"] as? Bool == true }
        let seen = try #require(try await worker())
        let id = try #require(seen["id"] as? String)
        #expect(seen["principal"] as? String == "worker" && seen["state"] as? String == "running" && seen["connectedSince"] as? String != nil, "\(seen)")
        let held = try await shop.publish("esprit-gen", "held")
        try await shop.spindle("message", "lease", "esprit-gen", "--wait", "20s", "--lease", "60s")
        let holds = try await shop.items("/api/workers").flatMap { $0["holds"] as? [[String: Any]] ?? [] }
        #expect(holds.map { $0["messageId"] as? String } == [held] && holds.first?["queue"] as? String == "esprit-gen", "\(holds)")

        for (order, state) in [("quiet", "quiet"), ("resume", "running")] {
            let told = try await shop.json("POST", "/api/workers/\(id)/\(order)", #"{"reason":"service of the hall"}"#, correlation: "\(order)-1")
            #expect(told["told"] as? Int == 1)
            try await shop.roles.waitUntil("the worker is \(state)") { try await worker()?["state"] as? String == state }
            try await shop.audited("\(order)-1", "POST /api/workers/{id}/\(order)", "/api/workers/\(id)/\(order)", "service of the hall")
        }
        #expect(try await shop.json("POST", "/api/workers/\(id)/terminate", correlation: "end-1")["told"] as? Int == 1)
        #expect(try await shop.roles.end(of: "worker") == 0)
        try await shop.audited("end-1", "POST /api/workers/{id}/terminate", "/api/workers/\(id)/terminate", "terminate by oper")
        try await shop.roles.waitUntil("the worker is gone") { try await worker() == nil }
        #expect(try await shop.ask("POST", "/api/workers/\(id)/quiet").status == 404)
        try await shop.roles.stop()
    }

    @Test func theOutboxShowsWhatTheBrokerRefuses() async throws {
        let shop = try await Shop.open(["broker", "bridge"])
        try await shop.spindle("queue", "pause", "esprit-gen", "--what", "publishes", "--reason", "full")
        let created = try await shop.roles.http("POST", "/api/routings", body: #"{"name":"waits"}"#)
        let routing = try #require((try JSONSerialization.jsonObject(with: created.body) as? [String: Any])?["id"] as? String)
        for action in ["submit", "approve"] { #expect(try await shop.roles.http("POST", "/api/routings/\(routing)/\(action)", body: "{}").status == 200) }
        try await shop.roles.waitUntil("the outbox tells why the command waits") {
            try await shop.items("/api/outbox").contains {
                $0["destination"] as? String == "esprit-gen" && ($0["error"] as? String ?? "").contains("QUEUE_PAUSED")
            }
        }
        let outbox = try await shop.json("GET", "/api/outbox")
        #expect((outbox["pending"] as? Int ?? 0) + (outbox["inProgress"] as? Int ?? 0) >= 1 && outbox["dead"] as? Int == 0, "\(outbox)")
        let row = try #require((outbox["items"] as? [[String: Any]])?.first { $0["type"] as? String == "EspritGenerationCommand" })
        #expect(row["key"] as? String == routing && row["createdAt"] as? String != nil, "\(row)")
        _ = try await shop.json("POST", "/api/queues/esprit-gen/resume")
        try await shop.roles.waitUntil("the outbox is empty") { try await shop.items("/api/outbox").isEmpty }
        try await shop.roles.stop()
    }

    @Test func thePastOfAQueueOutlivesWebServerAndBroker() async throws {
        let shop = try await Shop.open(["broker", "bridge"])
        _ = try await shop.publish("esprit-gen", "waits")
        @Sendable func depths() async throws -> [Int] { try await shop.items("/api/queues/esprit-gen/history?hours=1").compactMap { $0["ready"] as? Int } }
        try await shop.roles.waitUntil("the depth is kept") { try await depths().contains(1) }
        let before = try await shop.items("/api/queues/esprit-gen/history?hours=1")
        try await shop.roles.killAndRestart("broker")
        try await shop.roles.killAndRestart("bridge")
        try await shop.roles.waitUntil("the web server is ready") { try await shop.roles.http("GET", "/readyz").status == 200 }
        let after = try await shop.items("/api/queues/esprit-gen/history?hours=1")
        #expect(after.prefix(before.count).map { $0["at"] as? String } == before.map { $0["at"] as? String })
        #expect(after.prefix(before.count).map { $0["ready"] as? Int } == before.map { $0["ready"] as? Int })
        let count = before.count
        try await shop.roles.waitUntil("it goes on") { try await depths().count > count }
        try await shop.roles.stop()
    }

    @Test func theSystemIsSeenWithItsPartsAndASilentBrokerIsNamed() async throws {
        let shop = try await Shop.open(["broker", "bridge"])
        @Sendable func broker() async throws -> [String: Any] { try #require((try await shop.json("GET", "/api/system")["brokers"] as? [[String: Any]])?.first) }
        try await shop.roles.waitUntil("everything was looked at") {
            let system = try await shop.json("GET", "/api/system")
            return (system["disks"] as? [Any])?.isEmpty == false && system["share"] != nil && (system["database"] as? [String: Any])?["state"] as? String == "ok"
        }
        let system = try await shop.json("GET", "/api/system")
        let server = try #require(system["server"] as? [String: Any])
        #expect(server["name"] as? String == "web" && server["state"] as? String == "ok" && (server["uptimeSeconds"] as? Int ?? -1) >= 0, "\(server)")
        let version = try await Spindle.run("--version").output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(version.contains(server["version"] as? String ?? "none"), "\(version) \(server)")
        let disk = try #require((system["disks"] as? [[String: Any]])?.first)
        let values = try URL(fileURLWithPath: shop.roles.data).resourceValues(forKeys: [.volumeTotalCapacityKey])
        #expect(disk["bytesTotal"] as? Int == values.volumeTotalCapacity, "\(disk)")
        #expect((disk["use"] as? String)?.hasPrefix("data") == true && (disk["bytesFree"] as? Int ?? 0) > 0)
        #expect((system["share"] as? [String: Any])?["name"] as? String == #"W:\"#)

        let before = try await broker()
        #expect(before["name"] as? String == "broker-1" && before["state"] as? String == "ok", "\(before)")
        let log = try #require(before["log"] as? [String: Any])
        #expect((log["segments"] as? Int ?? 0) >= 1 && log["bytes"] as? Int == (log["segments"] as? Int ?? 0) * (log["segmentBytes"] as? Int ?? 0), "\(log)")
        _ = try await shop.publish("esprit-gen", String(repeating: "x", count: 10_000))
        let live = try #require((try await broker()["log"] as? [String: Any])?["liveBytes"] as? Int)
        #expect(live >= (log["liveBytes"] as? Int ?? 0) + 10_000)
        try await shop.roles.send(SIGSTOP, to: "broker")
        let silent = try await broker()
        #expect(silent["state"] as? String == "error" && silent["reason"] as? String != nil, "\(silent)")
        try await shop.roles.send(SIGCONT, to: "broker")
        try await shop.roles.waitUntil("the broker answers again") { try await broker()["state"] as? String == "ok" }
        try await shop.roles.stop()
    }

    @Test func aBrokerThatIsDownIsNamedAndBackAfterItsReturn() async throws {
        let shop = try await Shop.open(["broker", "bridge"])
        try await shop.roles.send(SIGSTOP, to: "broker")
        let away = try await shop.ask("POST", "/api/queues/esprit-gen/pause", correlation: "away-1")
        #expect(away.status == 503 && away.field("retry-after") == "5", "\(away)")
        try await shop.audited("away-1", "POST /api/queues/{id}/pause", "/api/queues/esprit-gen/pause", "paused by oper", status: 503)
        try await shop.roles.send(SIGCONT, to: "broker")
        try await shop.roles.waitUntil("the broker answers again") { try await shop.ask("GET", "/api/queues").status == 200 }
        try await shop.roles.stop()
    }
}
