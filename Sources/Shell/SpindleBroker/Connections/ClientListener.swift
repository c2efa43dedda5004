import NIOCore
import NIOPosix
import NIOSSL

/// Opens the sockets on which clients connect.
enum ClientListener {
    /// Connections that the kernel completes ahead of us.
    private static let backlog: Int32 = 1024
    /// A read takes at most so much, and a busy connection's buffer grows up to it.
    private static let readBytesMax = 256 << 10

    /// Listens; every connection is served on the shard's own loop.
    static func open(_ listener: BrokerListener, _ tls: ListenerTLS?, shard: NIOLoopBound<Shard>) async throws(BrokerStartError) -> any Channel {
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(listener.host, port: listener.port)
        } catch {
            throw BrokerStartError(.listen, "'\(listener.host)' is no address of this machine: \(error)")
        }
        guard tls != nil || listener.allowPlaintext || address.isLoopback else {
            throw BrokerStartError(
                .listen, "plaintext on \(listener.host), which other machines can reach: configure TLS, or allow plaintext explicitly")
        }
        let asksForCertificate = tls?.files.clientAuthorityFile != nil
        // The listener lives on the shard's loop too: its gate asks the shard.
        let loop = shard.eventLoop
        let bootstrap = ServerBootstrap(group: loop, childGroup: loop)
            .serverChannelOption(ChannelOptions.backlog, value: backlog)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptGate(shard: shard.value)) }
            }
            .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
            .childChannelOption(
                ChannelOptions.recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: readBytesMax))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try add(to: channel, shard.value, tls?.context, asksForCertificate: asksForCertificate)
                }
            }
        do {
            return try await bootstrap.bind(to: address).get()
        } catch {
            throw BrokerStartError(.listen, "cannot listen on \(listener.host), port \(listener.port): \(error)")
        }
    }

    private static func add(to channel: any Channel, _ shard: Shard, _ context: NIOSSLContext?, asksForCertificate: Bool) throws {
        let connection = Connection(
            id: shard.sockets.nextSession(), address: channel.remoteAddress?.ipAddress ?? "unknown", shard: shard, now: shard.now)
        let pipeline = channel.pipeline.syncOperations
        if let context {
            let handler = NIOSSLServerHandler(context: context)
            if asksForCertificate {
                connection.peerCertificate = { handler.peerCertificate.flatMap(ClientCertificate.init) }
            }
            try pipeline.addHandler(handler)
        }
        try pipeline.addHandler(connection)
    }
}

extension SocketAddress {
    /// Reached from this machine only.
    var isLoopback: Bool {
        switch self {
        case .v4: ipAddress?.hasPrefix("127.") ?? false
        case .v6: ipAddress == "::1"
        case .unixDomainSocket: true
        }
    }
}
