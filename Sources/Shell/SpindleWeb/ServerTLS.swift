internal import NIOHTTP2
package import NIOSSL
internal import Synchronization

/// The server side of TLS 1.2 and 1.3 for HTTPS, which can be read again while it serves: connections that are there keep what they have.
package final class ServerTLS: Sendable {
    /// Of TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others.
    package static let cipherSuites: [NIOTLSCipher] = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    private let certificateFile: String
    private let keyFile: String
    private let current: Mutex<NIOSSLContext>

    /// - Throws: what is wrong with the PEM files.
    package init(certificateFile: String, keyFile: String) throws {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        current = Mutex(try Self.context(certificateFile, keyFile))
    }

    package var context: NIOSSLContext { current.withLock { $0 } }

    /// Reads the files again, for connections from now on. If that fails, what was read before stays.
    package func reload() throws {
        let context = try Self.context(certificateFile, keyFile)
        current.withLock { $0 = context }
    }

    private static func context(_ certificateFile: String, _ keyFile: String) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(certificateFile).map { NIOSSLCertificateSource.certificate($0) }
        let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuiteValues = cipherSuites
        configuration.renegotiationSupport = .none
        configuration.applicationProtocols = NIOHTTP2SupportedALPNProtocols
        return try NIOSSLContext(configuration: configuration)
    }
}
