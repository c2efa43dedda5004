import MCMSServer
import SpindleText
import Synchronization
import Testing

/// The loops that look.
@Suite struct HealthWatchTests {
    /// Waits until it is let go, and hears of no cancellation: as a call to a share does whose server is gone.
    private final class Hanging: Sendable {
        private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

        func wait() async { await withCheckedContinuation { continuation in waiting.withLock { $0.append(continuation) } } }
        func letGo() { waiting.withLock { $0.removeAll { continuation in continuation.resume(); return true } } }
    }

    @Test func aLookThatHangsHoldsUpNeitherOthersNorTheEnd() async throws {
        let hanging = Hanging()
        let (looks, looked) = AsyncStream.makeStream(of: Void.self)
        let clock = Mutex(Int64(0))
        let watch = HealthWatch(
            site: HealthScript.site,
            readers: [
                HealthReader(.share, every: .zero) {
                    await hanging.wait()
                    return .share(HealthShare())
                },
                HealthReader(.queues, every: .milliseconds(1)) {
                    looked.yield()
                    return .queues(HealthScript.queues)
                },
            ]
        ) { HealthTime(wall: HealthScript.start, steady: clock.withLock { $0 }) }
        let running = Task { try await watch.run() }
        var count = 0
        for await _ in looks {
            count += 1
            if count == 10 { break }
        }
        #expect(watch.report().unseen == [.share])
        clock.withLock { $0 = 4_000 }
        #expect(watch.report().problems.map(\.key.kind) == [.shareUnreadable])
        running.cancel()
        try await running.value
        hanging.letGo()
    }

    @Test func anErrorThatWasNotForeseenIsToldToo() async throws {
        struct Strange: Error, CustomStringConvertible { let description = "strange" }
        let (looks, looked) = AsyncStream.makeStream(of: Void.self)
        let clock = Mutex(Int64(0))
        let watch = HealthWatch(
            site: HealthScript.site,
            readers: [
                HealthReader(.store, every: .milliseconds(1)) {
                    looked.yield()
                    throw Strange()
                }
            ]
        ) { HealthTime(wall: HealthScript.start, steady: clock.withLock { $0 }) }
        let running = Task { try await watch.run() }
        var count = 0
        for await _ in looks {
            count += 1
            if count == 3 { break }
        }
        clock.withLock { $0 = 3_000 }
        #expect(watch.report().problems.map(\.reason) == ["strange"])
        running.cancel()
        try await running.value
    }
}
