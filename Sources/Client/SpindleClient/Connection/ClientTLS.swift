internal import Foundation
internal import NIOCore
internal import NIOSSL
internal import Synchronization

/// The client side of TLS. Its files are read at each connection, so that a renewed certificate holds from the next one on.
final class ClientTLS: Sendable {
    private let files: ClientConfiguration.TLS
    /// What was read last: it serves while the files are being replaced, and don't fit together.
    private let latest = Mutex<NIOSSLContext?>(nil)

    init(_ files: ClientConfiguration.TLS) { self.files = files }

    /// - Throws: `TLS_FAILED`, if the files could never be read, or the client's own certificate has expired.
    func context() throws(SpindleError) -> NIOSSLContext {
        do throws(Fault) {
            let read = try Self.context(files)
            latest.withLock { $0 = read }
            return read
        } catch {
            switch error {
            case .expired(let error): throw error
            case .unusable(let error):
                guard let latest = latest.withLock({ $0 }) else { throw error }
                return latest
            }
        }
    }

    private enum Fault: Error {
        /// What was read before has expired too.
        case expired(SpindleError)
        case unusable(SpindleError)
    }

    private static func context(_ tls: ClientConfiguration.TLS) throws(Fault) -> NIOSSLContext {
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            configuration.certificateVerification = .fullVerification
            if let file = tls.caFile { configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file)) }
            if let file = tls.certificateFile {
                let chain = try NIOSSLCertificate.fromPEMFile(file)
                if let expiry = chain.first?.expiry {
                    throw Fault.expired(SpindleError(
                        code: .tlsFailed, message: "the client's certificate \(file) expired on \(expiry): replace it", isRetryable: true,
                        blastRadius: .connection))
                }
                configuration.certificateChain = chain.map { .certificate($0) }
            }
            if let file = tls.keyFile { configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: file, format: .pem)) }
            return try NIOSSLContext(configuration: configuration)
        } catch let fault as Fault {
            throw fault
        } catch {
            let files = [tls.caFile, tls.certificateFile, tls.keyFile].compactMap(\.self).joined(separator: ", ")
            throw .unusable(SpindleError(
                code: .tlsFailed, message: "the TLS files (\(files)) can't be used: \(error)", blastRadius: .connection, cause: error))
        }
    }
}

/// Names the cause of a failed handshake where it is the broker's certificate, which the TLS library only says it can't verify.
final class HandshakeFailure: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let tls: NIOSSLClientHandler
    private let endpoint: ClientConfiguration.Endpoint

    init(of tls: NIOSSLClientHandler, with endpoint: ClientConfiguration.Endpoint) {
        self.tls = tls
        self.endpoint = endpoint
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard case .handshakeFailed = error as? NIOSSLError, let expiry = tls.peerCertificate?.expiry else {
            context.fireErrorCaught(error)
            return
        }
        context.fireErrorCaught(
            SpindleError(
                code: .tlsFailed, message: "no TLS connection to \(endpoint): the broker's certificate expired on \(expiry); it is to be replaced there",
                isRetryable: true, blastRadius: .connection, cause: error))
    }
}

extension NIOSSLCertificate {
    /// When it expired; nil if it has not.
    fileprivate var expiry: String? {
        let end = Date(timeIntervalSince1970: TimeInterval(notValidAfter))
        return end < Date() ? end.formatted(.iso8601) : nil
    }
}
