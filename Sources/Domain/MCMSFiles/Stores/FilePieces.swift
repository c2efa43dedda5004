internal import ContentStore
package import NIOCore
internal import Synchronization

/// A file as pieces that are read one after another, for whoever sends them.
///
/// The pieces take turns in a few buffers, each of which is used again when nobody holds what was read into it. Buffers that are made for each
/// piece and freed on another thread leave a server's memory in shreds: hundreds of megabytes for four downloads.
package struct FilePieces: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    let file: any PayloadBytes
    var from: Int64 = 0
    let bytes: Int64
    private static let pieceBytes: Int64 = 256 << 10
    /// One that is sent, one that waits to be, one that is read.
    private static let buffers = 3

    package init(file: any PayloadBytes, from: Int64 = 0, bytes: Int64) {
        self.file = file
        self.from = from
        self.bytes = bytes
    }

    /// Memory for a piece.
    private final class PieceBuffer: Sendable {
        private let buffer = Mutex(ByteBuffer())

        func read(_ file: StagedFile, at offset: Int64, bytes: Int) throws(StoreFolderError) -> ByteBuffer {
            let result = buffer.withLock { buffer in
                // Made anew where the piece before is still held.
                buffer.clear(minimumCapacity: bytes)
                return Result { () throws(StoreFolderError) -> ByteBuffer in
                    var failure: StoreFolderError?
                    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes) { room in
                        do throws(StoreFolderError) {
                            return try file.read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<bytes]), at: offset)
                        } catch {
                            failure = error
                            return 0
                        }
                    }
                    if let failure { throw failure }
                    return buffer
                }
            }
            return try result.get()
        }
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        private let file: any PayloadBytes
        private var offset: Int64
        private let end: Int64
        private var turn = 0
        private let buffers = (0..<FilePieces.buffers).map { _ in PieceBuffer() }

        init(file: any PayloadBytes, offset: Int64, end: Int64) {
            self.file = file
            self.offset = offset
            self.end = end
        }

        package mutating func next() async throws -> ByteBuffer? {
            guard offset < end else { return nil }
            guard let file = file as? StagedFile else {
                let piece = try await file.read(from: offset, bytes: Int(Swift.min(Int64(file.readsAtOnce), end - offset)))
                offset += Int64(piece.readableBytes)
                return piece
            }
            let (at, count, buffer) = (offset, Int(Swift.min(FilePieces.pieceBytes, end - offset)), buffers[turn])
            turn = (turn + 1) % buffers.count
            let piece = try await Blocking.run { try buffer.read(file, at: at, bytes: count) }
            guard piece.readableBytes == count else {
                throw StoreFolderError(operation: "read", path: file.path, reason: "it ends at byte \(at + Int64(piece.readableBytes))")
            }
            offset += Int64(count)
            return piece
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(file: file, offset: from, end: from + bytes) }
}
