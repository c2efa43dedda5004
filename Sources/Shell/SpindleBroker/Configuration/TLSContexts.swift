import NIOSSL
import Synchronization

/// The server side of TLS 1.2 and 1.3 of one listener, which can be read again while it serves: connections that are there keep what
/// they have. A client's certificate is asked for where there is an authority to check it with; one that is shown must be good, but a
/// client may show none and use a token.
final class ListenerTLS: Sendable {
    /// Of TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others.
    private static let cipherSuites: [NIOTLSCipher] = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    let files: BrokerTLS
    private let current: Mutex<NIOSSLContext>

    init(_ files: BrokerTLS) throws(BrokerStartError) {
        self.files = files
        current = Mutex(try Self.context(files))
    }

    var context: NIOSSLContext { current.withLock { $0 } }

    /// Reads the files again, for connections from now on. If that fails, what was read before stays.
    func reload() throws(BrokerStartError) {
        let context = try Self.context(files)
        current.withLock { $0 = context }
    }

    private static func context(_ tls: BrokerTLS) throws(BrokerStartError) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(tls.certificateFile).map { NIOSSLCertificateSource.certificate($0) }
            guard !chain.isEmpty else { throw BrokerStartError(.tls, "\(tls.certificateFile) holds no certificate") }
            let key = try NIOSSLPrivateKey(file: tls.keyFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.cipherSuiteValues = cipherSuites
            configuration.renegotiationSupport = .none
            if let authorities = tls.clientAuthorityFile {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorities))
                configuration.certificateVerification = .optionalVerification
            }
            return try NIOSSLContext(configuration: configuration)
        } catch let error as BrokerStartError {
            throw error
        } catch {
            let files = [tls.certificateFile, tls.keyFile, tls.clientAuthorityFile].compactMap(\.self).joined(separator: ", ")
            throw BrokerStartError(.tls, "one of \(files) is missing or not what it should be: \(error)")
        }
    }
}
