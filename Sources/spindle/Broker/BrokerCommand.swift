import ArgumentParser
import CMalloc
import Foundation
import Logging
import SpindleBroker
import SpindleCluster
import SpindleDisk
import SpindleObservability

struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker", abstract: "One broker: its log, its queues, its ports.",
        discussion: """
            Example:
              spindle broker --data /var/lib/spindle
              spindle broker --config cluster-config/intranet.yaml --name broker-1
            """)

    @OptionGroup var role: RoleOptions

    func run() async throws {
        Self.returnLargeBuffers()
        let cluster = try role.cluster.load()
        let description = try Self.find(role.name, in: cluster)
        let process = try RoleProcess(name: description.name, options: role)
        let setup = BrokerSetup(cluster: cluster, broker: description, logger: process.logger)
        let configuration = try setup.configuration()
        let certificates = CertificateWatch(cluster.certificateFiles(ofBroker: description), logger: process.logger)
        let hooks = try Self.hooks(process, certificates)
        let broker: Broker
        do {
            try DataDirectory(path: cluster.dataDirectory).make()
            broker = try await Broker.start(configuration: configuration, logger: process.logger, hooks: hooks)
        } catch let error as BrokerStartError {
            throw CommandFailure("\(error)", advice: Self.advice(error, cluster))
        }
        do {
            // For the commands that are given the data directory only; `spindle up` has said the same before.
            try ClusterEndpoints(cluster, host: description.host).write(to: DataDirectory(path: cluster.dataDirectory))
        } catch {
            process.logger.warning("commands have to be told this broker's ports: endpoints.json can't be written", metadata: ["error": "\(error)"])
        }
        let reload: @Sendable () async -> Void = { await Self.reload(broker, process.logger) }
        try await process.run([broker, certificates, RevocationWatch(setup.revocationFile, onChange: reload)]) {
            certificates.look()
            await reload()
        }
    }

    private static func reload(_ broker: Broker, _ logger: Logger) async {
        do {
            try await broker.reload()
        } catch {
            logger.error(
                "audit.error", metadata: ["what": "tokens or certificates can't be read again; those of before hold", "error": "\(error)"])
        }
    }

    /// Has every buffer of 1 MiB and more given back to the system when it is freed. Left alone, glibc raises that limit to the largest
    /// buffer that was ever freed, up to 32 MiB, and keeps what lies below it: a fifth of a large backlog's memory.
    /// `docs/performance.md` has the figures. Source: mallopt(3), M_MMAP_THRESHOLD.
    private static func returnLargeBuffers() {
        _ = mallopt(M_MMAP_THRESHOLD, 1 << 20)
    }

    /// What is put around the broker: this process's metrics, and for tests a failpoint that the environment names.
    private static func hooks(_ process: RoleProcess, _ certificates: CertificateWatch) throws -> BrokerHooks {
        var hooks = BrokerHooks(furtherMetrics: { process.metrics.render() + certificates.metrics() })
        guard let text = ProcessInfo.processInfo.environment[ArmedFailpoint.variable] else { return hooks }
        do {
            let armed = try ArmedFailpoint(text)
            process.logger.warning("a failpoint is armed: this process will end, or stand still, of itself", metadata: ["point": "\(text)"])
            hooks.openStorage = { FailpointStorage(try DiskLogStorage(path: $0), armed) }
            hooks.recovered = { armed.recoveryEnded() }
        } catch {
            throw CommandFailure("\(error)", advice: "Only tests need it: leave it unset.")
        }
        return hooks
    }

    private static func find(_ name: String?, in cluster: ClusterConfiguration) throws -> SpindleCluster.BrokerConfiguration {
        let names = cluster.brokers.map(\.name)
        guard let name else {
            guard let first = cluster.brokers.first, cluster.brokers.count == 1 else {
                throw CommandFailure("the description has \(names.count) brokers.", advice: "Say which one with --name: \(names.joined(separator: ", ")).")
            }
            return first
        }
        guard let broker = cluster.brokers.first(where: { $0.name == name }) else {
            throw CommandFailure("the description has no broker “\(name)”.", advice: "It has: \(names.joined(separator: ", ")).")
        }
        return broker
    }

    private static func advice(_ error: BrokerStartError, _ cluster: ClusterConfiguration) -> String? {
        switch error.code {
        case .listen: "Is another cluster running here? Stop it, or choose other ports with --port-base."
        case .log: "Is another broker running on \(cluster.dataDirectory)? Otherwise look at it with `spindle log verify \(cluster.dataDirectory)`."
        case .tls: "Make certificates with `spindle cert init`."
        case .configuration, .tokens: nil
        }
    }
}
