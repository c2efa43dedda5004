import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SpindleCluster

/// Asks a process's `/readyz`.
enum ReadinessProbe {
    private static let timeout = TimeAmount.seconds(2)

    /// It asks this machine's own process, whatever name its certificate is for.
    private static let client: HTTPClient = {
        var tls = NIOSSL.TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPClient.Configuration(tlsConfiguration: tls))
    }()

    static func isReady(host: String, port: Int, hasTLS: Bool = false) async -> Bool {
        let endpoint = ClusterEndpoints.Endpoint(host: local(host), port: port)
        let request = HTTPClientRequest(url: "\(hasTLS ? "https" : "http")://\(endpoint)/readyz")
        guard let response = try? await client.execute(request, timeout: timeout) else { return false }
        return response.status == .ok
    }

    static func isListening(host: String, port: Int) async -> Bool {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(timeout)
        guard let channel = try? await bootstrap.connect(host: local(host), port: port).get() else { return false }
        try? await channel.close().get() // it is only asked whether somebody is there
        return true
    }

    private static func local(_ host: String) -> String { ["0.0.0.0", "::"].contains(host) ? "127.0.0.1" : host }
}

/// Whether the ports of a plan are free, before anything is started on them.
struct PortCheck {
    private let listeners: [(owner: String, host: String, port: Int)]

    init(_ configuration: ClusterConfiguration, _ plan: ClusterPlan) {
        listeners = plan.processes.flatMap { process -> [(String, String, Int)] in
            switch process.role {
            case .broker(let broker):
                [
                    broker.ports.plain.map { ("the broker", broker.listen.plain, $0) },
                    broker.tls == nil ? nil : broker.ports.tls.map { ("the broker's TLS", broker.listen.tls, $0) },
                    broker.ports.operations.map { ("the broker's operations", broker.listen.operations, $0) },
                ].compactMap(\.self)
            case .web(let web):
                [("the web server “\(web.name)”", web.listen, web.port)]
                    + (web.redirectPort.map { [("the web server “\(web.name)” in the clear", web.listen, $0)] } ?? [])
            case .worker, .addin: []
            }
        }
    }

    func run() async throws {
        for listener in listeners {
            do {
                let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: listener.host, port: listener.port).get()
                try await channel.close().get()
            } catch let error as IOError where error.errnoCode == EADDRINUSE {
                throw CommandFailure(
                    "port \(listener.port), for \(listener.owner), is in use.",
                    advice: "Stop what uses it (`ss -ltnp 'sport = :\(listener.port)'` shows it), or choose other ports with --port-base.")
            } catch {
                throw CommandFailure(
                    "cannot listen on \(listener.host), port \(listener.port), for \(listener.owner): \(error)",
                    advice: "Correct the address in the description.")
            }
        }
    }
}
