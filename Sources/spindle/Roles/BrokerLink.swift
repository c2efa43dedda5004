import Foundation
import Logging
import ServiceLifecycle
import SpindleClient
import SpindleCluster

/// How a role of a cluster reaches its brokers: over TLS where they listen with it on another host, else in plaintext on this one.
struct BrokerLink {
    /// Below the outbox relay's lock, and long enough for a disk that stalls.
    static let requestTimeout = Duration.seconds(10)

    let cluster: ClusterConfiguration
    let host: String
    let principal: String

    /// The tokens are made by the broker's first start, which may be under way: roles that are started together wait for it this long.
    private static let tokenWait = Duration.seconds(30)
    private static let tokenPollInterval = Duration.milliseconds(50)

    /// - Parameter labels: what operators see of the process, and may choose it by, besides its host and its process id.
    func client(name: String, labels: [(name: String, value: String)], logger: Logger) async throws -> SpindleClient {
        var configuration = try await configuration(name: name, logger)
        configuration.labels = (labels + [("host", host), ("pid", "\(getpid())")]).map { .init(name: $0.name, value: $0.value) }
        return SpindleClient(configuration: configuration, logger: logger)
    }

    /// The token of a principal, as soon as it is there.
    static func token(of principal: String, in directory: DataDirectory, logger: Logger) async throws -> String {
        let end = ContinuousClock.now + tokenWait
        if !directory.hasToken(of: principal) {
            logger.notice("waiting for the broker to make the token", metadata: ["principal": "\(principal)", "directory": "\(directory.tokenDirectory)"])
        }
        while !directory.hasToken(of: principal), ContinuousClock.now < end { try await Task.sleep(for: tokenPollInterval) }
        return try directory.token(of: principal)
    }

    private func configuration(name: String, _ logger: Logger) async throws -> ClientConfiguration {
        let directory = DataDirectory(path: cluster.dataDirectory)
        // All of a client's endpoints are reached in one way.
        let isTLS = !cluster.brokers.contains { plainEndpoint($0) != nil }
        let endpoints = cluster.brokers.compactMap { isTLS ? tlsEndpoint($0) : plainEndpoint($0) }
        guard !endpoints.isEmpty else {
            throw CommandFailure(
                "no broker of the description can be reached from host “\(host)”.",
                advice: "Give the brokers a TLS port with certificates, or let this role run on the broker's host.")
        }
        let own = directory.tlsDirectory + "/client-\(certificateName)"
        let hasCertificate = isTLS && FileManager.default.fileExists(atPath: own + ".pem")
        let credential: ClientConfiguration.Credential =
            hasCertificate ? .clientCertificate : .token(try await Self.token(of: principal, in: directory, logger: logger))
        var configuration = ClientConfiguration(endpoints: endpoints, credential: credential, clientName: name)
        if isTLS {
            configuration.tls = ClientConfiguration.TLS(
                caFile: cluster.brokers.lazy.compactMap(\.tls).first.map { cluster.resolve($0.authority) },
                certificateFile: hasCertificate ? own + ".pem" : nil, keyFile: hasCertificate ? own + ".key" : nil)
        }
        configuration.requestTimeout = Self.requestTimeout
        return configuration
    }

    private var certificateName: String { cluster.principals.first { $0.name == principal }?.certificateName ?? principal }

    private func plainEndpoint(_ broker: BrokerConfiguration) -> ClientConfiguration.Endpoint? {
        guard let port = broker.ports.plain else { return nil }
        let isLocal = broker.host == host
        let isLoopback = ["127.0.0.1", "::1", "localhost"].contains(broker.listen.plain)
        if isLocal {
            let listen = ["0.0.0.0", "::"].contains(broker.listen.plain) ? "127.0.0.1" : broker.listen.plain
            return .init(host: listen, port: port)
        }
        guard !isLoopback, let address = cluster.address(ofHost: broker.host) else { return nil }
        return .init(host: address, port: port)
    }

    private func tlsEndpoint(_ broker: BrokerConfiguration) -> ClientConfiguration.Endpoint? {
        guard let port = broker.ports.tls, broker.tls != nil, let address = cluster.address(ofHost: broker.host) else { return nil }
        return .init(host: address, port: port)
    }
}

/// Closes a client when everything that uses it has stopped: put it before them in a service group.
struct ClientClosing: Service {
    let client: SpindleClient

    func run() async throws {
        // Throws only when cancelled, and that is a reason to close as well.
        try? await gracefulShutdown()
        await client.close()
    }
}
