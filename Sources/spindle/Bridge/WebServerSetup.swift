import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import MCMS
import MCMSServer
import NIOCore
import SpindleBridge
import SpindleCluster
import SpindleWeb

/// What a web server is told, from the description of its cluster.
struct WebServerSetup {
    let cluster: ClusterConfiguration
    let web: WebConfiguration

    /// Who is known how.
    var access: WebAccess.Configuration {
        var access = WebAccess.Configuration()
        access.visitor = web.signInVisitors ? web.principal : nil
        access.isSecure = isSecure
        access.trustedOrigins = Set(web.origins)
        if let sessions = cluster.domain?.sessions {
            access.sessions = SessionLimits(
                idleMilliseconds: Int64(sessions.idle / .milliseconds(1)), absoluteMilliseconds: Int64(sessions.absolute / .milliseconds(1)))
        }
        return access
    }

    /// Whether browsers reach the server by HTTPS: its own, or a proxy's before it.
    var isSecure: Bool { web.tls != nil || !web.origins.isEmpty && web.origins.allSatisfy { $0.hasPrefix("https://") } }

    func tls() throws -> ServerTLS? {
        guard let tls = web.tls else { return nil }
        do {
            return try ServerTLS(certificateFile: cluster.resolve(tls.certificate), keyFile: cluster.resolve(tls.key))
        } catch {
            throw CommandFailure("the web server's certificate cannot be used: \(error)", advice: "Make certificates with `spindle cert init`.")
        }
    }

    /// Waits until the broker has made the tokens by which the API knows its callers. On another host than the broker's it has those
    /// that somebody put there.
    func awaitTokens(logger: Logger) async throws {
        for principal in cluster.principals where principal.role != .none && cluster.brokers.contains(where: { $0.host == web.host }) {
            _ = try await BrokerLink.token(of: principal.name, in: DataDirectory(path: cluster.dataDirectory), logger: logger)
        }
    }

    /// The certificates that this process shows: to browsers, and to the broker.
    func certificateFiles() -> [String] {
        (web.tls.map { [cluster.resolve($0.certificate)] } ?? []) + cluster.clientCertificateFiles(of: web.principal)
    }

    /// Reads tokens and certificates again. Sessions and streams of tokens that changed end.
    func reload(_ tokens: TokenDirectoryAuthenticator, _ tls: ServerTLS?, _ hub: EventHub, _ logger: Logger) async {
        do {
            // First those of before end; a token that was deleted is made anew by the broker, which may be under way.
            try tokens.reload()
            hub.recheckAll()
            try await awaitTokens(logger: logger)
            try tokens.reload()
            try tls?.reload()
            logger.notice("tokens and certificates were read again")
        } catch {
            logger.error("audit.error", metadata: ["what": "tokens or certificates can't be read again; those of before hold", "error": "\(error)"])
        }
    }

    /// Refuses plain HTTP on an address that others can reach, whatever its name looked like in the description.
    func checkAddress() throws {
        guard web.tls == nil, !web.allowPlaintext else { return }
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(web.listen, port: web.port)
        } catch {
            throw CommandFailure("“\(web.listen)” is no address of this machine: \(error)", advice: "Correct `listen:` of the web server in the description.")
        }
        guard ["127.", "::1"].contains(where: { (address.ipAddress ?? "").hasPrefix($0) }) else {
            throw CommandFailure(
                "“\(web.listen)” is \(address.ipAddress ?? "unknown"), which other machines can reach, and the web server has no TLS.",
                advice: "Give it a `tls:` section, or say `allowPlaintext: true`, in the description.")
        }
    }

    /// Raises the limit of open files to what the system allows: each connection is one.
    static func raiseOpenFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        // Refused, the limit is what it was.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// A request's context that knows where the connection comes from.
struct WebContext: RemoteAddressRequestContext, ConnectionContext {
    var coreContext: CoreRequestContextStorage
    let remoteAddress: SocketAddress?
    let eventLoop: any EventLoop

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
        eventLoop = source.channel.eventLoop
    }
}
