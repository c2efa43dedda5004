/// What one seed did, and whether it held.
package struct StoreSimulationResult: Sendable {
    package let seed: UInt64
    package internal(set) var operations = 0
    package internal(set) var ingests = 0
    package internal(set) var removals = 0
    /// Files whose payload was about to be collected, or being collected, when it was claimed.
    package internal(set) var races = 0
    package internal(set) var kills = 0
    package internal(set) var powerCuts = 0
    /// Nil: everything held.
    package internal(set) var violation: String?
}

package struct StoreSimulationTotals: Sendable, CustomStringConvertible {
    package private(set) var seeds = 0
    package private(set) var violations = 0
    package private(set) var sum = StoreSimulationResult(seed: 0)

    package init() {}

    package mutating func add(_ result: StoreSimulationResult) {
        seeds += 1
        if result.violation != nil { violations += 1 }
        sum.operations += result.operations
        sum.ingests += result.ingests
        sum.removals += result.removals
        sum.races += result.races
        sum.kills += result.kills
        sum.powerCuts += result.powerCuts
    }

    package var description: String {
        "\(seeds) seeds, \(sum.operations) operations, \(sum.ingests) ingests, \(sum.removals) collections, \(sum.races) races of the two, "
            + "\(sum.kills) kills, \(sum.powerCuts) power cuts, \(violations) violations"
    }
}
