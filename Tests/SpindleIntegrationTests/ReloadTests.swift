import Foundation
import SpindleCluster
import Testing

/// SIGHUP, as after `systemctl reload`: tokens and certificates are read again, and nothing ends.
@Suite(.serialized) struct ReloadTests {
    @Test func aChangedTokenEndsItsSessionsAndTheClusterGoesOn() async throws {
        let cluster = try await ClusterCommandTests.RunningCluster.start()
        let page = "http://127.0.0.1:\(cluster.base + 2)"
        func token(_ name: String) throws -> String {
            try String(contentsOfFile: "\(cluster.data)/tokens/\(name)", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        func wait(for what: String, until isSo: () async throws -> Bool) async throws {
            let end = ContinuousClock.now + Spindle.deadline
            while try await !isSo() { try #require(ContinuousClock.now < end, "not in time: \(what)") }
        }
        func session(_ name: String) async throws -> [String] {
            let answer = try await Curl.send("POST", page + "/api/session", body: #"{"token":"\#(try token(name))"}"#)
            return ["-H", "Cookie: \(try #require(answer.cookie))"]
        }
        let (mine, other) = (try await session("web"), try await session("admin"))
        let visitor = try await Curl.send("POST", page + "/api/session", body: #"{"trial":true}"#)
        let visiting = ["-H", "Cookie: \(try #require(visitor.cookie))"]
        let before = try token("web")
        let stream = try Curl.Stream(page + "/events/alerts", mine)
        try await wait(for: "the stream begins") { stream.count(of: "hello") == 1 }

        try FileManager.default.removeItem(atPath: "\(cluster.data)/tokens/web")
        cluster.process.send(SIGHUP)
        try await wait(for: "the session has ended") { try await Curl.send("GET", page + "/api/session", mine).status == 401 }
        #expect(try await Curl.send("GET", page + "/api/session", visiting).status == 401, "a visitor's session goes with the token too")
        #expect(try await Curl.send("GET", page + "/api/session", other).status == 200)
        try await wait(for: "the stream is told") { stream.count(of: "reauth") == 1 }
        try await wait(for: "the new token is known") {
            guard let now = try? token("web"), now != before else { return false }
            return try await Curl.send("GET", page + "/api/session", ["-H", "Authorization: Bearer \(now)"]).status == 200
        }
        #expect(try await Curl.send("GET", page + "/api/session", ["-H", "Authorization: Bearer \(before)"]).status == 401)

        let status = try #require(try await cluster.spindle("status", "--json").json().first)
        let processes = try #require(status["processes"] as? [[String: Any]])
        #expect(processes.allSatisfy { $0["state"] as? String == "running" && $0["restarts"] as? Int == 0 }, "\(processes)")
        try await cluster.down()
    }

    /// A certificate that ends soon is told, one that has ended is named, and a new one serves after SIGHUP, in the same process.
    @Test func certificatesAreRenewedWithoutARestart() async throws {
        let roles = try RunningRoles { text in
            text.replacing("    portBase: 7400\n", with: "    portBase: 7400\n    tls: {certificate: tls/broker-1.pem, key: tls/broker-1.key, authority: tls/ca.pem}\n")
                .replacing("    listen: 127.0.0.1\n", with: "    listen: 127.0.0.1\n    tls: {certificate: tls/web.pem, key: tls/web.key}\n")
        }
        let certificates = CertificateFiles(directory: roles.data + "/tls")
        _ = try certificates.initialize(cluster: "poc", servers: [], clients: [])
        func made(_ days: Double) -> Date { Date(timeIntervalSinceNow: -days * 86_400) }
        _ = try certificates.issueServer(.init(name: "broker-1", hosts: []), now: made(Double(CertificateFiles.leafDays) - 20.5))
        _ = try certificates.issueServer(.init(name: "web", hosts: []), now: made(Double(CertificateFiles.leafDays) + 1))
        for role in ["broker", "bridge"] { try await roles.start(role) }
        try await roles.waitUntil("the broker tells when its certificate ends") {
            await roles.errors(of: "broker").contains("tls/broker-1.pem expires in 20 days")
        }
        try await roles.waitUntil("the web server names what has ended") { await roles.errors(of: "bridge").contains("tls/web.pem expired on 20") }
        try await roles.waitUntil("the web server is ready") { await roles.errors(of: "bridge").contains("web server is ready") }
        let url = "https://127.0.0.1:\(roles.base + 2)"
        let trust = ["--cacert", certificates.authorityPath]
        #expect(try await Curl.send("GET", url + "/readyz", trust).status == 0, "who verifies it is not served")
        let metrics = try await Curl.send("GET", url + "/metrics", ["-k"]).body
        #expect(metrics.contains("spindle_certificate_expires_seconds{file=\"\(roles.data)/tls/web.pem\"} "), "\(metrics)")

        _ = try certificates.issueServer(.init(name: "web", hosts: []), replacing: true)
        try await roles.send(SIGHUP, to: "bridge")
        try await roles.waitUntil("the new certificate is shown") { try await Curl.send("GET", url + "/readyz", trust).status == 200 }
        try await roles.stop()
    }

    @Test func theDataDirectoryIsClosedToOthers() async throws {
        let cluster = try await ClusterCommandTests.RunningCluster.start(prepare: { data in
            // As somebody made it by hand.
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        })
        func mode(_ path: String) throws -> Int? { try FileManager.default.attributesOfItem(atPath: cluster.data + path)[.posixPermissions] as? Int }
        #expect(try mode("") == 0o750)
        #expect(try mode("/tokens") == 0o700)
        #expect(try mode("/mcms/mcms.sqlite") == 0o600)
        #expect(try mode("/mcms/mcms.sqlite-wal") == 0o600)
        try await cluster.down()
    }
}
