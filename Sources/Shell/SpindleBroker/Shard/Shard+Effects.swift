import Logging
import NIOCore
import SpindleLog
import SpindleNode
import SpindleWire

extension Shard {
    /// Performs what the node asks for, in its order, until it asks for nothing more.
    func performEffects() {
        while !node.outbox.effects.isEmpty {
            // The node fills one outbox while the other is worked off: an answer to an effect may make further ones.
            node.takeOutbox(into: &performing)
            var index = 0
            while index < performing.effects.count {
                index += perform(at: index)
            }
            performing.removeAll()
        }
    }

    /// Returns how many effects were performed at once.
    private func perform(at index: Int) -> Int {
        switch performing.effects[index] {
        case .bytes(let session, let range):
            guard let connection = connections[session], connection.isOpen else { return 1 }
            connection.withOutput { output in
                performing.writer.withUnsafeBytes { _ = output.writeBytes(UnsafeRawBufferPointer(rebasing: $0[range])) }
            }
            return 1
        case .read(let session, let address, let count):
            var total = count
            var merged = 1
            // Neighbours in the log are read at once.
            while index + merged < performing.effects.count,
                case .read(session, let next, let more) = performing.effects[index + merged], next == address + UInt64(total)
            {
                total += more
                merged += 1
            }
            read(session, address: address, count: total)
            return merged
        case .fetch(let ticket, let ranges):
            fetch(ticket, ranges)
        case .verifyToken(let session, let token):
            answer(session, directory.principal(token: token))
        case .verifyCertificate(let session):
            answer(session, connections[session]?.certificateName?().flatMap { directory.principal(certificateName: $0) })
        case .close(let session):
            connections[session]?.closeAfterOutput(lingerMilliseconds: lingerMilliseconds)
        case .audit(let entry):
            logger.notice("audit", metadata: entry.metadata)
        }
        return 1
    }

    private func read(_ session: SessionID, address: UInt64, count: Int) {
        guard let connection = connections[session], connection.isOpen else { return }
        var failure: (any Error)?
        var damage: WireError?
        connection.withOutput { output in
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                let space = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
                do {
                    try files.reader.read(address: address, into: space)
                    damage = StoredRecords.blankDamaged(space)
                    return count
                } catch {
                    failure = error
                    return 0
                }
            }
        }
        if let damage {
            figures.damagedReads += 1
            logThrottled(
                .error, "a stored message is damaged; its bytes are not given out",
                ["address": "\(address)", "bytes": "\(count)", "reason": "\(damage.message)"])
        }
        if let failure {
            figures.damagedReads += 1
            logThrottled(
                .error, "the log could not be read for a delivery; the connection is closed, its leases run out",
                ["address": "\(address)", "bytes": "\(count)", "error": "\(failure)"])
            cut(connection, .internalError, "a stored message could not be read")
        }
    }

    /// Reads what the node itself must see, and hands it back.
    private func fetch(_ ticket: UInt64, _ ranges: [Effect.Range]) {
        let total = ranges.reduce(0) { $0 + $1.count }
        let bytes: [UInt8]
        do {
            bytes = try [UInt8](unsafeUninitializedCapacity: total) { space, count in
                let space = UnsafeMutableRawBufferPointer(space)
                for range in ranges {
                    try files.reader.read(address: range.address, into: UnsafeMutableRawBufferPointer(rebasing: space[count..<(count + range.count)]))
                    count += range.count
                }
            }
        } catch {
            logThrottled(.error, "stored messages could not be read", ["bytes": "\(total)", "error": "\(error)"])
            node.fetched(ticket, bytes: nil, now: now)
            return
        }
        node.fetched(ticket, bytes: bytes.span.bytes, now: now)
    }

    /// Tells the node who a session is, or that nobody knows.
    private func answer(_ session: SessionID, _ found: BrokerPrincipal?) {
        guard let connection = connections[session], connection.isOpen else { return }
        if let found, connection.principal == nil {
            let name = found.principal.name
            let max = found.principal.quota.connections
            guard sockets.counts.authenticated(name, from: connection.address, max: max) else {
                refuse(
                    connection,
                    WireError(.tooManyConnections, "'\(name)' has its \(max) connections; close some first, or raise its quota", retryAfterMilliseconds: 1_000))
                return
            }
            connection.authenticated(as: name)
        }
        node.authenticated(session, principal: found?.principal, now: now)
        connection.frameBytesMax = node.frameBytesMax(session)
    }
}
