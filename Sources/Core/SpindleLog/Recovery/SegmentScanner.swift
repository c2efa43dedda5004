/// What the log says about one entry, beside its payload.
package struct LogEntry: Hashable, Sendable {
    package var lsn: LSN
    package var type: UInt16
    package var flags: UInt16
    /// The stream address of the first payload byte.
    package var payloadAddress: UInt64
    /// The position after the entry.
    package var end: LSN
    /// Every byte below was known to be synced when the entry was appended.
    package var durable: LSN

    init(_ header: EntryHeader) {
        lsn = header.lsn
        type = header.type
        flags = header.flags
        payloadAddress = header.payloadAddress
        end = header.end
        durable = header.durable
    }
}

/// Why the bytes at a position are not the entry that belongs there.
package enum EntryFault: Hashable, Sendable, CustomStringConvertible {
    /// Nothing but zeros: what the end of a log looks like, too.
    case blank
    case segmentEnd
    case length
    case position(found: UInt64)
    case headerChecksum
    case lengthOverSegment(UInt32)
    case payloadChecksum
    case padding
    case previous
    case durable

    package var description: String {
        switch self {
        case .blank: "zeros where an entry should be"
        case .segmentEnd: "no room for another entry, and no seal before"
        case .length: "the length and its complement do not match"
        case .position(let found): "the entry says that it lies at LSN \(found)"
        case .headerChecksum: "the entry header's checksum does not match"
        case .lengthOverSegment(let length): "an entry of \(length) bytes would pass the end of its segment"
        case .payloadChecksum: "the entry's checksum does not match its payload"
        case .padding: "the bytes that pad the entry are not zero"
        case .previous: "the entry does not follow the one before it"
        case .durable: "the entry claims that bytes after it are durable"
        }
    }
}

/// Reads entries out of one segment's bytes, all of them in memory. Trusts nothing that it reads.
struct SegmentScanner {
    let number: UInt64
    /// The whole segment; what the file lacks is zero.
    let bytes: UnsafeRawBufferPointer
    private let seed: UInt32
    private let firstLSN: UInt64

    init(log: LogID, number: UInt64, bytes: UnsafeRawBufferPointer) {
        self.number = number
        self.bytes = bytes
        self.seed = Checksum.seed(log: log, segment: number)
        self.firstLSN = number * UInt64(bytes.count)
    }

    /// The entry at `offset`. `previousCRC` is what it must name as its predecessor's; nil takes any.
    func entry(at offset: Int, previousCRC: UInt32?) -> Result<EntryHeader, EntryFault> {
        guard offset + EntryHeader.bytes <= bytes.count else { return .failure(.segmentEnd) }
        let length = bytes.loadLittleEndian(UInt32.self, at: offset)
        guard length == ~bytes.loadLittleEndian(UInt32.self, at: offset + 4) else {
            return .failure(headerIsBlank(at: offset) ? .blank : .length)
        }
        let position = bytes.loadLittleEndian(UInt64.self, at: offset + 8)
        guard position == firstLSN + UInt64(offset) else { return .failure(.position(found: position)) }
        let header = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + EntryHeader.headerCRCOffset])
        let headerCRC = Checksum.extend(seed, header)
        guard headerCRC == bytes.loadLittleEndian(UInt32.self, at: offset + EntryHeader.headerCRCOffset) else {
            return .failure(.headerChecksum)
        }
        let payloadStart = offset + EntryHeader.bytes
        let payloadCount = Int(length)
        guard payloadCount <= bytes.count - payloadStart,
            offset + EntryHeader.entryBytes(payloadCount: payloadCount) <= bytes.count
        else { return .failure(.lengthOverSegment(length)) }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[payloadStart..<payloadStart + payloadCount])
        let entryCRC = bytes.loadLittleEndian(UInt32.self, at: offset + EntryHeader.entryCRCOffset)
        guard Checksum.extend(headerCRC, payload) == entryCRC else { return .failure(.payloadChecksum) }
        let end = offset + EntryHeader.entryBytes(payloadCount: payloadCount)
        guard bytes[payloadStart + payloadCount..<end].allSatisfy({ $0 == 0 }) else { return .failure(.padding) }
        let durable = LSN(rawValue: bytes.loadLittleEndian(UInt64.self, at: offset + 16))
        guard durable.rawValue <= position else { return .failure(.durable) }
        let previous = bytes.loadLittleEndian(UInt32.self, at: offset + 28)
        if let previousCRC, previous != previousCRC { return .failure(.previous) }
        return .success(
            EntryHeader(
                payloadCount: payloadCount, lsn: LSN(rawValue: position), durable: durable,
                type: bytes.loadLittleEndian(UInt16.self, at: offset + 24),
                flags: bytes.loadLittleEndian(UInt16.self, at: offset + 26), previousCRC: previous, entryCRC: entryCRC))
    }

    func payload(of entry: EntryHeader) -> UnsafeRawBufferPointer {
        let start = Int(entry.payloadAddress - firstLSN)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + entry.payloadCount])
    }

    /// The whole entries that lie at or behind `offset`, wherever they begin and whatever lies between: how many, and the one
    /// that proves the most bytes durable. Linear, because a wrong header checksum ends the look at a position.
    func survivors(from offset: Int) -> (count: Int, mostDurable: EntryHeader?) {
        var count = 0
        var most: EntryHeader?
        var position = offset
        while position + EntryHeader.bytes <= bytes.count {
            if case .success(let entry) = entry(at: position, previousCRC: nil) {
                count += 1
                if most.map({ $0.durable < entry.durable }) ?? true { most = entry }
                position += EntryHeader.entryBytes(payloadCount: entry.payloadCount)
            } else {
                position += EntryHeader.alignment
            }
        }
        return (count, most)
    }

    /// The offset of the first whole entry at or behind `offset`.
    func nextEntry(from offset: Int) -> Int? {
        var position = offset
        while position + EntryHeader.bytes <= bytes.count {
            if case .success = entry(at: position, previousCRC: nil) { return position }
            position += EntryHeader.alignment
        }
        return nil
    }

    /// Whether the header at `offset` says that it belongs there: the sign of an append that was under way, as against the
    /// stale bytes of a recycled file.
    func claimsEntry(at offset: Int) -> Bool {
        guard offset + EntryHeader.bytes <= bytes.count else { return false }
        return bytes.loadLittleEndian(UInt64.self, at: offset + 8) == firstLSN + UInt64(offset)
    }

    private func headerIsBlank(at offset: Int) -> Bool {
        UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + EntryHeader.bytes]).isZero
    }
}

extension EntryFault: Error {}
