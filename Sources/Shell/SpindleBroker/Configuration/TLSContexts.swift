import NIOSSL

enum TLSContexts {
    /// The server side of TLS 1.2 and 1.3. A client's certificate is asked for where there is an authority to check it with; one
    /// that is shown must be good, but a client may show none and use a token.
    static func server(_ tls: BrokerTLS) throws(BrokerStartError) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(tls.certificateFile).map { NIOSSLCertificateSource.certificate($0) }
            guard !chain.isEmpty else { throw BrokerStartError(.tls, "\(tls.certificateFile) holds no certificate") }
            let key = try NIOSSLPrivateKey(file: tls.keyFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
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
