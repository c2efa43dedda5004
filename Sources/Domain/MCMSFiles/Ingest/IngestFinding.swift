internal import ContentStore
internal import Digests
internal import Dispatch
internal import Synchronization

/// What a staged file is, compared with what arrived.
enum IngestFinding: Sendable {
    case whole([Int: [UInt8]])
    case missing([Int])
    case mismatch(String)

    /// Reads the file once: each chunk's digest, and the whole one's.
    static func compare(_ source: any PayloadBytes, _ command: FileIngestCommand) async throws -> IngestFinding {
        let bytes = try await source.size()
        let grid = ChunkGrid(bytes: command.size)
        return try await Blocking.run {
            guard command.chunks.count == grid.count else {
                return .mismatch("the command lists \(command.chunks.count) chunks, and \(command.size) bytes have \(grid.count)")
            }
            var whole = WholeDigest(try DigestStream(.sha256))
            var (digests, missing): ([Int: [UInt8]], [Int]) = ([:], [])
            var wrong: String?
            let said = Dictionary(command.chunks.map { ($0.index, $0.hash.flatMap(Hexadecimal.bytes)) }) { first, _ in first }
            for index in 0..<grid.count {
                let digest = try whole.take(source, from: grid.offset(of: index), bytes: grid.bytes(of: index))
                digests[index] = digest
                guard let expected = said[index] ?? nil, expected != digest else { continue }
                if let source = source as? StagedFile, try source.hasHole(from: grid.offset(of: index), bytes: grid.bytes(of: index)) {
                    missing.append(index)
                } else {
                    wrong = wrong ?? "chunk \(index) of \(grid.count) has the SHA-256 \(Hexadecimal.text(digest)), and had \(Hexadecimal.text(expected)) when it came"
                }
            }
            if let wrong { return .mismatch(wrong) }
            if !missing.isEmpty { return .missing(missing) }
            let digest = Hexadecimal.text(try whole.finish())
            guard digest == command.casHash else { return .mismatch("its SHA-256 is \(digest), and was \(command.casHash) when it came") }
            guard bytes == command.size else { return .mismatch("it has \(bytes) bytes, and had \(command.size)") }
            return .whole(digests)
        }
    }
}

/// The digests of a file and of each chunk, from reading each chunk once more on a second core.
private struct WholeDigest: ~Copyable {
    private var whole: DigestStream

    init(_ whole: consuming DigestStream) { self.whole = whole }

    /// Returns the chunk's own digest.
    mutating func take(_ source: any PayloadBytes, from offset: Int64, bytes: Int64) throws -> [UInt8] {
        guard let source = source as? StagedFile else { return try takeOnce(source, from: offset, bytes: bytes) }
        let chunk = Mutex<Result<[UInt8], any Error>?>(nil)
        let group = DispatchGroup()
        DispatchQueue.global().async(group: group) {
            let digest = Result { try source.digest(from: offset, bytes: bytes) }
            chunk.withLock { $0 = digest }
        }
        defer { group.wait() }
        try source.read(from: offset, bytes: bytes) { try whole.update($0) }
        group.wait()
        return try chunk.withLock { $0 }?.get() ?? []
    }

    /// What lies elsewhere is fetched once.
    private mutating func takeOnce(_ source: any PayloadBytes, from offset: Int64, bytes: Int64) throws -> [UInt8] {
        var chunk = try DigestStream(.sha256)
        try BlockingRead.pieces(of: source, from: offset, bytes: bytes) { piece in
            try chunk.update(piece)
            try whole.update(piece)
        }
        return try chunk.finish()
    }

    consuming func finish() throws -> [UInt8] { try whole.finish() }
}
