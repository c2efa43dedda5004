/// Why a connection's time is up.
package enum ConnectionExpiry: Equatable {
    case unauthenticated
    case partialFrame
    case silent
    case outputStalled
}

/// What happened when on one connection, and what follows from it. Times in milliseconds of the node's clock.
package struct ConnectionDeadlines {
    private var connectedAt: UInt64
    private var isAuthenticated = false
    package private(set) var lastReadAt: UInt64
    package private(set) var lastWriteAt: UInt64
    /// Since when the frame at the head of the input is unfinished.
    private var partialSince: UInt64?
    /// Since when nothing of the waiting output was taken.
    private var outputWaitingSince: UInt64?

    package init(connectedAt: UInt64) {
        self.connectedAt = connectedAt
        lastReadAt = connectedAt
        lastWriteAt = connectedAt
    }

    package mutating func authenticated() { isAuthenticated = true }

    /// Bytes came; `partial` tells whether they end within a frame, `finishedFrame` whether they ended one.
    package mutating func read(at now: UInt64, finishedFrame: Bool, partial: Bool) {
        lastReadAt = now
        if !partial {
            partialSince = nil
        } else if finishedFrame || partialSince == nil {
            partialSince = now
        }
    }

    /// The broker itself did not read for a while: the peer is not to blame for what is unfinished.
    package mutating func forgiveInput(at now: UInt64) {
        lastReadAt = now
        if partialSince != nil { partialSince = now }
    }

    /// The broker stood still for so long: what it did not hear, read or write in that time is nobody's fault.
    package mutating func forgiveStall(_ milliseconds: UInt64, at now: UInt64) {
        guard milliseconds > 0 else { return }
        connectedAt = min(now, connectedAt + milliseconds)
        lastReadAt = min(now, lastReadAt + milliseconds)
        partialSince = partialSince.map { min(now, $0 + milliseconds) }
        outputWaitingSince = outputWaitingSince.map { min(now, $0 + milliseconds) }
    }

    package mutating func wrote(at now: UInt64) {
        lastWriteAt = now
        if outputWaitingSince == nil { outputWaitingSince = now }
    }

    /// The peer's side took bytes; `waiting` tells whether more wait.
    package mutating func outputTaken(at now: UInt64, waiting: Bool) {
        outputWaitingSince = waiting ? now : nil
    }

    /// For how long the peer has taken nothing of the output that waits for it, milliseconds.
    package func outputStall(at now: UInt64) -> UInt64 { outputWaitingSince.map { now >= $0 ? now - $0 : 0 } ?? 0 }

    package func expired(at now: UInt64, limits: BrokerLimits) -> ConnectionExpiry? {
        if !isAuthenticated, now >= connectedAt + limits.unauthenticatedMilliseconds { return .unauthenticated }
        if let partialSince, now >= partialSince + limits.partialFrameMilliseconds { return .partialFrame }
        if let outputWaitingSince, now >= outputWaitingSince + limits.outputStallMilliseconds { return .outputStalled }
        if now >= lastReadAt + UInt64(limits.heartbeatMilliseconds) { return .silent }
        return nil
    }

    /// Nothing was sent for a third of the heartbeat: the client should hear from us.
    package func pingDue(at now: UInt64, limits: BrokerLimits) -> Bool {
        isAuthenticated && now >= lastWriteAt + UInt64(limits.heartbeatMilliseconds) / 3
    }
}
