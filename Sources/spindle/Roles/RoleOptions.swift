public import ArgumentParser
public import Logging
import Foundation
import ServiceLifecycle
import SpindleClient
import SpindleCluster
import SpindleObservability
import SpindleTelemetry
import UnixSignals
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension LogFormat: ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}

/// What every long-running process takes.
struct RoleOptions: ParsableArguments {
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions

    @Option(help: ArgumentHelp("How this process is called in logs, and which part of the description it is.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("The lowest level that is logged: trace, debug, info, notice, warning, error.", valueName: "level"))
    var logLevel: Logger.Level = .info

    @Option(help: ArgumentHelp("json or plain. (default: plain at a terminal, else json)", valueName: "format"))
    var logFormat: LogFormat?
}

/// Calls a function at each SIGHUP.
struct HangupSignal: Service {
    let reload: @Sendable () async -> Void

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { await reload() }
    }
}

/// The frame of every long-running process: its logs, its metrics, its end.
struct RoleProcess {
    /// From the signal to stop until the process ends by force.
    static let stopDeadline = Duration.seconds(15)

    let name: String
    let logger: Logger
    let metrics: PrometheusMetrics
    private let exporters: [SpanExporter]

    /// Sets up what a process has only once.
    init(name: String, options: RoleOptions) throws {
        // A peer that hangs up is an error of one write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        // It asks to read files again, which is possible once the role runs; it never ends one.
        signal(SIGHUP, SIG_IGN)
        SupervisorWatch.exitWhenSupervisorIsGone()
        self.name = name
        let format = options.logFormat ?? (isatty(STDERR_FILENO) == 1 ? .plain : .json)
        exporters = try Self.destinations(of: name).map { SpanExporter(destination: $0) }
        metrics = Observability.bootstrap(
            label: name, format: format, level: options.logLevel, spanLevel: .debug, spanSinks: exporters)
        logger = Logger(label: name)
    }

    private static func destinations(of name: String) throws -> [SpanDestination] {
        do {
            return try TelemetrySettings(
                environment: ProcessInfo.processInfo.environment, service: name, release: SpindleClient.version).destinations
        } catch {
            throw CommandFailure("\(error)", advice: "Correct it, or unset it: without it spans stay here.")
        }
    }

    func readyNotice(_ client: SpindleClient, _ cluster: ClusterConfiguration) -> ReadyNotice {
        ReadyNotice(client: client, name: name, directory: DataDirectory(path: cluster.dataDirectory), logger: logger)
    }

    /// Runs the services until SIGTERM or SIGINT, or until one of them ends, then stops them in reverse.
    /// - Parameter reload: what SIGHUP asks for.
    func run(_ services: [any Service], reload: @escaping @Sendable () async -> Void = {}) async throws {
        var configuration = ServiceGroupConfiguration(
            services: (exporters as [any Service] + [HangupSignal(reload: reload)] + services).map {
                .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup, failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "services", factory: { _ in SwiftLogNoOpLogHandler() }))
        configuration.maximumGracefulShutdownDuration = Self.stopDeadline
        try await ServiceGroup(configuration: configuration).run()
    }
}
