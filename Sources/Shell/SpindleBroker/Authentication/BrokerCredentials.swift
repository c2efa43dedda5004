import Logging
import SpindleNode

/// What proves who is who, in files: the tokens of the principals, the certificates of the listeners. Both can be read again.
struct BrokerCredentials: Sendable {
    let tokenDirectory: String
    /// For each listener, in their order; nil where it has none.
    let tls: [ListenerTLS?]
    private let principals: [BrokerPrincipal]
    private let mechanisms: AuthenticationMechanisms
    private let revokedKeys: @Sendable () throws -> Set<String>
    private let logger: Logger

    init(_ configuration: BrokerConfiguration, logger: Logger) throws(BrokerStartError) {
        tokenDirectory = configuration.tokenDirectory
        principals = configuration.principals
        mechanisms = try AuthenticationMechanisms(configuration.mechanisms)
        revokedKeys = configuration.revokedKeys
        self.logger = logger
        var tls: [ListenerTLS?] = []
        for listener in configuration.listeners {
            tls.append(try listener.tls.map { files throws(BrokerStartError) in try ListenerTLS(files) })
        }
        self.tls = tls
    }

    /// Who is known by which token now, and whose certificate is refused. A token that is missing is made.
    func directory() throws(BrokerStartError) -> PrincipalDirectory {
        let tokens = try TokenStore.open(directory: tokenDirectory, principals: principals.map(\.principal.name))
        for path in tokens.tooOpen { logger.warning("others on this machine can read a token: chmod 600", metadata: ["file": "\(path)"]) }
        let revoked: Set<String>
        do { revoked = try revokedKeys() } catch { throw BrokerStartError(.tls, "it is not known which certificates were revoked: \(error)") }
        return try PrincipalDirectory(principals: principals, tokens: tokens, mechanisms: mechanisms, revokedKeys: revoked)
    }
}
