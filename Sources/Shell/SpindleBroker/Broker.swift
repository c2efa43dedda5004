package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import SpindleDisk
package import SpindleLog
import SpindleNode
import Synchronization

/// A running broker: sockets, one shard, its log.
///
/// ``start(configuration:logger:)`` returns when clients can connect. It ends by ``shutdown(graceMilliseconds:)``, or as a
/// service by the group's graceful shutdown.
package final class Broker: Service, Sendable {
    /// The ports listened on, in the order of ``BrokerConfiguration/listeners``.
    package let ports: [Int]
    package let operationsPort: Int?
    /// Where the principals' tokens are.
    package let tokenDirectory: String
    /// Principals whose token was made by this start.
    package let createdTokens: [String]

    private let parts: BrokerParts
    private let stopping = Mutex<Task<Void, Never>?>(nil)

    /// Recovers the log, then listens.
    package static func start(configuration: BrokerConfiguration, logger: Logger) async throws(BrokerStartError) -> Broker {
        try await start(configuration: configuration, logger: logger, hooks: BrokerHooks())
    }

    package static func start(
        configuration: BrokerConfiguration, logger: Logger, hooks: BrokerHooks
    ) async throws(BrokerStartError) -> Broker {
        if configuration.listeners.isEmpty { throw BrokerStartError(.configuration, "no listener is configured") }
        if let contradiction = configuration.limits.contradiction(entryBytesMax: configuration.log.entryBytesMax) {
            throw BrokerStartError(.configuration, contradiction)
        }
        let parts = BrokerParts(logger: logger)
        do {
            return try await assemble(parts, configuration, hooks)
        } catch {
            await parts.dismantle(graceMilliseconds: 0)
            throw error
        }
    }

    private static func assemble(
        _ parts: BrokerParts, _ configuration: BrokerConfiguration, _ hooks: BrokerHooks
    ) async throws(BrokerStartError) -> Broker {
        var operationsPort: Int?
        if let listener = configuration.operations {
            let channel = try await OperationsServer.open(
                listener, limits: configuration.limits, group: parts.operationsGroup,
                answers: OperationsAnswers(
                    metrics: { await parts.metrics() + hooks.furtherMetrics() }, status: { await parts.statusText() }, notReady: { parts.status.notReady }))
            parts.add(channel, isOperations: true)
            operationsPort = channel.localAddress?.port
        }
        let storage: any LogStorage
        do { storage = try hooks.openStorage(configuration.logDirectory) } catch { throw BrokerStartError(.log, "\(error)") }
        let credentials = try BrokerCredentials(configuration, logger: parts.logger)
        let directory = try credentials.directory()
        let shard = try await parts.openShard(configuration, storage, directory, hooks)
        var ports: [Int] = []
        for (listener, tls) in zip(configuration.listeners, credentials.tls) {
            let channel = try await ClientListener.open(listener, tls, shard: shard)
            parts.add(channel, isOperations: false)
            ports.append(channel.localAddress?.port ?? listener.port)
        }
        parts.status.serving()
        parts.logger.info(
            "broker is ready",
            metadata: ["ports": "\(ports)", "operationsPort": "\(operationsPort.map(String.init) ?? "none")", "data": "\(configuration.dataDirectory)"])
        return Broker(
            parts: parts, credentials: credentials, ports: ports, operationsPort: operationsPort, createdTokens: directory.tokens.created,
            graceMilliseconds: configuration.shutdownGraceMilliseconds)
    }

    private let credentials: BrokerCredentials
    private let graceMilliseconds: UInt32

    private init(
        parts: BrokerParts, credentials: BrokerCredentials, ports: [Int], operationsPort: Int?, createdTokens: [String],
        graceMilliseconds: UInt32
    ) {
        self.parts = parts
        self.credentials = credentials
        self.ports = ports
        self.operationsPort = operationsPort
        tokenDirectory = credentials.tokenDirectory
        self.createdTokens = createdTokens
        self.graceMilliseconds = graceMilliseconds
    }

    /// Runs until the service group shuts down gracefully (or the task is cancelled), then stops.
    package func run() async throws {
        // Throws only when cancelled, and that is a reason to stop as well.
        try? await gracefulShutdown()
        await shutdown()
    }

    /// Reads the tokens and the certificates again, as after SIGHUP. Connections of principals whose token has changed end; those that are
    /// there keep the certificates with which they began.
    /// - Throws: what can't be read; what can is in force.
    package func reload() async throws(BrokerStartError) {
        await parts.use(try credentials.directory())
        for tls in credentials.tls.compactMap(\.self) { try tls.reload() }
        parts.logger.notice("tokens and certificates were read again")
    }

    /// Tells clients to finish and go, waits for them up to the grace (the configured one by default), writes a checkpoint and
    /// closes everything. Called again, waits for the same stop.
    package func shutdown(graceMilliseconds: UInt32? = nil) async {
        let grace = graceMilliseconds ?? self.graceMilliseconds
        let task = stopping.withLock { current in
            if let current { return current }
            let task = Task { [parts] in await parts.dismantle(graceMilliseconds: grace) }
            current = task
            return task
        }
        await task.value
    }

    /// What `/metrics` answers.
    package func metrics() async -> String { await parts.metrics() }
    /// Why no new work is taken now; nil when it is.
    package var notReady: String? { parts.status.notReady }
}

/// What a test, or a program around the broker, may put in another's place.
package struct BrokerHooks: Sendable {
    /// Opens the log's directory.
    package var openStorage: @Sendable (String) throws -> any LogStorage
    /// Called when the log was recovered: what happens to its files from then on is the broker's own work.
    package var recovered: @Sendable () -> Void
    /// Ends the process after the log failed; the sentence says why and was logged.
    package var stopProcess: @Sendable (String) -> Void
    /// Appended to what `/metrics` answers.
    package var furtherMetrics: @Sendable () -> String
    /// The clocks that the node's time is made of.
    package var times = ClockSource.system

    package init(
        openStorage: @escaping @Sendable (String) throws -> any LogStorage = { try DiskLogStorage(path: $0) },
        recovered: @escaping @Sendable () -> Void = {},
        stopProcess: @escaping @Sendable (String) -> Void = { _ in ProcessEnd.logFailed() },
        furtherMetrics: @escaping @Sendable () -> String = { "" }
    ) {
        self.openStorage = openStorage
        self.recovered = recovered
        self.stopProcess = stopProcess
        self.furtherMetrics = furtherMetrics
    }
}
