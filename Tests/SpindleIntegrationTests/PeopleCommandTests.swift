import Foundation
import Testing

/// People of a real cluster: made by commands and links, signed in over HTTP, through restarts.
@Suite(.serialized) struct PeopleCommandTests {
    private static let password = "correct horse battery"

    private func passwordFile(_ directory: TemporaryDirectory, _ password: String = password) throws -> String {
        let path = "\(directory.path)/password-\(UUID().uuidString)"
        try (password + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func signIn(_ base: String, _ name: String, _ password: String = password) async throws -> Curl.Answer {
        try await Curl.send("POST", base + "/api/session", body: #"{"name":"\#(name)","password":"\#(password)"}"#)
    }

    @Test func accountsAreManagedByCommandsAndOutliveRestarts() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let base = "http://127.0.0.1:\(roles.base + 2)"
        let file = try passwordFile(roles.directory)
        func spindle(_ arguments: String..., input: String? = nil) async throws -> Spindle.Result {
            try await Spindle.run(["user"] + arguments + ["--data", roles.data], input: input)
        }
        func added(_ result: Spindle.Result) { #expect(result.exitCode == 0, "\(result.errors)") }
        added(try await spindle("add", "boss", "--role", "admin", "--password-file", file))
        added(try await spindle("add", "kim", "--role", "approver", "--display-name", "김철수", "--password-file", "-", input: Self.password))
        let listed = try await spindle("ls", "--json").json()
        #expect(listed.map { $0["name"] as? String } == ["boss", "kim"] && listed.last?["display_name"] as? String == "김철수", "\(listed)")
        #expect(listed.allSatisfy { $0["password_hash"] == nil && $0["stamp"] == nil })

        // Signed in, through a kill of the web server.
        let signedIn = try await signIn(base, "kim")
        #expect(signedIn.status == 201, "\(signedIn)")
        let session = ["-H", "Cookie: \(try #require(signedIn.cookie))", "-H", "Origin: \(base)"]
        try await roles.killAndRestart("bridge")
        try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
        #expect(try await Curl.send("GET", base + "/api/me", session).body.contains("김철수"))
        #expect(try await Curl.send("POST", base + "/api/routings", session, body: #"{"name":"a"}"#).status == 201)

        // What commands change holds at once, and open streams are told.
        let stream = try Curl.Stream(base + "/events/updates", session)
        try await roles.waitUntil("the stream begins") { stream.count(of: "hello") == 1 }
        added(try await spindle("role", "kim", "viewer"))
        #expect(try await Curl.send("POST", base + "/api/routings", session, body: #"{"name":"a"}"#).status == 403)
        added(try await spindle("disable", "kim"))
        #expect(try await Curl.send("GET", base + "/api/me", session).status == 401)
        try await roles.waitUntil("the stream is told", within: .seconds(10)) { stream.count(of: "reauth") == 1 }
        #expect(try await signIn(base, "kim").status == 401)
        added(try await spindle("enable", "kim"))
        added(try await spindle("passwd", "kim", "--password-file", try passwordFile(roles.directory, "another password")))
        #expect(try await signIn(base, "kim").status == 401)
        #expect(try await signIn(base, "kim", "another password").status == 201)

        for (arguments, says) in [
            (["add", "kim", "--password-file", file], "There is an account “kim” already"), (["add", "김철수", "--password-file", file], "display name"),
            (["add", "lee", "--password-file", try passwordFile(roles.directory, "short")], "at least 10 characters"),
            (["add", "lee", "--password-file", "/no/such/file"], "can't be read"), (["add", "lee"], "--password-file FILE"),
            (["add", "lee", "--password-file", try passwordFile(roles.directory, "two\nlines of text")], "several lines"),
            (["role", "nobody", "admin"], "no account with the id “nobody”"), (["disable", "boss"], "the last administrator"),
            (["role", "boss", "viewer"], "the last administrator"),
        ] as [([String], String)] {
            let result = try await Spindle.run(["user"] + arguments + ["--data", roles.data])
            #expect(result.exitCode != 0 && result.errors.contains(says) && result.output.isEmpty, "\(arguments): \(result.errors)")
        }
        let audit = try await spindle("audit", "--json").json()
        let actions = audit.compactMap { $0["action"] as? String }
        #expect(actions.contains("account-created") && actions.contains("POST /api/routings") && actions.contains("sign-in-refused"), "\(actions)")
        #expect(audit.allSatisfy { ($0["address"] as? String)?.isEmpty == false && $0["actor"] != nil && $0["correlation_id"] != nil })
        let log = await roles.errors(of: "bridge")
        #expect(log.contains("sign-in refused") && !log.contains(Self.password) && !log.contains("another password"))
        try await roles.stop()
    }

    @Test func upPrintsALinkThatMakesTheFirstAdministrator() async throws {
        let cluster = try await ClusterCommandTests.RunningCluster.start()
        let base = "http://127.0.0.1:\(cluster.base + 2)"
        let end = ContinuousClock.now + Spindle.deadline
        var found: String?
        while found == nil {
            try #require(ContinuousClock.now < end, "no link: \(cluster.process.output)")
            found = cluster.process.output.firstMatch(of: #/#link=([0-9a-f]{64})\s/#).map { String($0.1) }
        }
        let secret = try #require(found)
        #expect(cluster.process.output.contains("\(base)/#link=\(secret)"))
        let body = #"{"link":"\#(secret)","name":"boss","password":"\#(Self.password)"}"#
        let made = try await Curl.send("POST", base + "/api/setup", body: body)
        #expect(made.status == 201, "\(made)")
        let session = ["-H", "Cookie: \(try #require(made.cookie))", "-H", "Origin: \(base)"]
        #expect(try await Curl.send("GET", base + "/api/users", session).status == 200)
        #expect(try await Curl.send("POST", base + "/api/setup", body: body.replacing("boss", with: "thief")).status == 403, "once")
        let invited = try await cluster.spindle("user", "invite", "--role", "approver", "--json").json()
        let url = try #require(invited.first?["url"] as? String)
        let link = try #require(url.split(separator: "=").last)
        let second = try await Curl.send("POST", base + "/api/setup", body: #"{"link":"\#(link)","name":"kim","password":"\#(Self.password)"}"#)
        #expect(second.status == 201 && second.body.contains("approver"), "\(second)")
        // Commands go on with their tokens.
        #expect(try await cluster.spindle("file", "ls").exitCode == 0)
        try await cluster.down()
    }
}
