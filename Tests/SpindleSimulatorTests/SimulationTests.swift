import Foundation
import SpindleSimulator
import Testing

/// The broker's promises under every fault of disk, network, clock and process. `spindle simulate` runs more of the same.
@Suite struct SimulationTests {
    /// Seeds and operations of one run; SPINDLE_SEEDS sets the number of seeds.
    static let seeds = ProcessInfo.processInfo.environment["SPINDLE_SEEDS"].flatMap { Int($0) } ?? 1_000
    static let operations = 2_000
    private static let parts = 20

    /// In parts, so that they run beside each other.
    @Test(arguments: 0..<parts) func seedsHold(part: Int) throws {
        var totals = SimulationTotals()
        for seed in Swift.stride(from: part, to: Self.seeds, by: Self.parts) {
            let seed = UInt64(seed) + 1
            let result = try Simulation(seed: seed).run(operations: Self.operations)
            totals.add(result)
            if let violation = result.violation {
                let shrunk = Shrinker.shrink(seed: seed, operations: Self.operations, features: .all, violation: violation)
                Issue.record("seed \(seed): \(violation); repeat it with: \(Shrinker.command(seed: seed, shrunk))")
            }
        }
        // A run in which nothing happens proves nothing.
        #expect(totals.crashes > 0 && totals.faults > 0 && totals.recoveries > totals.crashes && totals.stateComparisons > 0)
        #expect(totals.messages > totals.seeds * 100 && totals.moved > totals.seeds)
    }

    /// Seeds that once found a bug in the broker, with what made them small.
    struct Regression: CustomTestStringConvertible, Sendable {
        var seed: UInt64
        var operations: Int
        var features: Features = .all
        var found: String
        var testDescription: String { "seed \(seed), \(operations) operations: \(found)" }
    }

    static let regressions: [Regression] = [
        Regression(
            seed: 500_048, operations: 10_000, features: .original.subtracting(.browsing),
            found: "a checkpoint at the very beginning of a segment, and a restart before its first entry: the chain of entries was broken there")
    ]

    @Test(arguments: regressions) func keptSeedsHold(regression: Regression) throws {
        let result = try Simulation(seed: regression.seed, features: regression.features).run(operations: regression.operations)
        #expect(result.violation == nil, "\(regression.found)")
    }

    @Test func oneSeedReplaysExactly() throws {
        func run() throws -> ([String], SimulationResult) {
            let simulation = try Simulation(seed: 42)
            var steps: [String] = []
            simulation.trace = { steps.append($0) }
            let result = simulation.run(operations: 1_500)
            return (steps, result)
        }
        let (first, result) = try run()
        let (second, _) = try run()
        #expect(first == second)
        #expect(first.count > 500)
        #expect(result.violation == nil)
    }
}
