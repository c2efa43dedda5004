import Foundation
import Testing

/// A workstation that is lost: real processes over the broker's TLS port, and none of them is started again.
@Suite struct RevocationTests {
    @Test func aRevokedCertificateIsRefusedAtOnceAndAnotherIsTakenWithoutARestart() async throws {
        let cluster = try await SecureCluster(name: "127.0.0.1", host: "local") { text in
            text.replacing("    address: 127.0.0.1\n", with: "    address: 127.0.0.1\n  - name: cam\n    address: 127.0.0.1\n")
                .replacing("  enabled: true\n  host: local\n", with: "  enabled: false\n  host: cam\n")
                .replacing("  - name: addin\n    role", with: "  - name: addin\n    certificateName: addin\n    role")
        }
        let cam = cluster.directory.path + "/cam"
        func take() async throws {
            let file = cam + ".spindle"
            try await cluster.spindle("host", "add", "cam", "--to", file)
            #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
            let joined = try await Spindle.run("host", "join", file, "--config", cam + ".yaml", "--data", cam)
            #expect(joined.exitCode == 0, "\(joined.errors)")
            try FileManager.default.removeItem(atPath: file)
        }
        func workers() async throws -> [String] {
            let answer = try await Spindle.run("worker", "ls", "--data", cluster.data, "--json")
            return answer.output.split(separator: "\n").map(String.init)
        }
        try await take()
        let addin = try SpindleProcess(
            ["addin", "--config", cam + ".yaml", "--data", cam, "--port-base", "\(cluster.base)", "--slow", "50ms", "--log-format", "json"])
        try await cluster.waitUntil("the add-in is connected") { try await workers().contains { $0.contains("\"addin\"") } }

        // Renewed, so that there are two certificates of the key; then revoked.
        try await cluster.spindle("cert", "renew", "addin")
        let revoked = try await cluster.spindle("cert", "revoke", "addin", "--json").json()[0]
        #expect(revoked["is_new"] as? Bool == true)
        let list = try await cluster.spindle("cert", "ls", "--json").json()
        #expect(!list.contains { $0["purpose"] as? String == "client" && $0["name"] as? String == "addin" })
        #expect(list.contains { $0["purpose"] as? String == "revoked" && $0["name"] as? String == "addin" })
        try await cluster.waitUntil("its connection has ended, and it is told why") { addin.errors.contains("the client certificate was revoked") }
        #expect(try await !workers().contains { $0.contains("\"addin\"") })
        let log = try String(contentsOfFile: cluster.data + "/logs/broker-1.log", encoding: .utf8)
        #expect(log.contains("the certificate of 'addin' was revoked"), "the broker says whom it cut")

        // Another one for the same workstation.
        try await take()
        try await cluster.waitUntil("the add-in is connected again") { try await workers().contains { $0.contains("\"addin\"") } }
        #expect(addin.isRunning)
        addin.send(SIGTERM)
        #expect(try await addin.exitCode(within: Spindle.deadline) == 0, "\(addin.errors.suffix(2000))")
        try await cluster.stop()
    }

    /// A file of another cluster is not taken by mistake.
    @Test func aBundleOfAnotherAuthorityIsRefused() async throws {
        let directory = try TemporaryDirectory()
        let description = directory.path + "/cluster.yaml"
        let shown = try await Spindle.run("config", "show")
        let text = shown.output
            .replacing("    portBase: 7400\n", with: "    portBase: 7400\n    tls: {certificate: tls/broker-1.pem, key: tls/broker-1.key, authority: tls/ca.pem}\n")
            .replacing("    address: 127.0.0.1\n", with: "    address: 127.0.0.1\n  - name: cam\n    address: 127.0.0.1\n")
            .replacing("  enabled: true\n  host: local\n", with: "  enabled: false\n  host: cam\n")
        try text.write(toFile: description, atomically: true, encoding: .utf8)
        let made = try await Spindle.run("cert", "init", "--config", description, "--data", directory.path + "/first")
        #expect(made.exitCode == 0, "\(made.errors)")
        let useless = try await Spindle.run(
            "host", "add", "cam", "--config", description, "--data", directory.path + "/first", "--to", directory.path + "/useless.spindle")
        #expect(useless.exitCode != 0 && useless.errors.contains("certificateName: addin"), "a certificate that the broker would refuse is not handed out")
        try text.replacing("  - name: addin\n    role", with: "  - name: addin\n    certificateName: addin\n    role")
            .write(toFile: description, atomically: true, encoding: .utf8)
        for one in ["a", "b"] {
            let common = ["--config", description, "--data", directory.path + "/" + one]
            for command in [["cert", "init"], ["host", "add", "cam", "--to", directory.path + "/\(one).spindle"]] {
                let result = try await Spindle.run(command + common)
                #expect(result.exitCode == 0, "\(result.errors)")
            }
        }
        func join(_ one: String, _ further: [String] = []) async throws -> Spindle.Result {
            try await Spindle.run(["host", "join", directory.path + "/\(one).spindle", "--config", directory.path + "/cam.yaml", "--data", directory.path + "/cam"] + further)
        }
        let authority = { try String(contentsOfFile: directory.path + "/cam/tls/ca.pem", encoding: .utf8) }
        #expect(try await join("a").exitCode == 0)
        let first = try authority()
        #expect(try await join("a").exitCode == 0, "again, as after a renewal")
        let refused = try await join("b")
        #expect(refused.exitCode != 0 && refused.errors.contains("another authority"), "\(refused.errors)")
        #expect(try authority() == first)
        #expect(try await join("b", ["--replace"]).exitCode == 0)
        #expect(try authority() != first)
        #expect(try FileManager.default.attributesOfItem(atPath: directory.path + "/cam/tls/client-addin.key")[.posixPermissions] as? Int == 0o600)
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/cam/tls/ca.key"))
        let broken = directory.path + "/broken.spindle"
        try "{}".write(toFile: broken, atomically: true, encoding: .utf8)
        #expect(try await join("broken").errors.contains("no bundle"))
    }
}
