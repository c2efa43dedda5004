/// Reads one sealed segment again, piece by piece, and checks header, entries, their chain and the seal. Needs no more memory
/// than the buffer that it is given, whatever the entries' sizes. The segment may belong to a log that is in use.
package struct SegmentScrub<Storage: LogStorage>: Sendable {
    package let number: UInt64
    private let storage: Storage
    private let log: LogID
    private let segmentBytes: UInt64
    private let seed: UInt32
    /// Where the next piece begins in the file.
    private var position: UInt64 = 0
    private var previousCRC: UInt32?
    private var state: State = .header

    /// Pieces must hold at least so many bytes: the segment's header.
    package static var bufferBytesMin: Int { SegmentHeader.bytes }

    /// Can transition to: `header` → `entry` → `payload` → `entry`.
    private enum State: Sendable {
        case header
        case entry
        /// In the middle of an entry that is larger than what was left of the piece.
        case payload(Open)
    }

    private struct Open: Sendable {
        /// Where the entry begins in the file.
        var offset: UInt64
        var type: UInt16
        var crc: UInt32
        var entryCRC: UInt32
        var payloadLeft: Int
        var paddingLeft: Int
    }

    package enum Step: Hashable, Sendable {
        /// There is more to read.
        case goOn(bytesRead: Int)
        case whole(bytesRead: Int)
        case damaged(LogCorruption)
    }

    package init(storage: Storage, log: LogID, segmentBytes: UInt64, number: UInt64) {
        self.storage = storage
        self.log = log
        self.segmentBytes = segmentBytes
        self.number = number
        seed = Checksum.seed(log: log, segment: number)
        previousCRC = number == 1 ? 0 : nil
    }

    /// Reads and checks the next piece. Not to be called again after an answer that is not `goOn`.
    ///
    /// Throws where the file cannot be read; it is gone (ENOENT) when the segment was freed meanwhile.
    package mutating func step(_ buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Step {
        precondition(buffer.count >= Self.bufferBytesMin, "a piece must hold the segment's header")
        let file = LogFileName.segment(number)
        let wanted = Int(min(UInt64(buffer.count), segmentBytes - min(segmentBytes, position)))
        let start = position
        storage.forgetCached(file, at: start, byteCount: UInt64(wanted))
        let count = try storage.read(file, at: start, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
        storage.forgetCached(file, at: start, byteCount: UInt64(wanted))
        guard count == wanted, wanted > 0 else { return damaged(at: start + UInt64(count), "the file ends here, and no seal came before") }
        var piece = Piece(bytes: UnsafeRawBufferPointer(rebasing: buffer[..<count]), start: start)
        while true {
            switch take(&piece) {
            case .more:
                position = start + UInt64(piece.used)
                // Cannot happen with the buffer's least size; must not become an endless loop.
                guard piece.used > 0 else { return damaged(at: start, "no room for another entry, and no seal before") }
                return .goOn(bytesRead: piece.used)
            case .sealed: return .whole(bytesRead: piece.used)
            case .next: continue
            case .fault(let offset, let reason): return damaged(at: offset, reason)
            }
        }
    }

    private struct Piece {
        let bytes: UnsafeRawBufferPointer
        let start: UInt64
        var used = 0
        var left: Int { bytes.count - used }
        var position: UInt64 { start + UInt64(used) }
    }

    private enum Taken {
        /// The rest of the piece is not enough.
        case more
        case next
        case sealed
        case fault(UInt64, String)
    }

    private mutating func take(_ piece: inout Piece) -> Taken {
        switch state {
        case .header: takeHeader(&piece)
        case .entry: takeEntry(&piece)
        case .payload(let open): takePayload(&piece, open)
        }
    }

    private mutating func takeHeader(_ piece: inout Piece) -> Taken {
        guard piece.left >= SegmentHeader.bytes else { return .more }
        switch SegmentHeader.decode(piece.bytes) {
        case .failure(let fault): return .fault(0, "\(fault)")
        case .success(let header):
            guard header.log == log, header.number == number, header.segmentBytes == segmentBytes else {
                return .fault(0, "the segment says that it is number \(header.number) of log \(header.log)")
            }
        }
        piece.used += SegmentHeader.bytes
        state = .entry
        return .next
    }

    private mutating func takeEntry(_ piece: inout Piece) -> Taken {
        let offset = piece.position
        guard offset + UInt64(EntryHeader.bytes) <= segmentBytes else { return .fault(offset, "\(EntryFault.segmentEnd)") }
        guard piece.left >= EntryHeader.bytes else { return .more }
        let bytes = UnsafeRawBufferPointer(rebasing: piece.bytes[piece.used..<piece.used + EntryHeader.bytes])
        let length = bytes.loadLittleEndian(UInt32.self, at: 0)
        guard length == ~bytes.loadLittleEndian(UInt32.self, at: 4) else {
            return .fault(offset, "\(bytes.isZero ? EntryFault.blank : EntryFault.length)")
        }
        let lsn = bytes.loadLittleEndian(UInt64.self, at: 8)
        guard lsn == number * segmentBytes + offset else { return .fault(offset, "\(EntryFault.position(found: lsn))") }
        let crc = Checksum.extend(seed, UnsafeRawBufferPointer(rebasing: bytes[..<EntryHeader.headerCRCOffset]))
        guard crc == bytes.loadLittleEndian(UInt32.self, at: EntryHeader.headerCRCOffset) else {
            return .fault(offset, "\(EntryFault.headerChecksum)")
        }
        let payloadCount = Int(length)
        let entryBytes = EntryHeader.entryBytes(payloadCount: payloadCount)
        guard offset + UInt64(entryBytes) <= segmentBytes else { return .fault(offset, "\(EntryFault.lengthOverSegment(length))") }
        guard bytes.loadLittleEndian(UInt64.self, at: 16) <= lsn else { return .fault(offset, "\(EntryFault.durable)") }
        let previous = bytes.loadLittleEndian(UInt32.self, at: 28)
        if let previousCRC, previous != previousCRC { return .fault(offset, "\(EntryFault.previous)") }
        piece.used += EntryHeader.bytes
        state = .payload(
            Open(
                offset: offset, type: bytes.loadLittleEndian(UInt16.self, at: 24), crc: crc,
                entryCRC: bytes.loadLittleEndian(UInt32.self, at: EntryHeader.entryCRCOffset), payloadLeft: payloadCount,
                paddingLeft: entryBytes - EntryHeader.bytes - payloadCount))
        return .next
    }

    private mutating func takePayload(_ piece: inout Piece, _ entry: Open) -> Taken {
        var open = entry
        let payload = min(open.payloadLeft, piece.left)
        if payload > 0 {
            open.crc = Checksum.extend(open.crc, UnsafeRawBufferPointer(rebasing: piece.bytes[piece.used..<piece.used + payload]))
            open.payloadLeft -= payload
            piece.used += payload
        }
        guard open.payloadLeft == 0, piece.left >= open.paddingLeft else {
            state = .payload(open)
            return .more
        }
        guard open.crc == open.entryCRC else { return .fault(open.offset, "\(EntryFault.payloadChecksum)") }
        let padding = UnsafeRawBufferPointer(rebasing: piece.bytes[piece.used..<piece.used + open.paddingLeft])
        guard padding.isZero else { return .fault(open.offset, "\(EntryFault.padding)") }
        piece.used += open.paddingLeft
        previousCRC = open.entryCRC
        state = .entry
        return open.type == EntryHeader.sealType ? .sealed : .next
    }

    private func damaged(at offset: UInt64, _ reason: String) -> Step {
        .damaged(
            LogCorruption(file: "\(LogFileName.segment(number))", offset: offset, reason: reason, evidence: "the segment is sealed"))
    }
}
