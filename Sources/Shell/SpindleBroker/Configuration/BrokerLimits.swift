import SpindleWire

/// Limits on what peers may hold, and how long. Times in milliseconds.
package struct BrokerLimits: Sendable {
    /// Connections at once.
    package var connectionsMax = 10_000
    /// Connections at once from one address; nil: no limit of their own.
    package var connectionsPerAddressMax: Int?
    /// Connections that have not said who they are, at once: in all, and from one address. Fewer where files are scarce.
    package var unauthenticatedMax = 1_000
    package var unauthenticatedPerAddressMax = 256
    /// From the accept (so the TLS handshake counts) to the answer to AUTH.
    package var unauthenticatedMilliseconds: UInt64 = 5_000
    /// A frame that has begun must be whole after this long.
    package var partialFrameMilliseconds: UInt64 = 30_000
    /// Announced to clients; a connection from which nothing came for this long is closed.
    package var heartbeatMilliseconds: UInt32 = 15_000
    /// A connection that takes not a byte of what waits for it for this long is cut. Longer than a peer that reads 2 KiB a second lets its
    /// window stand closed.
    package var outputStallMilliseconds: UInt64 = 60_000
    /// As ``outputStallMilliseconds``, while the output of all connections is full and others wait for room: those that hold most are cut
    /// first, and only as many as make that room.
    package var outputStallWhenFullMilliseconds: UInt64 = 5_000
    /// Output that may wait for one connection, bytes. Announced to clients. With more no request of it is taken and nothing is made for
    /// it; one frame always is, however large.
    package var outputBytesMax = 8 << 20
    /// Input (unfinished frames) that the process holds for all connections: above it nothing more is read. Output has at most as much.
    package var processBytesMax = FlowLimits.processBytesDefault
    /// Logged bytes that are not yet durable. Above it nothing is read; below half of it reading goes on.
    package var undurableBytesMax = 32 << 20
    /// Largest frame after authentication, bytes.
    package var frameBytesMax = 4 << 20
    /// Unanswered requests of one connection.
    package var inFlightMax = 8192
    /// After the last byte a closing connection may take this long to read it.
    package var lingerMilliseconds: UInt64 = 1_000
    /// Operators' HTTP: connections at once, bytes of a request, and how long a connection may last.
    package var operationsConnectionsMax = 64
    package var operationsRequestBytesMax = 16 << 10
    package var operationsMilliseconds: UInt64 = 5_000
    /// The longest time between two sweeps, which look at connections' deadlines, the clocks and the log.
    package var sweepMillisecondsMax: UInt64 = 1_000

    package init() {}

    /// Output that may wait for all connections together, bytes: their windows shrink as it fills. A frame and a window are at most a
    /// quarter of it.
    package var outputBudgetBytes: Int { max(min(256 << 20, processBytesMax), 4 * max(frameBytesMax, outputBytesMax)) }

    /// What is wrong with the limits, in a sentence; nil where they work together.
    func contradiction(entryBytesMax: Int) -> String? {
        FlowLimits(
            frameBytes: frameBytesMax, outputWindowBytes: outputBytesMax, processBytes: processBytesMax, entryBytes: entryBytesMax
        ).contradiction
    }

    /// How often deadlines of connections are looked at.
    var sweepMilliseconds: UInt64 {
        let shortest = min(
            unauthenticatedMilliseconds, partialFrameMilliseconds, UInt64(heartbeatMilliseconds), outputStallMilliseconds,
            outputStallWhenFullMilliseconds)
        return max(10, min(sweepMillisecondsMax, shortest / 4))
    }
}
