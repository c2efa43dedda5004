import HTTPTypes
import MCMS
import MCMSServer
import SpindleText
import Synchronization
import Testing

/// The operators' part of the API, over a broker in memory.
@Suite struct OperationsTests {
    private static let time = Timestamp(milliseconds: 1_800_000_000_000)

    private static func message(_ id: String, state: String = "ready", group: String? = nil, error: String? = nil, header: String = "a") -> QueueMessage {
        QueueMessage(
            summary: .init(id: id, state: state, type: "EspritGenerationCommand", group: group, attempts: 3, publishedAt: time, error: error, bytes: 2),
            headers: [.init(name: "site", value: header)], body: .init(encoding: .json, value: "{}"),
            attempts: [.init(number: 1, at: time, endedAt: time, worker: "worker/results", outcome: "nacked", error: error)],
            origin: .init(queue: "esprit-gen", reason: "attempts", deadAt: time))
    }

    private func api() throws -> (TestAPI, FakeOperationsBroker) {
        let broker = FakeOperationsBroker(
            .init(
                queues: [
                    QueueFigures(
                        name: "esprit-gen", counts: .init(ready: 2, delayed: 1, leased: 4), oldestAgeSeconds: 7.5,
                        deadLetterQueue: "esprit-gen.dead"),
                    QueueFigures(name: "esprit-gen.dead", counts: .init(ready: 3)),
                ],
                messages: [
                    "esprit-gen.dead": [
                        Self.message("a", group: "g1", error: "no license"), Self.message("b", group: "g2", error: "share gone", header: "b"),
                        Self.message("c", group: "g2", error: "no license"),
                    ], "esprit-gen": [Self.message("1", state: "leased")],
                ],
                workers: [
                    WorkerFigures(
                        id: "7", name: "results-1", principal: "worker", host: "cam-3", connectedSince: Self.time, heardAt: Self.time,
                        holds: [.init(queue: "esprit-gen", messageId: "1", attempt: 1, since: Self.time, leaseUntil: Self.time)])
                ]))
        return (try TestAPI(operations: OperationsServices(broker: broker)), broker)
    }

