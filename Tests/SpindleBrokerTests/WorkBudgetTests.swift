import NIOCore
import SpindleBroker
import SpindleWire
import Synchronization
import Testing

/// Storms of costly requests over real sockets, beside a client that behaves.
@Suite("Work budgets")
struct WorkBudgetTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private final class Flag: Sendable {
        let isSet = Mutex(false)
    }

    /// Pings until `count` replies have come to `storm`; how often a PING was answered before.
    private func pings(_ good: TestClient, until storm: TestClient, has count: Int) async throws -> Int {
        let end = Flag()
        return try await withThrowingTaskGroup(of: Int?.self) { group in
            group.addTask {
                for _ in 0..<count { try await storm.reply().requireSuccess() }
                end.isSet.withLock { $0 = true }
                return nil
            }
            group.addTask {
                var pings = 0
                while !end.isSet.withLock({ $0 }) {
                    try await good.request(.ping).requireSuccess()
                    pings += 1
                }
                return pings
            }
            var pings = 0
            for try await result in group { pings += result ?? 0 }
            return pings
        }
    }

    @Test func aStormOfBrowsesLeavesOthersTheirTurns() async throws {
        try await TestBroker.run(folder) { running in
            let hostile = try await running.client()
            let good = try await running.client()
            var record = MessageRecord(body: [1])
            record.userHeaders = [.init(name: "part", value: String(repeating: "ab", count: 40))]
            let bytes = try TestClient.body { try record.encode(into: &$0) }
            for _ in 0..<20 {
                let body = TestClient.publishBody("esprit-gen", Array(repeating: bytes, count: 1_000))
                try await hostile.request(.publish, body).requireSuccess()
            }
            var filter = MessageFilter()
            filter.headersContaining = Array(repeating: .init(name: "part", text: String(repeating: "ab", count: 39) + "c"), count: 32)
            let browse = TestClient.body {
                BrowseRequest(queue: "esprit-gen", after: 0, messagesMax: 1_000, bytesMax: 1 << 20, parts: [], filter: filter).encode(into: &$0)
            }
            let storm = (1...12).flatMap { TestClient.frame(Opcode.browse.rawValue, correlationID: UInt32($0), browse) }
            #expect(storm.count > 34_000)
            hostile.sendLater(storm)
            // Without turns the good client's first PING is answered when the storm is over.
            // The test's own clients share threads with other tests: few PINGs may come to be sent.
            let pings = try await pings(good, until: hostile, has: 12)
            #expect(pings > 3, "\(pings) PINGs were answered while the storm was on")
            #expect(try await running.metric("spindle_turns_waited_for_total") > 3, "the BROWSEs waited for no turn")
        }
    }

    @Test func pipelinedFiguresLeaveOthersTheirTurns() async throws {
        try await TestBroker.run(folder) {
            $0.queues += (0..<1_000).map { DeclaredQueue(name: "q\($0)") }
        } _: { running in
            let hostile = try await running.client()
            let good = try await running.client()
            let stats = TestClient.body { StatsRequest(pattern: "q*").encode(into: &$0) }
            hostile.sendLater((1...40).flatMap { TestClient.frame(Opcode.stats.rawValue, correlationID: UInt32($0), stats) })
            let pings = try await pings(good, until: hostile, has: 40)
            // The test's own clients share a thread, which the answers keep busy: few PINGs come to be sent.
            #expect(pings > 3, "\(pings) PINGs were answered while the storm was on")
            #expect(try await running.metric("spindle_turns_waited_for_total") > 3, "the STATS waited for no turn")
        }
    }

    /// Input that the broker does not take yet is not the peer's silence.
    @Test func whoWaitsForItsTurnIsNotCut() async throws {
        try await TestBroker.run(folder) {
            $0.limits.heartbeatMilliseconds = 300
            $0.limits.partialFrameMilliseconds = 200
            $0.queues += (0..<500).map { DeclaredQueue(name: "q\($0)") }
        } _: { running in
            let busy = try await running.client()
            let stats = TestClient.body { StatsRequest(pattern: "q*").encode(into: &$0) }
            let count = 300
            busy.sendLater((1...count).flatMap { TestClient.frame(Opcode.stats.rawValue, correlationID: UInt32($0), stats) })
            for _ in 0..<count { try await busy.reply().requireSuccess() }
        }
    }

    @Test func ghostConsumersLeaveRoomForThoseThatLive() async throws {
        try await TestBroker.run(folder) { running in
            let lease = TestClient.leaseBody("addin-result", max: 1, wait: 3_600_000)
            for _ in 0..<30 {
                let ghost = try await running.client()
                ghost.sendLater((1...1_000).flatMap { TestClient.frame(Opcode.lease.rawValue, correlationID: UInt32($0), lease) })
                try await ghost.request(.ping).requireSuccess()
                ghost.close()
            }
            try await waitUntil { try await running.metric("spindle_queue_waiters{queue=\"addin-result\"}") == 0 }
            try await running.expectServes()
        }
    }

    @Test(.timeLimit(.minutes(1))) func aConnectionWithoutANameDoesNotHoldUpTheStop() async throws {
        let broker = try await Broker.start(configuration: TestBroker.configuration(folder), logger: TestBroker.logger)
        let mute = try await TestClient.connect(port: broker.ports[0])
        // Served, so it is known.
        try await waitUntil { await broker.metrics().contains("spindle_connections 1") }
        let stop = Task { await broker.shutdown(graceMilliseconds: 3_600_000) }
        #expect(try await mute.reply().errorCode() == .goingAway)
        await stop.value
    }
}
