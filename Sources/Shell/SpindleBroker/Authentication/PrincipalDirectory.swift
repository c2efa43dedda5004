import SpindleNode
import SpindleText

/// Who may connect, and who a credential belongs to.
struct PrincipalDirectory: Sendable {
    private let byName: [String: BrokerPrincipal]
    private let byCertificateName: [String: String]
    let tokens: TokenStore
    let mechanisms: AuthenticationMechanisms
    private let revokedKeys: Set<String>

    init(
        principals: [BrokerPrincipal], tokens: TokenStore, mechanisms: AuthenticationMechanisms, revokedKeys: Set<String>
    ) throws(BrokerStartError) {
        var byName: [String: BrokerPrincipal] = [:]
        var byCertificateName: [String: String] = [:]
        for principal in principals {
            let name = principal.principal.name
            // The name begins the holder of a lease, and is read back from there.
            guard Name.isPlain(name) else {
                throw BrokerStartError(
                    .configuration, "the principal “\(name)”: 1 to \(Name.bytesMax) letters, digits, '.', '-' and '_' can name one, no others")
            }
            guard byName.updateValue(principal, forKey: name) == nil else {
                throw BrokerStartError(.configuration, "the principal '\(name)' is configured twice")
            }
            for certificateName in principal.certificateNames {
                guard byCertificateName.updateValue(name, forKey: certificateName) == nil else {
                    throw BrokerStartError(.configuration, "the certificate name '\(certificateName)' is given to two principals")
                }
            }
        }
        self.byName = byName
        self.byCertificateName = byCertificateName
        self.tokens = tokens
        self.mechanisms = mechanisms
        self.revokedKeys = revokedKeys
    }

    func isRevoked(_ certificate: ClientCertificate) -> Bool { revokedKeys.contains(certificate.keyDigest) }

    func principal(named name: String) -> BrokerPrincipal? { byName[name] }

    func principal(token: String) -> BrokerPrincipal? {
        tokens.principal(for: token).flatMap { byName[$0] }
    }

    func principal(certificateName: String) -> BrokerPrincipal? {
        byCertificateName[certificateName].flatMap { byName[$0] }
    }
}
