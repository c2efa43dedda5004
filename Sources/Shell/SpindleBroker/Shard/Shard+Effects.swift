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
            recordSizes.removeAll(keepingCapacity: true)
            recordSizes.append(count)
            var total = count
            // Neighbours in the log are read at once.
            while index + recordSizes.count < performing.effects.count,
                case .read(session, let next, let more) = performing.effects[index + recordSizes.count], next == address + UInt64(total)
            {
                total += more
                recordSizes.append(more)
            }
            read(session, address: address, count: total)
            return recordSizes.count
        case .fetch(let ticket, let ranges):
            fetch(ticket, ranges)
        case .verifyToken(let session, let token):
            if !refuseRevoked(session) { answer(session, directory.principal(token: token), data: nil) }
        case .verifyCertificate(let session):
            if !refuseRevoked(session) {
                answer(session, connections[session]?.certificate?.commonName.flatMap { directory.principal(certificateName: $0) }, data: nil)
            }
        case .verifyMechanism(let session, let round):
            if !refuseRevoked(session) { verify(session, round) }
        case .close(let session):
            connections[session]?.closeAfterOutput(lingerMilliseconds: lingerMilliseconds)
        case .audit(let entry):
            logger.notice("audit", metadata: entry.metadata)
        }
        return 1
    }

    /// Writes the records that begin at `address`, `recordSizes` bytes each and `count` in all. One that is damaged or can't be read is replaced by
    /// a stand-in, and so is a compressed one for a client that declined LZ4; the others of the frame are as they were stored.
    private func read(_ session: SessionID, address: UInt64, count: Int) {
        guard let connection = connections[session], connection.isOpen else { return }
        var damage: [Int: any Error] = [:]
        let expands = node.expands(session)
        connection.withOutput { output in
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                let space = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
                do {
                    try files.reader.read(address: address, into: space)
                    damage = StandIn.replace(in: space, sizes: recordSizes, expands: expands)
                } catch {
                    damage = readSingly(address, into: space, expands: expands)
                }
                return count
            }
        }
        for (index, error) in damage {
            let place = address + UInt64(recordSizes[..<index].reduce(0, +))
            figures.damagedReads += 1
            logThrottled(
                .error, "a stored message is damaged or cannot be read; its consumer is told so in its place",
                ["address": "\(place)", "bytes": "\(recordSizes[index])", "reason": "\(error)"])
        }
    }

    /// Part of them can't be read: which one shows when each is read by itself.
    private func readSingly(_ address: UInt64, into space: UnsafeMutableRawBufferPointer, expands: Bool) -> [Int: any Error] {
        var damage: [Int: any Error] = [:]
        var offset = 0
        for (index, size) in recordSizes.enumerated() {
            let record = UnsafeMutableRawBufferPointer(rebasing: space[offset..<(offset + size)])
            damage[index] = StandIn.fill(record, expands: expands) { try files.reader.read(address: address + UInt64(offset), into: $0) }
            offset += size
        }
        return damage
    }

    /// Reads what the node itself must see, and hands it back: zeros for what can't be read, nothing where none of it can.
    private func fetch(_ ticket: UInt64, _ ranges: [Effect.Range]) {
        let total = ranges.reduce(0) { $0 + $1.count }
        var failure: (any Error)?
        var readable = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: total) { space, count in
            let space = UnsafeMutableRawBufferPointer(space)
            for range in ranges {
                let place = UnsafeMutableRawBufferPointer(rebasing: space[count..<(count + range.count)])
                do {
                    try files.reader.read(address: range.address, into: place)
                    readable += 1
                } catch {
                    failure = error
                    place.initializeMemory(as: UInt8.self, repeating: 0)
                }
                count += range.count
            }
        }
        if let failure {
            figures.damagedReads += UInt64(ranges.count - readable)
            logThrottled(.error, "stored messages could not be read", ["unread": "\(ranges.count - readable)", "error": "\(failure)"])
        }
        if readable == 0, !ranges.isEmpty {
            node.fetched(ticket, bytes: nil, now: now)
        } else {
            node.fetched(ticket, bytes: bytes.span.bytes, now: now)
        }
    }
}
