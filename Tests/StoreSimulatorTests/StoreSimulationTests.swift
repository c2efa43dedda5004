import StoreSimulator
import Testing

@Suite struct StoreSimulationTests {
    /// More of them run in `./dev soak` and by `spindle simulate --part files`.
    @Test func filesSurviveKillsAndLossesOfPower() async throws {
        var (ingests, removals, powerCuts) = (0, 0, 0)
        for seed in 1...300 as ClosedRange<UInt64> {
            let result = await (try StoreSimulation(seed: seed)).run(operations: 300)
            #expect(result.violation == nil, "seed \(seed): \(result.violation ?? "")")
            ingests += result.ingests
            removals += result.removals
            powerCuts += result.powerCuts
        }
        // The seeds did what they are for.
        #expect(ingests > 1_000 && removals > 300 && powerCuts > 1_000, "\(ingests) ingests, \(removals) removals, \(powerCuts) power cuts")
    }

    @Test func aSeedRepeats() async throws {
        var traces: [[String]] = [[], []]
        for run in 0..<2 {
            let simulation = try StoreSimulation(seed: 7)
            simulation.trace = { traces[run].append($0) }
            _ = await simulation.run(operations: 200)
        }
        #expect(traces[0] == traces[1] && traces[0].count > 100)
    }
}
