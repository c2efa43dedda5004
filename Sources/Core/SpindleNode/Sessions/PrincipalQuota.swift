/// What one principal may have in use at once, over all its connections. The defaults leave room for others whatever one does, and are
/// far above what workers and browsers need.
package struct PrincipalQuota: Equatable, Sendable {
    /// Connections. The shell counts them; one more is refused with TOO_MANY_CONNECTIONS.
    package var connections = 5_000
    /// Requests that wait for an answer.
    package var requests = 100_000
    /// Bytes of the requests that wait for an answer.
    package var bytesInFlight = 256 << 20
    /// Leases. They count until they end, also when their connection is gone.
    package var leases = 100_000
    /// Subscriptions to topics.
    package var subscriptions = 10_000
    /// LEASEs that wait, and messages for which AWAITs wait.
    package var waits = 50_000

    package init() {}
}
