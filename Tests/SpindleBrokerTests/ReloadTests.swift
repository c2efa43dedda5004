import Foundation
import NIOSSL
import SpindleBroker
import SpindleCluster
import SpindleWire
import Testing

/// Tokens and certificates that change while the broker runs.
@Suite("Reloading")
struct ReloadTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func aChangedTokenEndsItsConnectionsAndNoOthers() async throws {
        try await TestBroker.run(folder) { running in
            let admin = try await running.client()
            let reader = try await running.client("reader")
            let old = try running.token("reader")
            try FileManager.default.removeItem(atPath: running.broker.tokenDirectory + "/reader")
            #expect(try await reader.lease("esprit-gen").isEmpty, "nothing changes before the files are read again")
            try await running.broker.reload()
            try await reader.expectClosed()
            _ = try await admin.publish("addin-result", "still here")
            #expect(try running.token("reader") != old, "a missing token is made")
            let stranger = try await running.raw()
            _ = try await stranger.hello()
            #expect(try await stranger.authenticate(token: old).errorCode() == .authenticationFailed)
            #expect(try await running.client("reader").lease("esprit-gen").isEmpty)
        }
    }

    /// One file that can't be read leaves everything as it was.
    @Test func badFilesChangeNothing() async throws {
        try await TestBroker.run(folder) { running in
            let reader = try await running.client("reader")
            try "short".write(toFile: running.broker.tokenDirectory + "/admin", atomically: true, encoding: .utf8)
            let error = await #expect(throws: BrokerStartError.self) { try await running.broker.reload() }
            #expect(error?.code == .tokens)
            #expect(try await reader.lease("esprit-gen").isEmpty)
        }
    }

    @Test func aRenewedCertificateIsShownFromThenOn() async throws {
        let certificates = CertificateFiles(directory: folder.path + "/certificates")
        _ = try certificates.initialize(cluster: "test", servers: [], clients: [])
        // Expired: nobody who verifies it connects.
        let long = Date(timeIntervalSinceNow: -900 * 86_400)
        let server = try certificates.issueServer(.init(name: "server", hosts: ["127.0.0.1"]), now: long)
        let tls = BrokerTLS(certificateFile: server.certificatePath, keyFile: server.keyPath, clientAuthorityFile: certificates.authorityPath)
        var client = NIOSSL.TLSConfiguration.makeClientConfiguration()
        client.trustRoots = .file(certificates.authorityPath)
        let configuration = client
        try await TestBroker.run(folder) {
            $0.listeners = [BrokerListener(host: "127.0.0.1", port: 0, tls: tls)]
        } _: { running in
            let refusing = try await TestClient.connect(port: running.broker.ports[0], tls: configuration)
            refusing.sendLater(TestClient.frame(Opcode.hello.rawValue, TestClient.body { HelloRequest(clientName: "f", clientVersion: "1").encode(into: &$0) }))
            try await refusing.expectClosed()
            _ = try certificates.issueServer(.init(name: "server", hosts: ["127.0.0.1"]), replacing: true)
            try await running.broker.reload()
            let good = try await TestClient.connect(port: running.broker.ports[0], tls: configuration)
            _ = try await good.hello()
            #expect(try await good.authenticate(token: try running.token()).principal() == "admin")
        }
    }

    @Test func operationsBeyondLoopbackAreRefused() async throws {
        var configuration = TestBroker.configuration(folder)
        configuration.operations = OperationsListener(host: "0.0.0.0", port: 0)
        let refusing = configuration
        let error = await #expect(throws: BrokerStartError.self) { try await Broker.start(configuration: refusing, logger: TestBroker.logger) }
        #expect(error?.code == .listen && error?.message.contains("plain HTTP") == true)
        configuration.operations = OperationsListener(host: "0.0.0.0", port: 0, allowPlaintext: true)
        let broker = try await Broker.start(configuration: configuration, logger: TestBroker.logger)
        await broker.shutdown()
    }
}
