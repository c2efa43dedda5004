internal import ContentStore
internal import Digests
internal import Dispatch
internal import Synchronization

/// Computes the digests of a whole file while its chunks arrive: it follows the lowest chunk that is missing, and reads each one back, which
/// the system still has in memory as long as parts arrive within a window.
final class DigestLine: Sendable {
    private struct State {
        var present: Set<Int>
        var isRunning = false
        var end: CheckedContinuation<(sha256: [UInt8], md5: [UInt8]), any Error>?
        var result: Result<(sha256: [UInt8], md5: [UInt8]), any Error>?
    }

    /// The streams, and the chunk that comes next.
    // Unchecked: only `work` touches them, and `State.isRunning` lets one run at a time; `take` gives each of its two threads one stream.
    private final class Streams: @unchecked Sendable {
        var next = 0
        var sha256: DigestStream?
        var md5: DigestStream?

        init() throws {
            sha256 = try DigestStream(.sha256)
            md5 = try DigestStream(.md5)
        }
    }

    private static let queue = DispatchQueue(label: "mcms.digests", attributes: .concurrent)

    private let file: StagedFile
    private let grid: ChunkGrid
    private let streams: Streams
    private let state: Mutex<State>

    init(file: StagedFile, grid: ChunkGrid, present: Set<Int>) throws {
        self.file = file
        self.grid = grid
        streams = try Streams()
        state = Mutex(State(present: present))
        resume()
    }

    func add(_ chunks: some Sequence<Int>) {
        state.withLock { $0.present.formUnion(chunks) }
        resume()
    }

    /// Waits until the last chunk was read.
    func digests() async throws -> (sha256: [UInt8], md5: [UInt8]) {
        try await withCheckedThrowingContinuation { continuation in
            let result = state.withLock { state in
                if state.result == nil { state.end = continuation }
                return state.result
            }
            if let result { continuation.resume(with: result) }
        }
    }

    private func resume() {
        let starts = state.withLock { state in
            guard !state.isRunning, state.result == nil else { return false }
            state.isRunning = true
            return true
        }
        if starts { Self.queue.async { self.work() } }
    }

    private func work() {
        do {
            while true {
                while streams.next < grid.count, state.withLock({ $0.present.contains(streams.next) }) {
                    try take(streams.next)
                    streams.next += 1
                }
                if streams.next == grid.count {
                    guard let sha256 = streams.sha256.take(), let md5 = streams.md5.take() else { return }
                    return finish(.success((try sha256.finish(), try md5.finish())))
                }
                let waits = state.withLock { state in
                    guard !state.present.contains(streams.next) else { return false }
                    state.isRunning = false
                    return true
                }
                if waits { return }
            }
        } catch {
            finish(.failure(error))
        }
    }

    /// Both digests at once, on two cores.
    private func take(_ index: Int) throws {
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue.concurrentPerform(iterations: 2) { turn in
            do {
                try file.read(from: grid.offset(of: index), bytes: grid.bytes(of: index)) { bytes in
                    if turn == 0 { try streams.sha256?.update(bytes) } else { try streams.md5?.update(bytes) }
                }
            } catch {
                failure.withLock { $0 = error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func finish(_ result: Result<(sha256: [UInt8], md5: [UInt8]), any Error>) {
        let end = state.withLock { state in
            state.result = result
            state.isRunning = false
            return state.end.take()
        }
        end?.resume(with: result)
    }
}
