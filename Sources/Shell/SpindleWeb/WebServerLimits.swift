/// What one connection, and all of them together, may take of the web server.
package struct WebServerLimits: Sendable {
    package var connectionsMax = 20_000
    /// From one address; from loopback, where a proxy may be, only ``connectionsMax`` holds. Of IPv6 the network (/64) counts.
    package var connectionsPerAddressMax = 256
    /// Of a request before its body.
    package var headerBytesMax = 32 << 10
    package var headerFieldsMax = 128
    package var headerFieldBytesMax = 16 << 10
    /// From the connection to its first request, with the TLS handshake.
    package var firstRequestMilliseconds: Int64 = 15_000
    /// Without a request after an answer.
    package var idleMilliseconds: Int64 = 75_000
    /// For a request's body; longer for each second's worth of ``bodyBytesPerSecondMin`` that came.
    package var bodyMilliseconds: Int64 = 30_000
    package var bodyBytesPerSecondMin: Int64 = 512
    /// From when more of an answer waits than the socket takes, until the peer has taken enough of it for more to be written.
    package var unreadMilliseconds: Int64 = 120_000

    package init() {}
}
