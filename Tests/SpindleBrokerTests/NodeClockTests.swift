import NIOCore
import SpindleBroker
import SpindleNode
import SpindleWire
import Synchronization
import Testing

@Suite("The node's clock")
struct NodeClockTests {
    /// What happens to the two clocks, in order, and what the node's clock has gained or lost against boot time since the start.
    enum Event: Sendable, Equatable {
        /// Both clocks go on, looked at once a second.
        case works(seconds: UInt64)
        /// Both clocks go on unseen: the machine was suspended, or the process stopped.
        case stands(seconds: UInt64)
        /// Somebody sets the wall clock.
        case set(seconds: Int64)
        /// The machine is frozen from outside: neither clock goes on, and the wall clock is set afterwards.
        case frozen(seconds: Int64)
        case drifted(milliseconds: Int64)
        /// The last look noticed a step of the wall clock.
        case told(seconds: Int64)
    }

    private static let hour: Int64 = 3_600_000

    @Test("time runs on boot time and drifts towards the wall clock", arguments: [
        ("two clocks that agree", [.works(seconds: 100), .drifted(milliseconds: 0)]),
        ("a suspend of eight hours counts in full", [.works(seconds: 5), .stands(seconds: 8 * 3600), .works(seconds: 1), .drifted(milliseconds: 0)]),
        ("a process that stood for a minute", [.stands(seconds: 60), .drifted(milliseconds: 0)]),
        ("a step forward gains 50 ms in a second", [
            .set(seconds: 10), .works(seconds: 1), .told(seconds: 10), .drifted(milliseconds: 0), .works(seconds: 1), .drifted(milliseconds: 50),
            .works(seconds: 99), .drifted(milliseconds: 5_000), .works(seconds: 100), .drifted(milliseconds: 10_000),
            .works(seconds: 100), .drifted(milliseconds: 10_000)]),
        ("eight hours forward are no leap either", [
            .set(seconds: 8 * 3600), .works(seconds: 1), .told(seconds: 8 * 3600), .works(seconds: 20), .drifted(milliseconds: 1_000),
            .works(seconds: 3600), .drifted(milliseconds: 181_000)]),
        ("a step back loses 50 ms in a second", [
            .set(seconds: -10), .works(seconds: 1), .told(seconds: -10), .works(seconds: 100), .drifted(milliseconds: -5_000),
            .works(seconds: 300), .drifted(milliseconds: -10_000)]),
        ("back and forth again, as if nothing had been", [
            .set(seconds: -7200), .works(seconds: 1), .set(seconds: 7200), .works(seconds: 1), .told(seconds: 7200), .drifted(milliseconds: -50),
            .works(seconds: 1), .drifted(milliseconds: 0), .works(seconds: 10), .drifted(milliseconds: 0)]),
        ("a step during a suspend", [
            .stands(seconds: 3600), .set(seconds: 2), .works(seconds: 1), .told(seconds: 2), .works(seconds: 60), .drifted(milliseconds: 2_000)]),
        ("what is left to drift goes on during a suspend", [
            .set(seconds: 60), .works(seconds: 1), .told(seconds: 60), .stands(seconds: 600), .drifted(milliseconds: 30_000),
            .stands(seconds: 600), .drifted(milliseconds: 60_000)]),
        ("a machine that was frozen from outside drifts to where the wall clock is now", [
            .frozen(seconds: 30), .works(seconds: 1), .told(seconds: 30), .works(seconds: 20), .drifted(milliseconds: 1_000)]),
        ("a small correction is followed and not told", [.set(seconds: 0), .works(seconds: 1), .drifted(milliseconds: 0)]),
    ] as [(String, [Event])])
    func time(name: String, events: [Event]) {
        var reading = ClockReading(boot: 77_000_000, wall: 1_700_000_000_000_000)
        let start = reading
        var clock = NodeClock(reading, lastLogged: 5)
        var last = clock.now(boot: reading.boot)
        var told: NodeClock.Step?
        #expect(last == 1_700_000_000_000)
        func advance(_ seconds: UInt64) {
            reading.boot += seconds * 1_000_000
            reading.wall += seconds * 1_000_000
        }
        for event in events {
            switch event {
            case .works(let seconds):
                for _ in 0..<seconds {
                    advance(1)
                    if let step = clock.compare(reading) { told = step }
                }
            case .stands(let seconds): advance(seconds)
            case .set(let seconds), .frozen(let seconds): reading.wall = UInt64(Int64(reading.wall) + seconds * 1_000_000)
            case .drifted(let milliseconds):
                let onBoot = 1_700_000_000_000 + (reading.boot - start.boot) / 1_000
                #expect(Int64(clock.now(boot: reading.boot)) - Int64(onBoot) == milliseconds, "\(name): \(event)")
            case .told(let seconds):
                #expect(told?.seconds == seconds, "\(name): \(event)")
                told = nil
            }
            // Whatever happened: time does not fall, and a timer is neither early nor late.
            let now = clock.now(boot: reading.boot)
            #expect(now >= last, "\(name): \(event)")
            last = now
            for ahead in [1, 50, 999, 30_000, 3_600_000] as [UInt64] {
                let wait = UInt64(clock.wait(until: now + ahead, boot: reading.boot).nanoseconds) / 1_000
                #expect(clock.now(boot: reading.boot + wait) >= now + ahead, "\(name): \(event), \(ahead) ms")
                #expect(clock.now(boot: reading.boot + wait - min(wait, 5)) < now + ahead, "\(name): \(event), \(ahead) ms")
            }
        }
        #expect(told == nil, "\(name): an unexpected step")
    }

