import ArgumentParser
import StoreSimulator

extension SimulateCommand {
    func simulateFiles() async throws {
        var totals = StoreSimulationTotals()
        let (first, count, operations, isTraced) = (seed, seedCount, ops, trace)
        try await withThrowingTaskGroup(of: StoreSimulationResult.self) { group in
            var next = first
            func add() {
                guard next < first + count else { return }
                let seed = next
                next += 1
                group.addTask {
                    let simulation = try StoreSimulation(seed: seed)
                    if isTraced { simulation.trace = { Output.line($0) } }
                    return await simulation.run(operations: operations)
                }
            }
            for _ in 0..<jobsAtOnce { add() }
            while let result = try await group.next() {
                add()
                totals.add(result)
                if let violation = result.violation { Output.line("seed \(result.seed): \(violation)") }
                if totals.seeds.isMultiple(of: 1000) { Output.error("\(totals)") }
            }
        }
        Output.line("\(totals)")
        if totals.violations > 0 { throw ExitCode.failure }
    }
}
