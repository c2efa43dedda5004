import Foundation
import NIOSSL
import SpindleBroker
import SpindleCluster
import SpindleNode
import SpindleWire
import Testing

@Suite("TLS")
struct TLSTests {
    let folder: TemporaryFolder
    let certificates: CertificateFiles
    let tls: BrokerTLS

    init() throws {
        folder = try TemporaryFolder()
        certificates = CertificateFiles(directory: folder.path + "/certificates")
        _ = try certificates.initialize(cluster: "test", servers: [], clients: [])
        let server = try certificates.issueServer(.init(name: "server", hosts: ["localhost", "127.0.0.1"]))
        tls = BrokerTLS(certificateFile: server.certificatePath, keyFile: server.keyPath, clientAuthorityFile: certificates.authorityPath)
    }

    private func clientConfiguration(_ certificate: CertificateFiles.Issued? = nil) throws -> NIOSSL.TLSConfiguration {
        var configuration = NIOSSL.TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(certificates.authorityPath)
        if let certificate {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.certificatePath).map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: certificate.keyPath, format: .pem))
        }
        return configuration
    }

    private func run(_ body: (RunningBroker) async throws -> Void) async throws {
        try await TestBroker.run(folder) { [tls] in
            $0.listeners = [BrokerListener(host: "127.0.0.1", port: 0, tls: tls), BrokerListener(host: "127.0.0.1", port: 0)]
            $0.limits.unauthenticatedMilliseconds = 1_000
            $0.principals[1].certificateNames = ["worker-1"]
        } _: { try await body($0) }
    }

    /// A revoked certificate ends its connections at the next reload, and is no good for any way to authenticate; others stay.
    @Test func aRevokedCertificateIsRefused() async throws {
        let (thief, other) = (try certificates.issueClient("worker-1"), try certificates.issueClient("worker-2"))
        let (stolen, kept) = (try clientConfiguration(thief), try clientConfiguration(other))
        try await TestBroker.run(folder) { [tls, certificates] in
            $0.listeners = [BrokerListener(host: "127.0.0.1", port: 0, tls: tls)]
            $0.principals[0].certificateNames = ["worker-2"]
            $0.principals[1].certificateNames = ["worker-1"]
            $0.revokedKeys = { try RevocationList(file: certificates.revocationPath).keyDigests }
        } _: { running in
            let client = try await TestClient.connect(port: running.broker.ports[0], tls: stolen)
            #expect(try await authenticateByCertificate(client).principal() == "reader")
            let neighbour = try await TestClient.connect(port: running.broker.ports[0], tls: kept)
            #expect(try await authenticateByCertificate(neighbour).principal() == "admin")
            // Renewed: another serial number, the same key, and the old one is still good.
            _ = try certificates.renew("worker-1")
            #expect(try certificates.revoke("worker-1") != nil)
            #expect(try await client.lease("esprit-gen").isEmpty, "nothing changes before the list is read again")
            try await running.broker.reload()
            try await client.expectClosed()
            _ = try await neighbour.publish("esprit-gen", "still here")
            for byToken in [false, true] {
                let again = try await TestClient.connect(port: running.broker.ports[0], tls: stolen)
                if byToken { _ = try await again.hello() }
                let answer = byToken ? try await again.authenticate(token: try running.token("reader")) : try await authenticateByCertificate(again)
                #expect(try answer.errorCode() == .authenticationFailed)
                try await again.expectClosed()
            }
            // Another key for the same name is good, and a list that can't be read changes nothing.
            let fresh = try clientConfiguration(try certificates.issueClient("worker-1"))
            let restored = try await TestClient.connect(port: running.broker.ports[0], tls: fresh)
            #expect(try await authenticateByCertificate(restored).principal() == "reader")
            try "nonsense\n".write(toFile: certificates.revocationPath, atomically: true, encoding: .utf8)
            let error = await #expect(throws: BrokerStartError.self) { try await running.broker.reload() }
            #expect(error?.code == .tls)
            #expect(try await restored.lease("esprit-gen").map(\.text) == ["still here"])
        }
    }

    private func authenticateByCertificate(_ client: TestClient) async throws -> Frame {
        _ = try await client.hello()
        return try await client.request(.auth, TestClient.body { AuthRequest(method: .clientCertificate, credential: "").encode(into: &$0) })
    }

    @Test func byToken() async throws {
        try await run { running in
            let client = try await TestClient.connect(port: running.broker.ports[0], tls: try clientConfiguration())
            _ = try await client.hello()
            #expect(try await client.authenticate(token: try running.token()).principal() == "admin")
            _ = try await client.publish("esprit-gen", "secret")
            #expect(try await client.lease("esprit-gen").map(\.text) == ["secret"])
        }
    }

    @Test func byCertificate() async throws {
        let worker = try certificates.issueClient("worker-1")
        try await run { running in
            let client = try await TestClient.connect(port: running.broker.ports[0], tls: try clientConfiguration(worker))
            #expect(try await authenticateByCertificate(client).principal() == "reader")
            #expect(try await client.lease("esprit-gen").isEmpty)
        }
    }

    @Test func whatIsNoGoodCertificate() async throws {
        // Good, but nobody's; one of another authority that bears a known name; none at all; and none where there is no TLS.
        let stranger = try certificates.issueClient("stranger")
        let others = CertificateFiles(directory: folder.path + "/others")
        _ = try others.initialize(cluster: "others", servers: [], clients: [])
        let forged = try others.issueClient("worker-1")
        try await run { running in
            for certificate in [stranger, nil] {
                let client = try await TestClient.connect(port: running.broker.ports[0], tls: try clientConfiguration(certificate))
                #expect(try await authenticateByCertificate(client).errorCode() == .authenticationFailed)
                try await client.expectClosed()
            }
            let forger = try await TestClient.connect(port: running.broker.ports[0], tls: try clientConfiguration(forged))
            forger.sendLater(TestClient.frame(Opcode.hello.rawValue, TestClient.body { HelloRequest(clientName: "f", clientVersion: "1").encode(into: &$0) }))
            try await forger.expectClosed()
            let plain = try await TestClient.connect(port: running.broker.ports[1])
            #expect(try await authenticateByCertificate(plain).errorCode() == .authenticationFailed)
        }
    }

    @Test func garbageAndStallsInTheHandshake() async throws {
        try await run { running in
            for bytes in [Array("GET / HTTP/1.1\r\n\r\n".utf8), Array(repeating: 0xFF, count: 1_000), [0x16, 3, 1], []] {
                let client = try await TestClient.connect(port: running.broker.ports[0])
                if !bytes.isEmpty { client.sendLater(bytes) }
                _ = try await client.readToEnd()
            }
            let good = try await TestClient.connect(port: running.broker.ports[0], tls: try clientConfiguration())
            _ = try await good.hello()
        }
    }

    @Test func missingFilesAreNamed() async throws {
        var configuration = TestBroker.configuration(folder)
        configuration.listeners = [BrokerListener(host: "127.0.0.1", port: 0, tls: BrokerTLS(certificateFile: "/nowhere/c.pem", keyFile: "/nowhere/k.pem"))]
        let error = await #expect(throws: BrokerStartError.self) {
            _ = try await Broker.start(configuration: configuration, logger: TestBroker.logger)
        }
        #expect(error?.code == .tls)
        #expect(error?.message.contains("/nowhere/c.pem") == true)
    }
}
