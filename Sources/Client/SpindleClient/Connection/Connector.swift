internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// Opens channels: TCP, then TLS where the configuration has it.
struct Connector: Sendable {
    /// Above the high mark no further requests are written until the socket has taken the bytes down to the low one.
    private static let writeMarks = ChannelOptions.Types.WriteBufferWaterMark(low: 1024 * 1024, high: 4 * 1024 * 1024)

    let endpoints: [ClientConfiguration.Endpoint]
    private let serverName: String?
    private let connectTimeout: TimeAmount
    /// Nil: plaintext.
    private let tls: ClientTLS?

    init(_ configuration: ClientConfiguration) {
        endpoints = configuration.endpoints
        serverName = configuration.tls?.serverName
        connectTimeout = configuration.connectTimeout.timeAmount
        tls = configuration.tls.map(ClientTLS.init)
    }

    /// Connects to one endpoint. `makeHandler` is called on the event loop, and its handler has been added when the future succeeds.
    func connect(
        to endpoint: ClientConfiguration.Endpoint, on eventLoop: any EventLoop, makeHandler: @escaping @Sendable () -> Connection
    ) -> EventLoopFuture<any Channel> {
        let secure: NIOSSLContext?
        do {
            secure = try tls?.context()
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
        let name = serverName ?? (Self.isAddress(endpoint.host) ? nil : endpoint.host)
        return ClientBootstrap(group: eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: Self.writeMarks)
            .channelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 65_536, maximum: 1024 * 1024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let secure {
                        let handler = try NIOSSLClientHandler(context: secure, serverHostname: name)
                        try channel.pipeline.syncOperations.addHandler(handler)
                        try channel.pipeline.syncOperations.addHandler(HandshakeFailure(of: handler, with: endpoint))
                    }
                    try channel.pipeline.syncOperations.addHandler(makeHandler())
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
    }

    /// An address has no name to indicate; the certificate is then checked against the address itself.
    private static func isAddress(_ host: String) -> Bool {
        (try? SocketAddress(ipAddress: host, port: 0)) != nil
    }

    /// What went wrong below, as an error of ours.
    static func error(from error: any Error, endpoint: ClientConfiguration.Endpoint? = nil) -> SpindleError {
        if let known = error as? SpindleError { return known }
        let place = endpoint.map { " to \($0)" } ?? ""
        if case .uncleanShutdown = error as? NIOSSLError {
            return .connectionLost("the broker closed the connection without ending TLS", cause: error)
        }
        if error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError {
            return SpindleError(
                code: .tlsFailed, message: "no TLS connection\(place): \(error)", isRetryable: true, blastRadius: .connection, cause: error)
        }
        if endpoint != nil {
            return SpindleError(
                code: .connectFailed, message: "no connection\(place): \(error)", isRetryable: true, blastRadius: .connection, cause: error)
        }
        return .connectionLost("the connection broke: \(error)", cause: error)
    }
}
