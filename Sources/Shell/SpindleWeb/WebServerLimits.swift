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
    /// Streams of one HTTP/2 connection at a time: the requests of all tabs of a browser.
    package var streamsMax = 100
    /// Bytes that a peer may send ahead of the reader, on one stream and on one HTTP/2 connection: an upload needs them on a long way.
    package var windowBytes = 4 << 20
    /// Streams that a peer may reset within ``resetsMilliseconds``; beyond, it is attacking (CVE-2023-44487).
    package var resetsMax = 200
    package var resetsMilliseconds: Int64 = 30_000
    /// For the open requests of an HTTP/2 connection when the server stops.
    package var stopMilliseconds: Int64 = 10_000
    /// Of one message of a WebSocket, whole.
    package var webSocketMessageBytesMax = 64 << 10
    package var webSocketFragmentsMax = 64
    /// Without a frame from the peer of a WebSocket until it is pinged, and again until it is given up.
    package var webSocketPingMilliseconds: Int64 = 25_000
    /// From a close frame until the connection is closed, whatever the peer does; and from the server's stop until the close frame.
    package var webSocketCloseMilliseconds: Int64 = 3_000

    package init() {}
}