    @Test func itStartsAtTheLogsLastTimeWhereTheWallClockIsBehindAndWaitsForIt() {
        var reading = ClockReading(boot: 0, wall: 1_000_000_000_000)
        var clock = NodeClock(reading, lastLogged: 1_000_010_000)
        #expect(clock.now(boot: 0) == 1_000_010_000)
        reading.boot += 100_000_000
        reading.wall += 100_000_000
        #expect(clock.compare(reading) == nil)
        #expect(clock.now(boot: reading.boot) == 1_000_105_000, "a twentieth slower")
        reading.boot += 200_000_000
        reading.wall += 200_000_000
        #expect(clock.now(boot: reading.boot) * 1_000 == reading.wall)
    }

    @Test func clocksThatShowNonsenseDoNotTrap() {
        for wall in [0, 1, UInt64.max] {
            for boot in [0, UInt64.max] {
                for logged in [0, UInt64(1) << 50] {
                    var clock = NodeClock(ClockReading(boot: boot, wall: wall), lastLogged: logged)
                    for further in [UInt64.max, 0, 1 << 62] {
                        _ = clock.compare(ClockReading(boot: boot &+ further, wall: further))
                        #expect(clock.now(boot: further) >= logged)
                        #expect(clock.wait(until: UInt64.max, boot: further) >= .zero)
                        #expect(clock.wait(until: 0, boot: further) == .zero)
                    }
                }
            }
        }
    }

    // MARK: In a broker

    /// Two clocks that only a test moves.
    private final class HeldClocks: Sendable {
        private let reading = Mutex(ClockReading(boot: 5_000_000, wall: 1_700_000_000_000_000))
        var source: ClockSource {
            ClockSource(boot: { self.reading.withLock { $0.boot } }, wall: { self.reading.withLock { $0.wall } })
        }

        func advance(milliseconds: UInt64) {
            reading.withLock { reading in
                reading.boot += milliseconds * 1_000
                reading.wall += milliseconds * 1_000
            }
        }

        func set(milliseconds: Int64) { reading.withLock { $0.wall = UInt64(Int64($0.wall) + milliseconds * 1_000) } }
    }

    private static func hooks(_ clocks: HeldClocks) -> BrokerHooks {
        var hooks = BrokerHooks()
        hooks.times = clocks.source
        return hooks
    }

    /// Sweeps often, since the tests wait for one, and keeps connections that are silent for hours.
    private static func change(_ configuration: inout BrokerConfiguration) {
        configuration.limits.partialFrameMilliseconds = 40
        configuration.limits.heartbeatMilliseconds = 24 * 3_600_000
    }

