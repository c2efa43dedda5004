import ArgumentParser
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import MCMS
import MCMSFiles
import MCMSServer
import NIOCore
import ServiceLifecycle
import SpindleBridge
import SpindleClient
import SpindleCluster
import SpindleObservability
import SpindleWeb

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
        let cluster = try role.cluster.loadRunning()
        let web = try Self.find(role.name, in: cluster)
        let setup = WebServerSetup(cluster: cluster, web: web)
        try setup.checkAddress()
        let process = try RoleProcess(name: web.name, options: role)
        WebServerSetup.raiseOpenFiles()
        let client = try await BrokerLink(cluster: cluster, host: web.host, principal: web.principal).client(
            name: process.name, labels: [("role", "web")], logger: process.logger)
        let store = try DomainStore.open(cluster)
        try makeShare(cluster.sharePath())
        let hub = EventHub(configuration: .domain, source: client, logger: process.logger)
        try await setup.awaitTokens(logger: process.logger)
        let tokens = try tokens(cluster)
        let tls = try setup.tls()
        let certificates = CertificateWatch(setup.certificateFiles(), logger: process.logger)
        let trust = TrustSetup(cluster: cluster, web: web, logger: process.logger)
        let files = try FilesSetup(cluster, store).services(logger: process.logger)
        let hasher = PasswordHasher()
        try await hasher.warmUp()
        let brokers = BrokerStatusReader(cluster, host: web.host)
        let operations = OperationsServices(
            broker: BrokerOperations(client: client), system: SystemSource(name: process.name, brokers: brokers.read))
        let health = HealthSetup(cluster: cluster, web: web, store: store, payloads: files.payloads, client: client, logger: process.logger).watch()
        let domain = try MCMSServer(
            store: store, files: files, operations: operations, health: health, authenticator: tokens, access: setup.access, hasher: hasher,
            logger: process.logger, onPeopleChange: hub.recheckAll)
        let hubs = SignalRHubs(hub: hub, access: domain.access.hubs, logger: process.logger)
        let door = EventDoor(hub: hub, trustedOrigins: setup.access.trustedOrigins, logger: process.logger) { request, topics in
            try await domain.access.admission(for: request, .topics(topics))
        }
        let sockets = WebSocketRouters([SignalRSockets(hubs: hubs), EventSockets(door: door)])
        let server = Application(
            router: router(domain, setup, store, hubs, door, process, certificates, trust), server: WebChannel.server(tls: tls, webSockets: sockets),
            configuration: .init(address: .hostname(web.listen, port: web.port), serverName: "spindle"),
            onServerRunning: { channel in
                process.logger.info("web server is ready", metadata: ["port": "\(channel.localAddress?.port ?? web.port)"])
            }, logger: process.logger)
        do {
            try await process.run([
                ClientClosing(client: client), DomainStore.relay(store, client, cluster, logger: process.logger),
                MCMSHousekeeping(store: store, logger: process.logger), UploadUpkeep(uploads: files.uploads, logger: process.logger), certificates,
                health, hub, hubs, QueueSampler(operations: operations, store: store, logger: process.logger),
                AccessWatch(store: store, tokens: tokens, logger: process.logger, onChange: hub.recheckAll), server,
            ] + trust.plainServer(logger: process.logger)) {
                trust.reload(logger: process.logger)
                certificates.look()
                await setup.reload(tokens, tls, hub, process.logger)
            }
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw CommandFailure("port \(([web.port, web.redirectPort].compactMap(\.self)).map(String.init).joined(separator: " or ")) is in use.", advice: "Stop what uses it, or choose other ports with --port-base.")
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

    private func tokens(_ cluster: ClusterConfiguration) throws -> TokenDirectoryAuthenticator {
        do {
            return try TokenDirectoryAuthenticator(
                directory: DataDirectory(path: cluster.dataDirectory).tokenDirectory,
                roles: cluster.principals.map { .init(principal: $0.name, role: WebRole($0.role)) })
        } catch {
            throw CommandFailure("\(error)", advice: "The broker makes the tokens at its first start: start it first.")
        }
    }

    private func router(
        _ domain: MCMSServer, _ setup: WebServerSetup, _ store: MCMSStore, _ hubs: SignalRHubs, _ door: EventDoor, _ process: RoleProcess,
        _ certificates: CertificateWatch, _ trust: TrustSetup
    ) -> Router<WebContext> {
        let router = Router(context: WebContext.self)
        router.add(middleware: SecurityHeaders(isSecure: setup.isSecure))
        domain.addRoutes(to: router)
        trust.routes.add(to: router)
        EventRoutes(door: door).add(to: router)
        SignalRRoutes(hubs: hubs, hasWebSockets: true).add(to: router)
        router.get("metrics") { _, _ in
            // Without the database the process's own figures are all there is.
            let outbox = (try? await store.outboxFigures()).map {
                OutboxMetrics.text($0, nowMilliseconds: Int64(Date().timeIntervalSince1970 * 1000))
            }
            return Response(
                status: .ok, headers: [.contentType: PrometheusMetrics.contentType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: process.metrics.render() + (outbox ?? "") + certificates.metrics())))
        }
        return router
    }

    private func makeShare(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure("the share \(path) cannot be made: \(FileProblem.sentence(error))", advice: "Correct `share:` under `files:` in the description.")
        }
    }
}

extension EventBridgeConfiguration {
    /// What the page and its clients know: see docs/events.md.
    fileprivate static var domain: EventBridgeConfiguration {
        var configuration = EventBridgeConfiguration(streams: [
            Stream("updates", topics: ["addin.job.created", "addin.job.updated", "routing.created", "routing.approval.changed", "file.updated"]),
            Stream("alerts", topics: ["notification.alert"]),
        ])
        configuration.hubs = EventHubName.allCases.map { hub in Stream(hub.rawValue, topics: hub.topics.map(\.rawValue)) }
        configuration.progress = [
            EventProgress(
                topic: MCMSNames.jobUpdatedTopic, subjectField: "jobId", statusField: "status", statuses: [AddinJobStatus.leased.rawValue])
        ]
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
