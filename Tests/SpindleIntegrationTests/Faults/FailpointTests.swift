import Foundation
import SpindleDisk
import Testing

/// A process that ends between any two changes of the log's files.
@Suite(.serialized) struct FailpointTests {
    /// What must have happened before, for the point to be passed at the next start: a half-written batch, an unfinished checkpoint.
    private static func prelude(of point: Failpoint) -> Failpoint? {
        switch point {
        case .recoveryBeforeWrite, .recoveryInWrite, .recoveryBeforeSync, .recoveryAfterSync: .logInWrite
        case .recoveryAfterRename: .checkpointInWrite
        default: nil
        }
    }

    /// The pass at which it acts: a late one where the point is passed all the time.
    private static func pass(of point: Failpoint) -> Int {
        switch point {
        case .logBeforeWrite, .logInWrite, .logBeforeSync, .logAfterSync: Int.random(in: 1...40)
        case .reclaimBeforeRename, .reclaimAfterRename, .segmentBeforeRename, .segmentAfterRename: Int.random(in: 1...3)
        default: 1
        }
    }

    @Test func everyPointIsReachedAndRecoveredFrom() async throws {
        let rounds = Machine.count("SPINDLE_FAILPOINT_ROUNDS", 1)
        let broker = try LoneBroker()
        try await broker.start()
        // Large bodies, so that segments come and go.
        let load = try broker.load(.init(bodyBytes: 0...4_000))
        let totals = try await load.run {
            for _ in 0..<rounds {
                for point in Failpoint.allCases.shuffled() {
                    for named in [Self.prelude(of: point), point].compactMap(\.self) {
                        try await broker.kill()
                        try broker.launch(failpoint: "\(named.rawValue):\(Self.pass(of: named))")
                        let code = try await load.end(of: broker)
                        #expect(code == 128 + SIGKILL, "the broker ends of itself at \(named.rawValue): \(broker.errors.suffix(1000))")
                        try broker.launch()
                    }
                    try await load.progress()
                }
            }
        }
        try await broker.stop()
        print(totals.line("kill -9 at named points", cycles: rounds * Failpoint.allCases.count))
    }

    @Test func anUnknownPointIsRefusedWithTheNamesOfAll() async throws {
        let broker = try LoneBroker()
        try broker.launch(failpoint: "log.never")
        #expect(try await broker.end() == 1)
        let errors = broker.errors
        #expect(errors.contains("there is no point \"log.never\"") && errors.contains("checkpoint.before-rename"), "\(errors)")
    }
}
