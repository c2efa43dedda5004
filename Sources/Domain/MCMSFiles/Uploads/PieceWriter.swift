internal import ContentStore
internal import Synchronization

/// Writes what arrives in pieces of a size that is worth a call, from memory that is made once for a request.
struct PieceWriter: Sendable {
    /// A request fills it, and a thread for files empties it, in turn.
    private final class Piece: Sendable {
        private let bytes: Mutex<[UInt8]>

        init() {
            var room: [UInt8] = []
            // What comes at once is less than the rest.
            room.reserveCapacity(PieceWriter.pieceBytes + 64 << 10)
            bytes = Mutex(room)
        }

        var count: Int { bytes.withLock { $0.count } }

        func add(_ more: [UInt8]) { bytes.withLock { $0 += more } }

        func write(to file: StagedFile, at offset: Int64) throws {
            try bytes.withLock { bytes in
                try bytes.withUnsafeBytes { try file.write($0, at: offset) }
                bytes.removeAll(keepingCapacity: true)
            }
        }
    }

    fileprivate static let pieceBytes = 256 << 10

    let file: StagedFile
    /// Where the next byte that arrives will be.
    private(set) var offset: Int64
    private let end: Int64
    private let piece = Piece()

    /// Up to here the file has it, if not the disk.
    var written: Int64 { offset - Int64(piece.count) }

    init(file: StagedFile, offset: Int64, end: Int64) {
        self.file = file
        self.offset = offset
        self.end = end
    }

    mutating func take(_ bytes: [UInt8]) async throws {
        guard offset + Int64(bytes.count) <= end else {
            throw FileError.invalid(field: "body", problem: "has more bytes than the upload still needs (\(end - offset))")
        }
        piece.add(bytes)
        offset += Int64(bytes.count)
        if piece.count >= Self.pieceBytes { try await flush() }
    }

    mutating func flush() async throws {
        guard piece.count > 0 else { return }
        let (piece, at, file) = (piece, written, file)
        try await Blocking.run { try piece.write(to: file, at: at) }
    }
}
