import Logging
import SpindleBroker
import SpindleWire
import Synchronization
import Testing

/// The configuration counts at every start, and says so where it undoes something.
@Suite struct DeclarationTests {
    @Test func aSettingThatTheConfigurationUndoesIsLoggedByName() async throws {
        let folder = try TemporaryFolder()
        try await TestBroker.run(folder) { broker in
            let client = try await broker.client()
            var policy = QueuePolicyFields()
            policy.attemptsMax = 9
            var writer = WireWriter()
            DeclareRequest(queue: "addin-result", policy: policy).encode(into: &writer)
            try await client.request(.declare, writer.array()).requireSuccess()
        }
        let lines = LogLines()
        var configuration = TestBroker.configuration(folder)
        configuration.queues[1].policy.attemptsMax = 5
        try await start(configuration, lines)
        #expect(lines.warnings == ["addin-result attemptsMax 9 5"])
        try await start(configuration, lines)
        #expect(lines.warnings.count == 1, "nothing is left to undo")
    }

    private func start(_ configuration: BrokerConfiguration, _ lines: LogLines) async throws {
        let broker = try await Broker.start(configuration: configuration, logger: Logger(label: "test") { _ in WarningHandler(lines: lines) })
        await broker.shutdown()
    }
}

/// Keeps warnings about settings.
private final class LogLines: Sendable {
    private let kept = Mutex<[String]>([])
    var warnings: [String] { kept.withLock { $0 } }
    func add(_ line: String) { kept.withLock { $0.append(line) } }
}

private struct WarningHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard event.level == .warning, let metadata = event.metadata, metadata["setting"] != nil else { return }
        lines.add(["queue", "setting", "before", "after"].map { metadata[$0].map { "\($0)" } ?? "?" }.joined(separator: " "))
    }
}
