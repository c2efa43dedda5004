import Foundation
import Logging
import SpindleBroker
import SpindleCluster
import SpindleClient
import SpindleLog

/// A real broker in this process, in a temporary folder, that can be stopped and started again on the same port and data.
final class BrokerFixture {
    let folder: String
    private(set) var port = 0
    private var broker: Broker?
    private let tls: BrokerTLS?
    /// In force from the next start.
    var mechanisms: [any AuthenticationMechanism] = []
    let authorityFile: String?

    /// - Parameter expired: its certificate ended long ago.
    init(secure: Bool = false, expired: Bool = false) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("spindle-client-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard secure else {
            tls = nil
            authorityFile = nil
            return
        }
        let certificates = CertificateFiles(directory: folder + "/certificates")
        _ = try certificates.initialize(cluster: "test", servers: [], clients: [])
        let made = expired ? Date(timeIntervalSinceNow: -900 * 86_400) : Date()
        let server = try certificates.issueServer(.init(name: "server", hosts: ["localhost", "127.0.0.1"]), now: made)
        tls = BrokerTLS(certificateFile: server.certificatePath, keyFile: server.keyPath, clientAuthorityFile: certificates.authorityPath)
        authorityFile = certificates.authorityPath
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func start() async throws {
        var log = LogConfiguration()
        log.segmentBytes = 32 << 20
        log.entryBytesMax = 6 << 20
        log.freeBytesKept = 1 << 20
        var logger = Logger(label: "broker") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .critical
        var configuration = BrokerConfiguration(
            dataDirectory: folder, listeners: [BrokerListener(host: "127.0.0.1", port: port, tls: tls)],
            queues: ["esprit-gen", "addin-result"].map { DeclaredQueue(name: $0) }, log: log, shutdownGraceMilliseconds: 50)
        configuration.mechanisms = mechanisms
        let broker = try await Broker.start(configuration: configuration, logger: logger)
        port = broker.ports[0]
        self.broker = broker
    }

    func stop() async {
        await broker?.shutdown()
        broker = nil
    }

    func configuration() throws -> ClientConfiguration {
        let token = try String(contentsOfFile: folder + "/tokens/admin", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        return ClientConfiguration(
            endpoints: [.init(host: "127.0.0.1", port: port)], credential: .token(token),
            tls: authorityFile.map { ClientConfiguration.TLS(caFile: $0) }, clientName: "test",
            backoff: .init(initial: .milliseconds(5), cap: .milliseconds(50)))
    }

    func client() throws -> SpindleClient {
        var logger = Logger(label: "client") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .critical
        return SpindleClient(configuration: try configuration(), logger: logger)
    }

    /// Runs `body` with a started broker and a client, and ends both.
    static func run(secure: Bool = false, _ body: (BrokerFixture, SpindleClient) async throws -> Void) async throws {
        let fixture = try BrokerFixture(secure: secure)
        try await fixture.start()
        let client = try fixture.client()
        do {
            try await body(fixture, client)
        } catch {
            await client.close()
            await fixture.stop()
            throw error
        }
        await client.close()
        await fixture.stop()
    }
}
