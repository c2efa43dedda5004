import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import MCMS
import MCMSServer
import NIOCore
import SQLStore
import Testing

/// The API as a client sees it.
struct TestAPI {
    let test: TestStore
    let app: Application<RouterResponder<BasicRequestContext>>

    static let tokens = ["admin": "admin-token-0123456789", "web": "web-token-0123456789", "worker": "worker-token-0123456789", "addin": "addin-token-0123456789", "pages": "pages-token-0123456789"]

    /// The roles of the shipped descriptions.
    static let roles: [TokenDirectoryAuthenticator.Assignment] = [
        .init(principal: "admin", role: .admin), .init(principal: "web", role: .approver), .init(principal: "worker", role: .viewer),
        .init(principal: "addin", role: .addin), .init(principal: "pages", role: .bff),
    ]

    /// Passwords that cost next to nothing, so that tests are quick.
    static let cheap = PasswordHash.Cost(log2Rounds: 1, blockSize: 1, parallelism: 1)

    init(
        _ access: WebAccess.Configuration = .init(), approval: ApprovalRule = .anyone, hasher: PasswordHasher = PasswordHasher(cost: cheap),
        operations: OperationsServices? = nil, logger: Logger = quiet
    ) throws {
        test = try TestStore(approval: approval)
        let tokens = test.folder.appendingPathComponent("tokens")
        try FileManager.default.createDirectory(at: tokens, withIntermediateDirectories: true)
        for (name, token) in Self.tokens {
            try (token + "\n").write(to: tokens.appendingPathComponent(name), atomically: false, encoding: .utf8)
        }
        let server = try MCMSServer(
            store: test.store, operations: operations, authenticator: try TokenDirectoryAuthenticator(directory: tokens.path, roles: Self.roles), access: access, hasher: hasher,
            logger: logger)
        let router = Router()
        server.addRoutes(to: router)
        app = Application(router: router, logger: quiet)
    }

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let body: JSON
        let text: String
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, as principal: String? = "web", headers: HTTPFields = [:]
    ) async throws -> Answer {
        var all = headers
        if let principal { all[.authorization] = "Bearer \(Self.tokens[principal] ?? principal)" }
        if body != nil, all[.contentType] == nil { all[.contentType] = "application/json" }
        let headers = all
        return try await app.test(.router) { client in
            try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) { response in
                let text = String(buffer: response.body)
                return Answer(
                    status: response.status.code, headers: response.headers,
                    body: (try? JSONDecoder().decode(JSON.self, from: Data(text.utf8))) ?? .null, text: text)
            }
        }
    }
}

@Suite struct HTTPTests {
    @Test func aRoutingGoesThroughItsWholeLife() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let created = try await api.send(.post, "/api/routings", #"{"name":"브래킷 3호","extra":1}"#)
        #expect(created.status == 201)
        let id = try #require(created.body["id"]?.text)
        #expect(created.headers[.location] == "/api/routings/\(id)")
        #expect(created.body["name"] == "브래킷 3호")
        #expect(created.body["legalActions"] == .list(["submit"]))
        #expect(try await api.send(.post, "/api/routings/\(id)/submit").body["status"] == "pendingApproval")
        let approved = try await api.send(.post, "/api/routings/\(id)/approve", #"{"actor":"이영희"}"#, as: "pages")
        #expect(approved.body["status"] == "approved")
        #expect(approved.body["approver"] == "이영희")
        #expect(approved.body["lastGenerationStatus"] == "queued")
        let job = try #require(approved.body["lastAddinJobId"]?.text)
        #expect(try await api.send(.get, "/api/routings/\(id)").body == approved.body)
        let list = try await api.send(.get, "/api/routings?status=approved&limit=1")
        #expect(list.body["items"]?.list == [approved.body])
        let jobs = try await api.send(.get, "/api/addin/jobs?status=created", as: "addin")
        #expect(jobs.body["items"]?.list?.map { $0["jobId"] } == [.text(job)])
        #expect(try await api.send(.get, "/api/addin/jobs/\(job)").body["requestedBy"] == "이영희")
        for (query, count) in [("sort=oldest", 1), ("sort=newest&status=created", 1), ("since=2001-01-01T00:00:00.000Z", 0)] {
            let found = try await api.send(.get, "/api/addin/jobs?\(query)", as: "addin")
            #expect(found.body["items"]?.list?.count == count, "\(query): the job has not ended")
        }
        let history = try await api.send(.get, "/api/routings/\(id)/history")
        #expect(
            history.body["items"]?.list?.map { $0["event"] }
                == ["RoutingCreated", "RoutingSubmitted", "RoutingApproved", "AddinJobCreated"])
        #expect(history.body["items"]?.list?.first?["actor"] == "web")
        #expect(history.body["items"]?.list?.map { $0["principal"] } == ["web", "web", "pages", "pages"], "who asked is kept beside in whose name")
    }

