import ArgumentParser
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import MCMS
import MCMSServer
import NIOCore
import NIOSSL
import ServiceLifecycle
import SpindleBridge
import SpindleClient
import SpindleCluster
import SpindleObservability

struct BridgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bridge", abstract: "The web server: the page, the HTTP API, and the event streams, on one origin.",
        discussion: """
            Example:
              spindle bridge --data /var/lib/spindle
              spindle bridge --config cluster-config/intranet.yaml --name web
            """)

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let cluster = try role.cluster.load()
        let web = try Self.find(role.name, in: cluster)
        let process = RoleProcess(name: web.name, options: role)
        let client = try await BrokerLink(cluster: cluster, host: web.host, principal: web.principal).client(
            name: process.name, labels: [("role", "web")], logger: process.logger)
        let store = try DomainStore.open(cluster)
        try makeShare(cluster.sharePath())
        let hub = EventHub(configuration: .domain, source: client, logger: process.logger)
        // The API knows callers by their tokens. On another host than the broker's it has those that somebody put there.
        for principal in cluster.principals where principal.role != .none && cluster.brokers.contains(where: { $0.host == web.host }) {
            _ = try await BrokerLink.token(of: principal.name, in: DataDirectory(path: cluster.dataDirectory), logger: process.logger)
        }
        let router = try router(cluster, web, store, hub, process)
        let server = Application(
            router: router, server: try Self.server(cluster, web),
            configuration: .init(address: .hostname(web.listen, port: web.port), serverName: "spindle"),
            onServerRunning: { channel in
                process.logger.info("web server is ready", metadata: ["port": "\(channel.localAddress?.port ?? web.port)"])
            }, logger: process.logger)
        do {
            try await process.run([
                ClientClosing(client: client), DomainStore.relay(store, client, logger: process.logger),
                MCMSHousekeeping(store: store, logger: process.logger), hub, server,
            ])
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw CommandFailure("port \(web.port) is in use.", advice: "Stop what uses it, or choose other ports with --port-base.")
        }
    }

    private static func find(_ name: String?, in cluster: ClusterConfiguration) throws -> WebConfiguration {
        let names = cluster.webs.map(\.name).joined(separator: ", ")
        guard let first = cluster.webs.first else {
            throw CommandFailure("the description has no web server.", advice: "Add one under `webs:`, as in `spindle config show`.")
        }
        guard let name else {
            guard cluster.webs.count == 1 else {
                throw CommandFailure("the description has \(cluster.webs.count) web servers.", advice: "Say which one with --name: \(names).")
            }
            return first
        }
        guard let web = cluster.webs.first(where: { $0.name == name }) else {
            throw CommandFailure("the description has no web server “\(name)”.", advice: "It has: \(names).")
        }
        return web
    }

    private func router(
        _ cluster: ClusterConfiguration, _ web: WebConfiguration, _ store: MCMSStore, _ hub: EventHub, _ process: RoleProcess
    ) throws -> Router<BasicRequestContext> {
        let tokens: TokenDirectoryAuthenticator
        do {
            tokens = try TokenDirectoryAuthenticator(
                directory: DataDirectory(path: cluster.dataDirectory).tokenDirectory,
                roles: cluster.principals.map { .init(principal: $0.name, role: WebRole($0.role)) })
        } catch {
            throw CommandFailure("\(error)", advice: "The broker makes the tokens at its first start: start it first.")
        }
        var access = WebAccess.Configuration()
        access.visitor = ["127.0.0.1", "::1", "localhost"].contains(web.listen) ? web.principal : nil
        access.isSecure = web.tls != nil
        let domain = try MCMSServer(store: store, authenticator: tokens, access: access, logger: process.logger)
        let router = Router()
        domain.addRoutes(to: router)
        EventRoutes(hub: hub, trustedOrigins: access.trustedOrigins, logger: process.logger) { request in
            do {
                let caller = try await domain.access.principal(for: request)
                return caller.permissions.contains(.readRoutings) ? EventCaller(name: caller.name) : nil
            } catch is Problem {
                return nil
            }
        }.add(to: router)
        router.get("metrics") { _, _ in
            // Without the database the process's own figures are all there is.
            let outbox = (try? await store.outboxFigures()).map {
                OutboxMetrics.text($0, nowMilliseconds: Int64(Date().timeIntervalSince1970 * 1000))
            }
            return Response(
                status: .ok, headers: [.contentType: PrometheusMetrics.contentType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: process.metrics.render() + (outbox ?? ""))))
        }
        return router
    }

    private static func server(_ cluster: ClusterConfiguration, _ web: WebConfiguration) throws -> HTTPServerBuilder {
        guard let tls = web.tls else { return .http1() }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(cluster.resolve(tls.certificate)).map { NIOSSLCertificateSource.certificate($0) }
            let key = try NIOSSLPrivateKey(file: cluster.resolve(tls.key), format: .pem)
            return try .tls(.http1(), tlsConfiguration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        } catch {
            throw CommandFailure("the web server's certificate cannot be used: \(error)", advice: "Make certificates with `spindle cert init`.")
        }
    }

    private func makeShare(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure("the share \(path) cannot be made: \(error.localizedDescription)", advice: "Correct `share:` under `files:` in the description.")
        }
    }
}

extension EventBridgeConfiguration {
    /// What the page and its clients know: see docs/events.md.
    fileprivate static var domain: EventBridgeConfiguration {
        var configuration = EventBridgeConfiguration(streams: [
            Stream("updates", topics: ["addin.job.created", "addin.job.updated", "routing.approval.changed"]),
            Stream("alerts", topics: ["notification.alert"]),
        ])
        configuration.namespace = "mcms"
        return configuration
    }
}

extension WebRole {
    init(_ role: RoleConfiguration) {
        self =
            switch role {
            case .viewer: .viewer
            case .approver: .approver
            case .operator: .operator
            case .admin: .admin
            case .addin: .addin
            case .bff: .bff
            case .none: .none
            }
    }
}