    @Test func aQueueTellsWhatItHoldsAndHowManyOfItsMessagesDied() async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        let list = try await api.send(.get, "/api/queues", as: "admin").body["items"]
        #expect(list[0]["name"] == "esprit-gen")
        #expect(list[0]["held"] == 7)
        #expect(list[0]["dead"] == 3)
        #expect(list[0]["oldestAgeSeconds"] == 7.5)
        #expect(list[0]["isDeadLetterQueue"] == false)
        #expect(list[1]["isDeadLetterQueue"] == true)
        #expect(try await api.send(.get, "/api/queues/nothing", as: "admin").status == 404)
    }

    @Test func aPauseIsSeenAtOnceAndItsReasonNamesWhoPaused() async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        let paused = try await api.send(.post, "/api/queues/esprit-gen/pause", as: "admin").body
        #expect(paused["paused"] == true)
        #expect(paused["pause"]["reason"] == "paused by admin")
        let long = String(repeating: "x", count: TextLimits.reasonMax + 1)
        #expect(try await api.send(.post, "/api/queues/esprit-gen/pause", #"{"reason":"\#(long)"}"#, as: "admin").status == 400)
        #expect(try await api.send(.post, "/api/queues/esprit-gen/resume", as: "admin").body["paused"] == false)
    }

    @Test(arguments: [
        ("", ["a", "b", "c"]), ("id=b", ["b"]), ("group=g2", ["b", "c"]), ("error=license", ["a", "c"]), ("header=site:b", ["b"]),
        ("group=g2&error=license", ["c"]), ("state=leased", []), ("type=other", []), ("limit=2", ["a", "b"]), ("cursor=b", ["c"]),
    ])
    func messagesAreFoundByWhatIsKnownOfThem(query: String, ids: [String]) async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        let answer = try await api.send(.get, "/api/queues/esprit-gen.dead/messages?\(query)", as: "admin")
        #expect(answer.status == 200)
        for (index, id) in ids.enumerated() { #expect(answer.body["items"][index]["id"].string == id) }
        #expect(answer.body["items"][ids.count]["id"].string == nil, "no more than \(ids)")
    }

    @Test(arguments: ["state=sleeping", "header=site", "header=:b", "limit=0"]) func aFilterThatCannotBeReadIsNamed(query: String) async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        let answer = try await api.send(.get, "/api/queues/esprit-gen/messages?\(query)", as: "admin")
        #expect(answer.status == 400)
        #expect(answer.body["field"].string == query.split(separator: "=").first.map(String.init))
    }

    @Test func aMessageShowsItsHeadersItsBodyAndEachAttempt() async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        let message = try await api.send(.get, "/api/queues/esprit-gen.dead/messages/a", as: "admin").body
        #expect(message["headers"][0]["name"] == "site")
        #expect(message["body"]["encoding"] == "json")
        #expect(message["attempts"][0]["error"] == "no license")
        #expect(message["attempts"][0]["outcome"] == "nacked")
        #expect(message["attemptCount"] == 3)
        #expect(message["origin"]["queue"] == "esprit-gen")
    }

    @Test func aBodyIsSavedAsItIsAndNeverShownAsAPage() async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        let answer = try await api.send(.get, "/api/queues/esprit-gen.dead/messages/a/body", as: "admin")
        #expect(answer.status == 200 && answer.text == "{}")
        #expect(answer.headers[.contentType] == "application/octet-stream")
        #expect(answer.headers[.contentDisposition] == "attachment; filename=\"a.bin\"")
        #expect(answer.headers[.xContentTypeOptions] == "nosniff")
        #expect(try await api.send(.get, "/api/queues/esprit-gen.dead/messages/z/body", as: "admin").status == 404)
    }

    @Test func aRedriveIsCountedFirstThenDoneWithAReceiptThatTheAuditKeeps() async throws {
        let (api, broker) = try api()
        defer { api.test.remove() }
        let path = "/api/queues/esprit-gen.dead/redrive"
        let preview = try await api.send(.post, path, #"{"filter":{"error":"license"},"preview":true}"#, as: "admin").body
        #expect(preview["count"] == 2)
        #expect(broker.state.withLock { $0.told } == [], "a preview changes nothing")
        let receipt = try await api.send(.post, path, #"{"filter":{"error":"license"}}"#, as: "admin").body["receipt"]
        #expect(receipt["moved"] == 2)
        #expect(receipt["state"] == "done")
        #expect(broker.state.withLock { $0.told } == ["redrive esprit-gen.dead: a,c"])
        let lines = try await api.test.store.audit(action: "POST /api/queues/{id}/redrive").items
        #expect(lines.map(\.actor) == ["admin", "admin"] && lines.map(\.subject) == [path, path])
        #expect(
            lines.map(\.detail) == [
                "job 1a (done): 2 moved, 0 skipped; filter: error=license", "preview: 2 messages; filter: error=license",
            ])
    }

    @Test func aCancelledMessageIsGoneOrFlagged() async throws {
        let (api, broker) = try api()
        defer { api.test.remove() }
        #expect(try await api.send(.post, "/api/queues/esprit-gen.dead/messages/a/cancel", as: "admin").body["outcome"] == "removed")
        #expect(try await api.send(.post, "/api/queues/esprit-gen/messages/1/cancel", as: "admin").body["outcome"] == "flagged")
        #expect(try await api.send(.post, "/api/queues/esprit-gen.dead/messages/a/cancel", as: "admin").status == 404)
        #expect(broker.state.withLock { $0.told }.first == "cancel esprit-gen.dead a: cancelled by admin")
    }

    @Test func aWorkerIsSeenWithWhatItHoldsAndToldToStop() async throws {
        let (api, broker) = try api()
        defer { api.test.remove() }
        let workers = try await api.send(.get, "/api/workers", as: "admin").body["items"]
        #expect(workers[0]["host"] == "cam-3")
        #expect(workers[0]["holds"][0]["messageId"] == "1")
        #expect(try await api.send(.post, "/api/workers/7/quiet", #"{"reason":"service"}"#, as: "admin").status == 200)
        #expect(try await api.send(.post, "/api/workers/8/terminate", as: "admin").status == 404)
        #expect(broker.state.withLock { $0.told } == ["quiet 7: service"])
        let audit = try await api.test.store.audit(action: "POST /api/workers/{id}/quiet").items
        #expect(audit.map(\.subject) == ["/api/workers/7/quiet"] && audit.map(\.detail) == ["service"])
    }

    @Test func aBrokerThatIsAwayIsABusyServerNotABrokenOne() async throws {
        let (api, broker) = try api()
        defer { api.test.remove() }
        broker.state.withLock { $0.failure = .unreachable("connection refused") }
        let answer = try await api.send(.get, "/api/queues", as: "admin")
        #expect(answer.status == 503)
        #expect(answer.headers[.retryAfter] == "5")
        #expect(answer.body["detail"].string?.contains("connection refused") == true)
    }

    @Test func theOutboxShowsWhatWaits() async throws {
        let (api, _) = try api()
        defer { api.test.remove() }
        _ = try await api.test.approved()
        let outbox = try await api.send(.get, "/api/outbox", as: "admin").body
        #expect(outbox["pending"].int ?? 0 > 0)
        #expect(outbox["dead"] == 0)
        #expect(outbox["items"][0]["status"] == "pending")
        #expect(outbox["oldestPendingAt"].string != nil)
    }

    // MARK: Rates

    @Test func aRateNeedsTwoReadingsThatLieApart() {
        let rates = QueueRates()
        func note(_ published: Int, _ settled: Int, at: Int64) {
            rates.note([QueueFigures(name: "q", flow: .init(published: published, settled: settled))], at: at)
        }
        note(10, 5, at: 1_000)
        #expect(rates.rate(of: "q") == nil)
        note(11, 5, at: 1_500)
        #expect(rates.rate(of: "q") == nil, "half a second tells nothing")
        note(30, 15, at: 6_000)
        #expect(rates.rate(of: "q") == QueueRate(publishedPerSecond: 4, settledPerSecond: 2))
        note(30, 15, at: 60_000)
        note(30, 15, at: 70_000)
        #expect(rates.rate(of: "q") == QueueRate(publishedPerSecond: 0, settledPerSecond: 0), "what lies long ago is forgotten")
        note(1, 0, at: 75_000)
        #expect(rates.rate(of: "q") == nil, "the queue was made again")
        rates.note([], at: 80_000)
        #expect(rates.rate(of: "q") == nil)
    }
}
