/// What many seeds met together.
package struct SimulationTotals: Sendable, CustomStringConvertible {
    package var seeds = 0
    package var operations = 0
    package var inputOutputs = 0
    package var messages = 0
    package var events = 0
    package var checks: UInt64 = 0
    package var crashes = 0
    package var crashesInRecovery = 0
    package var kills = 0
    package var faults = 0
    package var recoveries = 0
    package var stateComparisons = 0
    package var damages = 0
    package var damagesDetected = 0
    package var moved = 0
    package var violations = 0

    package init() {}

    package mutating func add(_ result: SimulationResult) {
        seeds += 1
        operations += result.operations
        inputOutputs += result.inputOutputs
        messages += result.messages
        events += result.events
        checks += result.checks
        crashes += result.crashes
        crashesInRecovery += result.crashesInRecovery
        kills += result.kills
        faults += result.faults
        recoveries += result.recoveries
        stateComparisons += result.stateComparisons
        damages += result.damages
        damagesDetected += result.damagesDetected
        moved += result.moved
        if result.violation != nil { violations += 1 }
    }

    /// What the runs were made of, beside the figures of ``description``.
    package var details: String {
        """
        \(messages) messages, \(events) topic events, \(checks) answers judged, \(moved) records moved, \(inputOutputs) I/Os; \(recoveries) recoveries, \
        \(crashesInRecovery) of them crashed in, \(stateComparisons) states compared; \(damages) damaged copies, \(damagesDetected) refused, the others harmless
        """
    }

    package var description: String {
        "\(seeds) seeds, \(operations) operations, \(crashes) crashes, \(kills) kills, \(faults) faults, \(violations) violations"
    }
}

/// Finds out how little a failure needs.
package enum Shrinker {
    package struct Shrunk {
        package var operations: Int
        package var features: Features
        package var violation: Violation
    }

    /// Fewer operations, then fewer features, again and again, as long as the same promise is broken.
    package static func shrink(seed: UInt64, operations: Int, features: Features, violation: Violation) -> Shrunk {
        var best = Shrunk(operations: min(operations, violation.step + 1), features: features, violation: violation)
        func attempt(_ operations: Int, _ features: Features) -> Bool {
            guard operations > 0, let found = try? Simulation(seed: seed, features: features).run(operations: operations).violation,
                found.promise == violation.promise
            else { return false }
            best = Shrunk(operations: min(operations, found.step + 1), features: features, violation: found)
            return true
        }
        var isSmaller = true
        while isSmaller {
            isSmaller = false
            for (_, feature) in Features.names where best.features.contains(feature) {
                if attempt(best.operations, best.features.subtracting(feature)) { isSmaller = true }
            }
            var step = best.operations / 2
            while step > 0 {
                if attempt(best.operations - step, best.features) { isSmaller = true } else { step /= 2 }
            }
        }
        return best
    }

    /// The command that repeats it.
    package static func command(seed: UInt64, _ shrunk: Shrunk) -> String {
        let without = Features.names.filter { !shrunk.features.contains($0.feature) }.map(\.name).joined(separator: ",")
        return "spindle simulate --seed \(seed) --ops \(shrunk.operations)\(without.isEmpty ? "" : " --without \(without)") --trace"
    }
}
