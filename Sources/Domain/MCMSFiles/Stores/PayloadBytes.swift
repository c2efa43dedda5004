package import ContentStore
internal import Digests
internal import Dispatch
package import NIOCore
internal import Synchronization

/// Bytes that can be read at any place: a file of this machine, or a payload in an object store. No more of them is in memory than one piece.
package protocol PayloadBytes: Sendable {
    /// For messages.
    var path: String { get }
    /// So many are worth one call.
    var readsAtOnce: Int { get }
    func size() async throws -> Int64
    /// Returns as many bytes as asked for, or throws.
    func read(from offset: Int64, bytes: Int) async throws -> ByteBuffer
}

extension StagedFile: PayloadBytes {
    package var readsAtOnce: Int { 1 << 20 }

    package func size() async throws -> Int64 { try await Blocking.run { try self.facts().bytes } }

    package func read(from offset: Int64, bytes count: Int) async throws -> ByteBuffer {
        let piece = try await Blocking.run { () -> ByteBuffer in
            var buffer = ByteBufferAllocator().buffer(capacity: count)
            try self.read(from: offset, bytes: Int64(count)) { buffer.writeBytes($0) }
            return buffer
        }
        guard piece.readableBytes == count else {
            throw StoreFolderError(operation: "read", path: path, reason: "it ends at byte \(offset + Int64(piece.readableBytes))")
        }
        return piece
    }
}

extension StagedFile {
    /// Copies a range of another into place; what is on this machine too may share its blocks.
    func take(_ source: any PayloadBytes, from start: Int64, at target: Int64, bytes: Int64) async throws {
        if let source = source as? StagedFile { return try await Blocking.run { try self.copy(from: source, at: start, to: target, bytes: bytes) } }
        var offset = target
        for try await piece in FilePieces(file: source, from: start, bytes: bytes) {
            let at = offset
            try await Blocking.run { try piece.withUnsafeReadableBytes { try self.write($0, at: at) } }
            offset += Int64(piece.readableBytes)
        }
    }
}

/// Pieces of a whole file whose digest is known: the last one comes only if all of them had it.
package struct VerifiedPieces: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    private let pieces: FilePieces
    private let sha256: [UInt8]

    package init(_ pieces: FilePieces, sha256: [UInt8]) {
        self.pieces = pieces
        self.sha256 = sha256
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let path: String
        fileprivate let sha256: [UInt8]
        /// Not read yet.
        fileprivate var rest: Int64
        fileprivate var pieces: FilePieces.AsyncIterator
        fileprivate let digest: PieceDigest

        package mutating func next() async throws -> ByteBuffer? {
            guard let piece = try await pieces.next() else { return nil }
            try digest.update(piece)
            rest -= Int64(piece.readableBytes)
            if rest <= 0, try digest.finish() != sha256 {
                throw StoreFolderError(operation: "read", path: path, reason: "the bytes that the store sent have another digest than their name")
            }
            return piece
        }
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(path: pieces.file.path, sha256: sha256, rest: pieces.bytes, pieces: pieces.makeAsyncIterator(), digest: PieceDigest())
    }
}

/// A digest that an iterator, which may be copied, refers to.
private final class PieceDigest {
    private var stream: DigestStream? = try? DigestStream(.sha256)

    func update(_ piece: ByteBuffer) throws { try piece.withUnsafeReadableBytes { try stream?.update($0) } }

    /// Once, at the end.
    func finish() throws -> [UInt8] { try stream.take()?.finish() ?? [] }
}

/// Remembers that the store was away, whatever the reader makes of it.
final class WatchedBytes: PayloadBytes {
    private let source: any PayloadBytes
    private let failure = Mutex<PayloadStoreUnavailable?>(nil)

    init(_ source: any PayloadBytes) { self.source = source }

    var path: String { source.path }
    var readsAtOnce: Int { source.readsAtOnce }
    var unavailable: PayloadStoreUnavailable? { failure.withLock { $0 } }

    func size() async throws -> Int64 { try await source.size() }

    func read(from offset: Int64, bytes: Int) async throws -> ByteBuffer {
        do {
            return try await source.read(from: offset, bytes: bytes)
        } catch let error as PayloadStoreUnavailable {
            failure.withLock { $0 = error }
            throw error
        }
    }
}

/// Reading for those who have a thread of their own to wait on: never one of Swift's few.
enum BlockingRead {
    static func pieces(of file: any PayloadBytes, from start: Int64, bytes: Int64, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        // A file of this machine needs no other thread.
        if let file = file as? StagedFile { return try file.read(from: start, bytes: bytes, body) }
        var offset = start
        while offset < start + bytes {
            let (at, count) = (offset, Int(min(Int64(file.readsAtOnce), start + bytes - offset)))
            let (box, done) = (Box(), DispatchSemaphore(value: 0))
            Task {
                let piece: Result<ByteBuffer, any Error>
                do { piece = .success(try await file.read(from: at, bytes: count)) } catch { piece = .failure(error) }
                box.value.withLock { $0 = piece }
                done.signal()
            }
            done.wait()
            guard let piece = try box.value.withLock({ $0 })?.get() else { return }
            try piece.withUnsafeReadableBytes(body)
            offset += Int64(count)
        }
    }

    private final class Box: Sendable {
        let value = Mutex<Result<ByteBuffer, any Error>?>(nil)
    }
}