    private static func delayed(_ text: String, milliseconds: UInt64) throws -> [UInt8] {
        var record = MessageRecord(body: Array(text.utf8))
        record.delayMilliseconds = milliseconds
        return try TestClient.body { try record.encode(into: &$0) }
    }

    private static func storedTimes(_ client: TestClient, _ queue: String) async throws -> [UInt64] {
        let request = BrowseRequest(queue: queue, after: 0, messagesMax: 100, bytesMax: 1 << 20, parts: [])
        let reply = try await client.request(.browse, TestClient.body { request.encode(into: &$0) })
        try reply.requireSuccess()
        var reader = WireReader(reply.body.span.bytes)
        return try BrowseReplyHead(&reader).items.map(\.storedAtMilliseconds)
    }

    /// The loop's timers run on the monotonic clock, which stands still during a suspend, as it does for this broker all the time.
    @Test func aJobIsDueAndALeaseEndsAfterASuspend() async throws {
        let clocks = HeldClocks()
        try await TestBroker.run(try TemporaryFolder(), hooks: Self.hooks(clocks), change: Self.change) { running in
            let client = try await running.client()
            _ = try await client.publish("esprit-gen", "leased")
            let held = try await client.lease("esprit-gen", leaseMilliseconds: 30_000)
            #expect(held.map(\.text) == ["leased"])
            try await client.request(
                .publish, TestClient.publishBody("addin-result", [try Self.delayed("in an hour", milliseconds: 3_600_000)])).requireSuccess()
            #expect(try await client.lease("addin-result").isEmpty)
            clocks.advance(milliseconds: 8 * 3_600_000)
            // A LEASE that waits does not ask again: a sweep must see that the clock has moved.
            #expect(try await client.lease("addin-result", leaseMilliseconds: 60_000, wait: 600_000).map(\.text) == ["in an hour"])
            let again = try await client.lease("esprit-gen", wait: 600_000)
            #expect(again.map(\.text) == ["leased"] && again.first?.attempt == 2)
            _ = try await client.publish("esprit-gen", "after")
            let stamp = try await Self.storedTimes(client, "esprit-gen").last
            #expect(stamp == 1_700_000_000_000 + 8 * 3_600_000)
        }
    }

    @Test(arguments: [8 * 3_600_000, -8 * 3_600_000] as [Int64])
    func aWallClockThatIsSetMovesNoLeaseAndBringsStampsNearerWithoutAStepBack(by step: Int64) async throws {
        let clocks = HeldClocks()
        try await TestBroker.run(try TemporaryFolder(), hooks: Self.hooks(clocks), change: Self.change) { running in
            let client = try await running.client()
            _ = try await client.publish("esprit-gen", "leased")
            #expect(try await client.lease("esprit-gen", leaseMilliseconds: 30_000).count == 1)
            try await client.request(
                .publish, TestClient.publishBody("addin-result", [try Self.delayed("soon", milliseconds: 20_000)])).requireSuccess()
            clocks.set(milliseconds: step)
            // One sweep must see the clocks before they go on; a frame that does not get whole is ended by a sweep only.
            let silent = try await running.raw()
            try await silent.send([UInt8](repeating: 0, count: 1))
            // In steps that no sweep takes for a standstill of the broker's own, which it would forgive.
            try await waitUntil {
                clocks.advance(milliseconds: 5)
                return try await running.metric("spindle_connections") == 1
            }
            #expect(try await silent.reply().errorCode() == .timedOut)
            try await silent.expectClosed()
            clocks.advance(milliseconds: 20_000)
            try await waitUntil {
                clocks.advance(milliseconds: 100)
                return try await !client.lease("addin-result", leaseMilliseconds: 60_000).isEmpty
            }
            #expect(try await client.lease("esprit-gen").isEmpty, "20 to 22 seconds of a lease of 30 have passed")
            _ = try await client.publish("esprit-gen", "after")
            let stamps = try await Self.storedTimes(client, "esprit-gen")
            #expect(stamps == stamps.sorted() && stamps.count == 2)
            let passed = Int64(try #require(stamps.last)) - Int64(stamps[0])
            #expect(step > 0 ? (20_000...25_000).contains(passed) : (18_000...24_000).contains(passed), "\(passed) ms")
        }
    }
}
