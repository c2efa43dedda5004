import Logging
import NIOCore
import SpindleLog
import SpindleNode
import SpindleWire

extension Shard {
    // MARK: Coming and going

    func connected(_ connection: Connection) {
        guard isAlive else { return connection.closeNow() }
        connections[connection.id] = connection
        figures.connectionsAccepted += 1
        let refusal = sockets.counts.connected(from: connection.address, limits: limits, budget: sockets.budget)
        node.connected(connection.id, peer: connection.address, now: now)
        if let refusal {
            connection.standing = .refused
            refuse(connection, WireError(.tooManyConnections, refusal, retryAfterMilliseconds: 1_000))
        }
        scheduleFlush()
    }

    func disconnected(_ connection: Connection) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        sockets.counts.disconnected(from: connection.address, connection.standing)
        sockets.exchanges.end(of: connection.id)
        for gate in sockets.gates { gate.reopen() }
        if isAlive {
            node.disconnected(connection.id, now: now)
            scheduleFlush()
        }
        if connections.isEmpty { drained.take()?.succeed() }
    }

    func transportFailed(_ connection: Connection, _ error: any Error) {
        logger.debug("connection failed", metadata: ["peer": "\(connection.address)", "error": "\(error)"])
    }

    // MARK: Frames

    /// Hands every whole frame in `bytes` to the node and moves the reader behind it. Stops early where reading is held.
    func receive(_ bytes: inout ByteBuffer, from connection: Connection) {
        guard isAlive else { return }
        let now = now
        while connection.isOpen, bytes.readableBytes >= FrameHeader.byteCount {
            guard hasTurn(connection) else { return waitForTurn(connection) }
            if holdsReading(of: connection) {
                noteHeld(connection)
                return
            }
            let length: Int
            do throws(WireError) {
                let span = bytes.readableBytesSpan
                let header = try FrameHeader(span, frameBytesMax: connection.frameBytesMax)
                length = Int(header.length)
                guard span.byteCount >= length else { return }
                let units = node.work.units
                node.received(
                    connection.id, header: header, body: span.extracting(FrameHeader.byteCount..<length), now: now)
                connection.turns.spent(node.work.units - units, in: turns.number)
            } catch {
                refuse(connection, error)
                return
            }
            bytes.moveReaderIndex(forwardBy: length)
            // Until it is known who this is, each frame decides how the next is taken.
            if connection.principal == nil {
                performEffects()
                connection.frameBytesMax = node.frameBytesMax(connection.id)
            }
        }
    }

    /// Tells the peer why its connection ends, and ends it.
    func refuse(_ connection: Connection, _ error: WireError) {
        guard connection.isOpen, isAlive else { return }
        logThrottled(.info, "connection refused", code: error.code, ["peer": "\(connection.address)", "reason": "\(error.message)"])
        node.framingFailed(connection.id, error: error, now: now)
        performEffects()
        scheduleFlush()
    }

    /// Ends a connection that could not read an explanation anyway.
    func cut(_ connection: Connection, _ code: ErrorCode, _ reason: String) {
        figures.cuts[code, default: 0] += 1
        logThrottled(.info, "connection cut", code: code, ["peer": "\(connection.address)", "reason": "\(reason)"])
        connection.reset()
    }

    /// Knows principals by new tokens from now on. Connections of one whose token has changed end: it may be because somebody else has it.
    /// So do those that show a certificate that was revoked.
    func use(_ directory: PrincipalDirectory) {
        let changed = self.directory.tokens.changed(in: directory.tokens)
        self.directory = directory
        for connection in Array(connections.values) {
            guard let principal = connection.principal else { continue }
            if changed.contains(principal) {
                cut(connection, .notAuthenticated, "the token of '\(principal)' has changed")
            } else if let certificate = connection.certificate, directory.isRevoked(certificate) {
                cut(connection, .notAuthenticated, "the certificate of '\(principal)' was revoked")
            }
        }
    }

    // MARK: Back-pressure

    /// Whether nothing may be taken from this connection now.
    func holdsReading(of connection: Connection) -> Bool {
        if isHeldByLog || !node.takesRequests(connection.id) { return true }
        if node.log.openBatchBytes + commit.writingBytes > limits.undurableBytesMax {
            isHeldByLog = true
            return true
        }
        // Output has a budget of its own: those who take none of theirs must not stop the reading from others.
        return heldInputBytes > limits.processBytesMax && connection.inputBytes == 0
    }

    func noteHeld(_ connection: Connection) {
        guard !connection.isHeld else { return }
        connection.isHeld = true
        held.append(connection)
    }

    /// Called when the log caught up, or output left.
    func holdOrRelease() {
        if isHeldByLog {
            let isWaitingForSegment = node.log.roomForPublish(payloadCount: limits.frameBytesMax) == .preparing
            let undurable = node.log.openBatchBytes + commit.writingBytes
            if undurable <= limits.undurableBytesMax / 2, !isWaitingForSegment { isHeldByLog = false }
        } else if node.log.roomForPublish(payloadCount: limits.frameBytesMax) == .preparing {
            // Not full, only not ready: the peers wait a moment and are refused nothing.
            isHeldByLog = true
        }
        guard !held.isEmpty, !isHeldByLog else { return }
        let waiting = held
        held.removeAll(keepingCapacity: true)
        for connection in waiting {
            connection.isHeld = false
            if !connection.resumeReading() { noteHeld(connection) }
        }
        // What the resumed requests made and logged goes out now, whatever else happens.
        if !node.outbox.effects.isEmpty || commit.isIdle && node.log.openBatchBytes > 0 { scheduleFlush() }
    }

    /// The socket took bytes: what waited for room can be made, and requests that waited can be taken.
    func outputTaken(_ connection: Connection, _ byteCount: Int) {
        guard isAlive else { return }
        let canGoOn = node.outputTaken(connection.id, bytes: byteCount)
        if canGoOn || connection.isHeld && node.takesRequests(connection.id) { scheduleFlush() }
    }
}
