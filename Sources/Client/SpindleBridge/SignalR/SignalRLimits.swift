/// What one SignalR connection may take. Its events come from the ``EventHub``, with that one's limits.
package struct SignalRLimits: Sendable {
    /// From the connection to the client's handshake.
    package var handshakeMilliseconds: Int64 = 15_000
    /// A ping goes out after this long without another message.
    package var pingMilliseconds: Int64 = 15_000
    /// A client from which nothing comes for so long is gone. Clients ping every 15 to 20 s.
    package var clientTimeoutMilliseconds: Int64 = 60_000
    /// Of one message of a client.
    package var messageBytesMax = 64 << 10
    /// A poll without news is answered after this long; then the client polls again.
    package var pollMilliseconds: Int64 = 30_000
    /// What waits to be sent before no more events are taken for this client.
    package var waitingBytesMax = 64 << 10
    /// How often timers are looked at.
    package var tickMilliseconds: Int64 = 1_000

    package init() {}
}
