internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// How far one request is: the client's own time-outs do not end a request whose bytes the other side does not take.
final class ExchangeProgress: Sendable {
    struct Stalled: Error, CustomStringConvertible {
        let duration: Duration
        var description: String { "nothing moved for \(duration)" }
    }

    private struct State {
        var isOver = false
        /// Changes with each piece, in either direction.
        var pieces = 0
        /// Why the body could not be read.
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    var failure: (any Error)? { state.withLock { $0.failure } }

    /// What the server does not need for its answer is not sent.
    func end() { state.withLock { $0.isOver = true } }
    func moved() { state.withLock { $0.pieces += 1 } }
    func failed(_ error: any Error) { state.withLock { $0.failure = error } }

    func check() throws {
        if state.withLock({ $0.isOver }) { throw CancellationError() }
    }

    func watch(_ stall: Duration) async throws {
        var (seen, since) = (0, ContinuousClock.now)
        while true {
            try await Task.sleep(for: stall / 8)
            let (now, pieces) = (ContinuousClock.now, state.withLock { $0.pieces })
            if pieces != seen { (seen, since) = (pieces, now) }
            if now - since >= stall { throw Stalled(duration: stall) }
        }
    }
}

/// A body's pieces, counted as the connection takes them.
struct SentBody: AsyncSequence, Sendable {
    let body: S3Body
    let progress: ExchangeProgress

    struct AsyncIterator: AsyncIteratorProtocol {
        let body: S3Body
        let progress: ExchangeProgress
        var offset: Int64 = 0

        mutating func next() async throws -> ByteBuffer? {
            try progress.check()
            guard offset < body.bytes else { return nil }
            let count = Int(Swift.min(Int64(S3Body.pieceBytes), body.bytes - offset))
            do {
                let piece = try await body.read(offset, count)
                guard piece.readableBytes == count else { throw EndsEarly(description: "it ends at byte \(offset + Int64(piece.readableBytes))") }
                offset += Int64(count)
                progress.moved()
                return piece
            } catch {
                progress.failed(error)
                throw error
            }
        }
    }

    private struct EndsEarly: Error, CustomStringConvertible { let description: String }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: body, progress: progress) }
}
