import Foundation
import Logging
import SpindleBroker
import SpindleLog
import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// A folder of its own, gone with this value's last reference.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("spindle-broker-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

enum TestBroker {
    static var logger: Logger {
        var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .critical
        return logger
    }

    /// Small segments, any free port, two queues, and two principals: `admin`, and `reader` who may only lease `esprit-gen`.
    static func configuration(_ folder: TemporaryFolder) -> BrokerConfiguration {
        var log = LogConfiguration()
        log.segmentBytes = 8 << 20
        log.entryBytesMax = 6 << 20
        log.freeBytesKept = 1 << 20
        let reader = Principal(name: "reader", lease: [NamePattern("esprit-gen")])
        return BrokerConfiguration(
            dataDirectory: folder.path, listeners: [BrokerListener(host: "127.0.0.1", port: 0)],
            queues: ["esprit-gen", "addin-result"].map { DeclaredQueue(name: $0) },
            principals: [.administrator, BrokerPrincipal(principal: reader)], log: log, shutdownGraceMilliseconds: 100)
    }

    /// Runs `body` against a broker, stops the broker, and leaves the folder.
    static func run(
        _ folder: TemporaryFolder, hooks: BrokerHooks = BrokerHooks(), change: (inout BrokerConfiguration) -> Void = { _ in },
        _ body: (RunningBroker) async throws -> Void
    ) async throws {
        var configuration = configuration(folder)
        change(&configuration)
        let broker = try await Broker.start(configuration: configuration, logger: logger, hooks: hooks)
        do {
            try await body(RunningBroker(broker: broker))
        } catch {
            await broker.shutdown()
            throw error
        }
        await broker.shutdown()
    }
}

struct RunningBroker {
    let broker: Broker

    func token(_ principal: String = "admin") throws -> String {
        try String(contentsOfFile: broker.tokenDirectory + "/" + principal, encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func raw(reads: Bool = true) async throws -> TestClient { try await TestClient.connect(port: broker.ports[0], reads: reads) }

    /// A client that has said HELLO and who it is.
    func client(_ principal: String = "admin", _ capabilities: Capabilities = []) async throws -> TestClient {
        let client = try await raw()
        _ = try await client.hello(capabilities)
        let reply = try await client.authenticate(token: try token(principal))
        try reply.requireSuccess()
        return client
    }

    /// The broker is up and does all of its work for someone who behaves.
    func expectServes(queue: String = "addin-result") async throws {
        let client = try await client()
        defer { client.close() }
        let text = "good \(UInt64.random(in: 0...UInt64.max))"
        _ = try await client.publish(queue, text)
        var deliveries = try await client.lease(queue, max: 100, wait: 5_000)
        #expect(deliveries.contains { $0.text == text })
        let statuses = try await client.acknowledge(deliveries.map(\.token))
        #expect(statuses.allSatisfy { $0 == .ok })
        deliveries.removeAll()
    }

    /// A sample's value; 0 where there is none yet.
    func metric(_ name: String) async throws -> UInt64 {
        let text = await broker.metrics()
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") }) else { return 0 }
        return try #require(UInt64(line.split(separator: " ")[1]))
    }
}
