import Foundation
import Hummingbird
import Logging
import MCMSServer
import ServiceLifecycle
import SpindleCluster
import SpindleWeb
import Synchronization

/// What a web server serves at `/trust`, also at its port in the clear.
final class TrustSetup: Sendable {
    private let cluster: ClusterConfiguration
    private let web: WebConfiguration
    private let current: Mutex<TrustedAuthority?>

    init(cluster: ClusterConfiguration, web: WebConfiguration, logger: Logger) {
        self.cluster = cluster
        self.web = web
        current = Mutex(nil)
        reload(logger: logger)
    }

    /// Reads the authority again. Nothing is served that did not issue this server's certificate: installing it would help nobody.
    func reload(logger: Logger) {
        guard let tls = web.tls else { return }
        do {
            let authority = try AuthorityCertificate(file: cluster.authorityFile)
            let isOurs = try authority.issued(cluster.resolve(tls.certificate))
            if !isOurs { logger.notice("/trust has nothing to install: another authority issued this server's certificate") }
            current.withLock { $0 = isOurs ? TrustedAuthority(authority) : nil }
        } catch {
            logger.warning("/trust has nothing to install", metadata: ["error": "\(error)"])
            current.withLock { $0 = nil }
        }
    }

    var routes: TrustRoutes {
        TrustRoutes(authority: { self.current.withLock { $0 } }, securePort: web.port, plainPort: web.redirectPort)
    }

    /// The server of the port in the clear; empty where the description has none.
    func plainServer(logger: Logger) -> [any Service] {
        guard let port = web.redirectPort else { return [] }
        let router = Router(context: WebContext.self)
        router.add(middleware: SecurityHeaders(isSecure: false))
        routes.addPlain(to: router)
        return [
            Application(
                router: router, server: WebChannel.server(tls: nil),
                configuration: .init(address: .hostname(web.listen, port: port), serverName: "spindle"),
                onServerRunning: { _ in logger.info("/trust is served in the clear", metadata: ["port": "\(port)"]) }, logger: logger)
        ]
    }
}

extension TrustedAuthority {
    fileprivate init(_ authority: AuthorityCertificate) {
        self.init(
            name: authority.name, der: authority.der, pem: authority.pem, sha256: authority.sha256, sha1: authority.sha1,
            end: authority.notValidAfter.formatted(.iso8601.year().month().day()))
    }
}

extension ClusterConfiguration {
    /// The certificate of the cluster's own authority, as far as this host has it.
    var authorityFile: String {
        brokers.lazy.compactMap(\.tls).first.map { resolve($0.authority) } ?? DataDirectory(path: dataDirectory).tlsDirectory + "/ca.pem"
    }
}

extension WebConfiguration {
    /// Where people who don't trust the authority yet learn how. Nil: the server has no certificate.
    func trustURL(in configuration: ClusterConfiguration) -> String? {
        guard tls != nil else { return nil }
        guard let redirectPort else { return publicURL(in: configuration) + "/trust" }
        let isEverywhere = ["0.0.0.0", "::", ""].contains(listen)
        let address = isEverywhere ? configuration.address(ofHost: host) ?? "127.0.0.1" : listen
        return "http://\(address.contains(":") ? "[\(address)]" : address):\(redirectPort)/trust"
    }
}
