import Foundation
import SpindleBroker
import SpindleDisk
import SpindleLog
import SpindleWire
import Synchronization
import Testing

@Suite("The log's upkeep while the broker works")
struct LogUpkeepTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static let segmentBytes: UInt64 = 1 << 20
    private static let slack: UInt64 = 3
    private static let checkpointSegments: UInt64 = 2

    private static func small(_ configuration: inout BrokerConfiguration) {
        configuration.log.segmentBytes = segmentBytes
        configuration.log.entryBytesMax = 512 << 10
        configuration.limits.frameBytesMax = 400 << 10
        configuration.checkpointIntervalBytes = checkpointSegments * segmentBytes
        configuration.limits.unauthenticatedMilliseconds = 2_000
        configuration.limits.partialFrameMilliseconds = 200
        configuration.upkeep.slackSegments = slack
        configuration.upkeep.moveBytesPerStep = 128 << 10
    }

    private func body(_ text: String, bytes: Int) -> String { text + String(repeating: ".", count: bytes - text.count) }

    /// A queue that nobody works off beside one through which much goes: the backlog is spread over all of the log, a bit in each segment.
    @Test func aBacklogBesideABusyQueueTakesTwiceWhatItHoldsAndAFixedNumberOfSegments() async throws {
        var backlog: [String] = []
        try await TestBroker.run(folder, change: Self.small) { running in
            let client = try await running.client()
            let busy = try (0..<10).map { _ in try TestClient.record(body("busy", bytes: 20_000)) }
            for round in 0..<120 {
                let text = body("backlog \(round)", bytes: 20_000)
                backlog.append(text)
                _ = try await client.publish("addin-result", text)
                for _ in 0..<2 {
                    try await client.request(.publish, TestClient.publishBody("esprit-gen", busy)).requireSuccess()
                    let taken = try await client.lease("esprit-gen", max: 10, wait: 5_000)
                    #expect(try await client.acknowledge(taken.map(\.token)).allSatisfy { $0 == .ok })
                }
            }
            // 50 MB went through, of which 2.4 MB live. Without moving, the first message would hold all of it.
            let moved = try await running.metric("spindle_log_moved_messages_total")
            #expect(moved > 0)
            let live = try await running.metric("spindle_log_live_bytes")
            #expect(live > 2_400_000 && live < 2_500_000)
            let fixed = (Self.slack + 2 * Self.checkpointSegments + 3) * Self.segmentBytes
            try await waitUntil {
                // What was moved is freed behind two checkpoints, so something must go on being logged.
                try await client.request(.publish, TestClient.publishBody("esprit-gen", busy)).requireSuccess()
                let taken = try await client.lease("esprit-gen", max: 10, wait: 5_000)
                _ = try await client.acknowledge(taken.map(\.token))
                return try await running.metric("spindle_log_bytes") <= 2 * live + fixed
            }
        }
        try await TestBroker.run(folder, change: Self.small) { running in
            let client = try await running.client()
            var got: [String] = []
            while true {
                let taken = try await client.lease("addin-result", max: 10)
                if taken.isEmpty { break }
                got += taken.map(\.text)
                _ = try await client.acknowledge(taken.map(\.token))
            }
            #expect(got == backlog, "in order, whole, once")
            #expect(try await client.lease("esprit-gen").isEmpty)
        }
    }

    /// A broker that is cut off before its first sweep, again and again, must free segments too, or its disk fills up.
    @Test func aStartMovesStragglersBeforeTheFirstSweep() async throws {
        let noSweep: (inout BrokerConfiguration) -> Void = {
            Self.small(&$0)
            $0.limits.unauthenticatedMilliseconds = 24 * 3_600_000
            $0.limits.partialFrameMilliseconds = 24 * 3_600_000
            $0.limits.heartbeatMilliseconds = 24 * 3_600_000
            $0.limits.outputStallMilliseconds = 24 * 3_600_000
            $0.limits.outputStallWhenFullMilliseconds = 24 * 3_600_000
            $0.limits.sweepMillisecondsMax = 3_600_000
        }
        try await TestBroker.run(folder, change: noSweep) { running in
            let client = try await running.client()
            _ = try await client.publish("addin-result", "waits")
            let busy = try (0..<10).map { _ in try TestClient.record(body("busy", bytes: 20_000)) }
            for _ in 0..<50 {
                try await client.request(.publish, TestClient.publishBody("esprit-gen", busy)).requireSuccess()
                let taken = try await client.lease("esprit-gen", max: 10, wait: 5_000)
                #expect(try await client.acknowledge(taken.map(\.token)).allSatisfy { $0 == .ok })
            }
            #expect(try await running.metric("spindle_log_moved_messages_total") == 0, "no sweep, no moving")
        }
        try await TestBroker.run(folder, change: noSweep) { running in
            try await waitUntil { try await running.metric("spindle_log_moved_messages_total") == 1 }
        }
    }

    /// A sealed segment is damaged on the disk under a working broker.
    @Test func scrubbingFindsDamageAndAStandInIsServedForWhatIsDamaged() async throws {
        try await TestBroker.run(folder) {
            Self.small(&$0)
            $0.upkeep.scrubBytesPerSecond = 200 << 20
            $0.upkeep.scrubPauseMilliseconds = 1
            $0.operations = OperationsListener(port: 0)
        } _: { running in
            let client = try await running.client()
            for number in 0..<40 { _ = try await client.publish("addin-result", body("message \(number)", bytes: 50_000)) }
            try await waitUntil { try await running.metric("spindle_log_scrub_passes_total") >= 2 }
            #expect(try await running.metric("spindle_log_damaged_segments") == 0)
            let segment = folder.path + "/broker/log/\(LogFileName.segment(1))"
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: segment))
            // In the body of the fourth message or so.
            try file.seek(toOffset: 200_000)
            let byte = try #require(try file.read(upToCount: 1)?.first)
            try file.seek(toOffset: 200_000)
            try file.write(contentsOf: Data([byte ^ 1]))
            try file.close()
            try await waitUntil { try await running.metric("spindle_log_damaged_segments") == 1 }
            #expect(running.broker.notReady == nil, "everything else goes on")
            let port = try #require(running.broker.operationsPort)
            let http = try await TestClient.connect(port: port, isHTTP: true)
            http.sendLater(Array("GET /status HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            let status = String(decoding: try await http.readToEnd(), as: UTF8.self)
            #expect(status.hasPrefix("HTTP/1.1 200"))
            #expect(status.contains("\"file\":\"\(LogFileName.segment(1))\""), "\(status)")
            // All come but the damaged one, for which a stand-in comes.
            let reply = try await client.request(.lease, TestClient.leaseBody("addin-result", max: 6))
            try reply.requireSuccess()
            let bytes = reply.body
            var reader = WireReader(bytes.span.bytes)
            let head = try LeaseReplyHead(&reader)
            var whole = 0
            var damaged = 0
            for item in head.items {
                let record = try reader.span(Int(item.recordByteCount), "record")
                do throws(WireError) {
                    _ = try RecordView.decode(record)
                    whole += 1
                } catch {
                    #expect(error.code == .recordDamaged)
                    damaged += 1
                }
            }
            #expect(whole == 5 && damaged == 1)
            #expect(try await running.metric("spindle_log_damaged_reads_total") == 1)
        }
    }

    /// Copies taken while the broker works, checkpoints and frees segments hold everything confirmed before they began.
    @Test func aCopyOfARunningBrokerHoldsWhatWasConfirmedBefore() async throws {
        let copies = try TemporaryFolder()
        var confirmed: [Int] = []
        try await TestBroker.run(folder, change: Self.small) { running in
            let client = try await running.client()
            let stop = Mutex(false)
            async let load: Void = {
                let other = try await running.client()
                let busy = try (0..<10).map { _ in try TestClient.record(self.body("busy", bytes: 20_000)) }
                while !stop.withLock({ $0 }) {
                    try await other.request(.publish, TestClient.publishBody("esprit-gen", busy)).requireSuccess()
                    let taken = try await other.lease("esprit-gen", max: 10, wait: 5_000)
                    _ = try await other.acknowledge(taken.map(\.token))
                }
            }()
            for copy in 0..<10 {
                for _ in 0..<10 { _ = try await client.publish("addin-result", body("kept", bytes: 10_000)) }
                confirmed.append((copy + 1) * 10)
                let source = folder.path + "/broker/log"
                let target = copies.path + "/\(copy)/broker/log"
                _ = try LogBackup(
                    from: try DiskLogStorage(path: source, access: .copier), to: try DiskLogStorage(path: target), bytesPerRead: 64 << 10
                ).run()
            }
            let end = ContinuousClock.now + .seconds(60)
            while try await running.metric("spindle_log_segments_reclaimed_total") == 0 {
                try #require(ContinuousClock.now < end, "no segment was freed")
            }
            stop.withLock { $0 = true }
            try await load
        }
        for (copy, count) in confirmed.enumerated() {
            let path = copies.path + "/\(copy)"
            #expect(try LogInspector(storage: try DiskLogStorage(path: path + "/broker/log", access: .readOnly)).verify().isHealthy)
            try await TestBroker.run(folder) {
                Self.small(&$0)
                $0.dataDirectory = path
            } _: { running in
                let client = try await running.client()
                var found = 0
                while true {
                    let taken = try await client.lease("addin-result", max: 40)
                    if taken.isEmpty { break }
                    found += taken.count
                    _ = try await client.acknowledge(taken.map(\.token))
                }
                #expect(found == count)
            }
        }
    }
}