    @Test func aRepeatedCallbackIsAnsweredTheSame() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let (_, job) = try await api.test.approved()
        let body = #"{"resultStatus":"completed","message":"완료","outputs":[{"path":"W:\\a.nc"}]}"#
        let first = try await api.send(.post, "/api/addin/jobs/\(job)/complete", body, as: "addin")
        #expect(first.status == 202)
        #expect(first.body["jobId"] == .text(job))
        for _ in 0..<3 {
            let again = try await api.send(.post, "/api/addin/jobs/\(job)/complete", body, as: "addin")
            #expect(again.status == 202)
            #expect(again.text == first.text)
        }
        #expect(try await api.test.outbox().filter { $0.destination == "addin-result" }.count == 1)
    }

    struct Refusal: CustomTestStringConvertible {
        var testDescription: String { "\(method) \(path) \(body ?? "")" }
        let method: HTTPRequest.Method
        let path: String
        var body: String?
        var principal: String? = "web"
        let status: Int
        let kind: String
        var field: String?
    }

    @Test(arguments: [
        Refusal(method: .get, path: "/api/nothing", status: 404, kind: "not-found"),
        Refusal(method: .get, path: "/api", status: 404, kind: "not-found"),
        Refusal(method: .post, path: "/api/routings/x/explode", status: 404, kind: "not-found"),
        Refusal(method: .get, path: "/api/routings/x", status: 404, kind: "not-found"),
        Refusal(method: .get, path: "/api/routings/x/history", status: 404, kind: "not-found"),
        Refusal(method: .post, path: "/api/routings/x/approve", status: 404, kind: "not-found"),
        Refusal(method: .get, path: "/api/addin/jobs/x", status: 404, kind: "not-found"),
        Refusal(
            method: .post, path: "/api/addin/jobs/x/complete", body: #"{"resultStatus":"failed"}"#, principal: "addin", status: 404,
            kind: "not-found"),
        Refusal(method: .delete, path: "/api/routings", status: 405, kind: "method-not-allowed"),
        Refusal(method: .put, path: "/api/routings/x", status: 405, kind: "method-not-allowed"),
        Refusal(method: .get, path: "/api/routings/x/approve", status: 405, kind: "method-not-allowed"),
        Refusal(method: .post, path: "/api/routings", body: "{", status: 400, kind: "malformed-request"),
        Refusal(method: .post, path: "/api/routings", body: "", status: 400, kind: "invalid-field", field: "name"),
        Refusal(method: .post, path: "/api/routings", body: #"{"name":7}"#, status: 400, kind: "invalid-field", field: "name"),
        Refusal(method: .post, path: "/api/routings", body: #"{"name":" "}"#, status: 400, kind: "invalid-field", field: "name"),
        Refusal(
            method: .post, path: "/api/routings", body: #"{"name":"a","actor":""}"#, principal: "pages", status: 400, kind: "invalid-field", field: "actor"),
        Refusal(method: .get, path: "/api/routings?limit=0", status: 400, kind: "invalid-field", field: "limit"),
        Refusal(method: .get, path: "/api/routings?limit=many", status: 400, kind: "invalid-field", field: "limit"),
        Refusal(method: .get, path: "/api/routings?status=done", status: 400, kind: "invalid-field", field: "status"),
        Refusal(method: .get, path: "/api/addin/jobs?status=done", status: 400, kind: "invalid-field", field: "status"),
        Refusal(method: .get, path: "/api/addin/jobs?since=today", status: 400, kind: "invalid-field", field: "since"),
        Refusal(method: .get, path: "/api/addin/jobs?sort=name", status: 400, kind: "invalid-field", field: "sort"),
        Refusal(
            method: .post, path: "/api/addin/jobs/x/complete", body: #"{"resultStatus":"failed","outputs":[{}]}"#, principal: "addin",
            status: 400, kind: "invalid-field", field: "outputs[0].path"),
        Refusal(
            method: .post, path: "/api/routings", body: #"{"name":""# + String(repeating: "a", count: 70_000) + #""}"#, status: 413,
            kind: "too-large"),
        Refusal(method: .get, path: "/api/routings", principal: nil, status: 401, kind: "not-authenticated"),
        Refusal(method: .get, path: "/api/routings", principal: "wrong-token-0123456789", status: 401, kind: "not-authenticated"),
        Refusal(method: .get, path: "/api/session", principal: nil, status: 401, kind: "not-authenticated"),
        Refusal(method: .get, path: "/api/routings", principal: "addin", status: 403, kind: "not-permitted"),
        Refusal(method: .post, path: "/api/routings", body: #"{"name":"a"}"#, principal: "addin", status: 403, kind: "not-permitted"),
        Refusal(method: .post, path: "/api/routings", body: #"{"name":"a"}"#, principal: "worker", status: 403, kind: "not-permitted"),
        Refusal(
            method: .post, path: "/api/addin/jobs/x/complete", body: #"{"resultStatus":"failed"}"#, principal: "web", status: 403,
            kind: "not-permitted"),
    ])
    func refusalsAreProblemDocuments(refusal: Refusal) async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let before = try await api.test.dump()
        let answer = try await api.send(
            refusal.method, refusal.path, refusal.body, as: refusal.principal,
            headers: [HTTPField.Name("X-Correlation-ID")!: "trace-1"])
        #expect(answer.status == refusal.status)
        #expect(answer.headers[.contentType] == "application/problem+json")
        #expect(answer.body["type"] == .text("urn:mcms:problem:\(refusal.kind)"))
        #expect(answer.body["status"] == .number(Double(refusal.status)))
        #expect(answer.body["instance"]?.text == refusal.path.split(separator: "?").first.map(String.init))
        #expect(answer.body["field"]?.text == refusal.field)
        #expect(answer.body["correlationId"] == "trace-1")
        for key in ["title", "detail", "action"] { #expect(answer.body[key]?.text?.isEmpty == false, "\(key)") }
        if refusal.status == 401 { #expect(answer.headers[.wwwAuthenticate]?.hasPrefix("Bearer") == true) }
        if refusal.status == 405 { #expect(answer.headers[.allow]?.isEmpty == false) }
        #expect(try await api.test.dump() == before)
    }

    @Test func anIllegalActionNamesTheStatusAndWhatIsPossible() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let draft = try await api.test.store.createRouting(name: "a", by: api.test.caller())
        let answer = try await api.send(.post, "/api/routings/\(draft.id)/approve")
        #expect(answer.status == 409)
        #expect(answer.body["currentStatus"] == "draft")
        #expect(answer.body["legalActions"] == .list(["submit"]))
    }

    @Test func otherKindsOfBodyAreRefused() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let answer = try await api.send(.post, "/api/routings", "name=a", headers: [.contentType: "application/x-www-form-urlencoded"])
        #expect(answer.status == 415)
    }

    @Test func aBrokenDatabaseIsAnInternalErrorWithoutDetails() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.test.store.database.write { _ = try $0.execute("ALTER TABLE routing RENAME TO secretTable") }
        let answer = try await api.send(.get, "/api/routings")
        #expect(answer.status == 500)
        #expect(!answer.text.contains("secretTable"))
        #expect(!answer.text.contains("SQL"))
        #expect(try await api.send(.get, "/readyz", as: nil).status == 503)
        #expect(try await api.send(.get, "/healthz", as: nil).status == 200)
    }

    @Test func headAndOptionsAreAnswered() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let head = try await api.send(.head, "/api/routings")
        #expect(head.status == 200)
        #expect(head.text.isEmpty)
        let options = try await api.send(.options, "/api/routings", as: nil)
        #expect(options.status == 204)
        #expect(options.headers[.allow] == "POST, GET, HEAD, OPTIONS")
        #expect(try await api.send(.get, "/readyz", as: nil).body["status"] == "ready")
    }

    @Test(arguments: [("abc-1.2:3_x", true), ("a b", false), ("a\u{e9}", false), (String(repeating: "a", count: 129), false)])
    func correlationIDsAreTakenOverIfTheyAreHarmless(given: String, isTaken: Bool) async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let name = try #require(HTTPField.Name("X-Correlation-ID"))
        let answer = try await api.send(.post, "/api/routings", #"{"name":"a"}"#, headers: [name: given])
        let used = try #require(answer.headers[name])
        #expect((used == given) == isTaken)
        let id = try #require(answer.body["id"]?.text)
        #expect(try await api.test.store.history(of: id).items.map(\.correlationId) == [used])
    }
}
