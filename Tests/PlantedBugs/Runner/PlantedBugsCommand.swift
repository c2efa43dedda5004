import Glibc
import PlantedBugs
import SpindleSimulator
import StoreSimulator

/// Runs the proof's checks on a broker with one bug after the other, and shows which check finds it. Exits with 1 when a bug is not found,
/// or when something is found without a bug.
///
///     planted-bugs [--seeds N] [--ops M] [--bug NAME]      the table; N seeds at most for a bug that nothing else finds, and five
///                                                          times as many for one that they don't find either
///     planted-bugs --run SEED [--ops M] [--bug NAME]       one seed, with its steps
///     planted-bugs --shrink SEED [--ops M] [--bug NAME]    the least of a seed that fails, with its steps
///     planted-bugs --range SEED COUNT [--ops M]            seeds without a bug
@main
struct PlantedBugsCommand {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        func value(_ name: String, _ offset: Int = 1) -> String? {
            guard let index = arguments.firstIndex(of: name), index + offset < arguments.count else { return nil }
            return arguments[index + offset]
        }
        let operations = value("--ops").flatMap { Int($0) } ?? 2_000
        let only = value("--bug").flatMap { PlantedBug(rawValue: $0) }
        if let seed = value("--run").flatMap({ UInt64($0) }) {
            PlantedBug.active = only
            let simulation = try Simulation(seed: seed)
            simulation.trace = { print($0) }
            print(simulation.run(operations: operations))
        } else if let seed = value("--shrink").flatMap({ UInt64($0) }) {
            PlantedBug.active = only
            guard let violation = try Simulation(seed: seed).run(operations: operations).violation else { fatalExit("seed \(seed) holds") }
            let shrunk = Shrinker.shrink(seed: seed, operations: operations, features: .all, violation: violation)
            let simulation = try Simulation(seed: seed, features: shrunk.features)
            simulation.trace = { print($0) }
            print(simulation.run(operations: shrunk.operations))
            print(Shrinker.command(seed: seed, shrunk))
        } else if let seed = value("--range").flatMap({ UInt64($0) }), let count = value("--range", 2).flatMap({ UInt64($0) }) {
            PlantedBug.active = only
            try range(seed, count, operations)
        } else if arguments.contains("--exhaustive") {
            PlantedBug.active = only
            var crashes = CrashExploration()
            crashes.run()
            print(crashes.description, crashes.violations)
        } else if arguments.contains("--bits") {
            PlantedBug.active = only
            var bits = BitExploration()
            try bits.run()
            print(bits.description, bits.violations.prefix(5))
        } else {
            try await table(only.map { [$0] } ?? PlantedBug.allCases, seeds: value("--seeds").flatMap { UInt64($0) } ?? 600, operations)
        }
    }

    private static func range(_ seed: UInt64, _ count: UInt64, _ operations: Int) throws {
        var totals = SimulationTotals()
        let clock = ContinuousClock()
        let started = clock.now
        for seed in seed..<seed + count {
            let result = try Simulation(seed: seed).run(operations: operations)
            totals.add(result)
            if let violation = result.violation { print("seed \(seed): \(violation)") }
        }
        print(totals.details)
        print(totals, "in", clock.now - started)
    }

    /// What the checks make of one bug.
    private struct Finding {
        var bug: PlantedBug?
        /// Seeds of the simulation that found it.
        var found: [Int] = []
        var seeds = 0
        /// Which promise is broken.
        var promise: String?
        var isFoundByCrashes = false
        var isFoundByBits = false
        /// nil: no test is named.
        var isFoundByTest: Bool?

        var isFound: Bool { promise != nil || isFoundByCrashes || isFoundByBits || isFoundByTest == true }

        /// Seeds from one that finds it to the next: the median.
        var medianSeeds: Int? {
            guard !found.isEmpty else { return nil }
            let waits = zip(found, [0] + found).map { $0 - $1 }.sorted()
            return waits[waits.count / 2]
        }

        var row: String {
            let name = bug.map { "`\($0)` \($0.what)" } ?? "none"
            let simulated = medianSeeds.map { "\($0)" } ?? "–"
            let test = isFoundByTest.map { $0 ? bug?.test ?? "" : "missed by \(bug?.test ?? "")" } ?? "–"
            return "| \(name) | \(simulated) (\(found.count) of \(seeds)) | \(promise ?? "–") | \(isFoundByCrashes ? "yes" : "–") | \(isFoundByBits ? "yes" : "–") | \(test) |"
        }
    }

    /// Seeds for a bug that another check finds, and for none.
    private static let seedsBeside: UInt64 = 30
    private static let findsWanted = 9
    /// More seeds for a bug that a run's seeds happen to miss: the rarest are found by one in some hundred.
    private static let seedsFactorUntilFound = 5

    private static func examine(_ bug: PlantedBug?, seeds: UInt64, _ operations: Int) async throws -> Finding {
        PlantedBug.active = bug
        defer { PlantedBug.active = nil }
        var finding = Finding(bug: bug)
        if bug?.isOfFiles ?? true { try await examineFiles(&finding) }
        if bug?.isOfFiles == true { return finding }
        var crashes = CrashExploration()
        crashes.run(stopsAtViolation: bug != nil)
        finding.isFoundByCrashes = !crashes.violations.isEmpty
        var bits = BitExploration()
        try bits.run(stride: 61, stopsAtViolation: true)
        finding.isFoundByBits = !bits.violations.isEmpty
        if let test = bug?.test { finding.isFoundByTest = fails(test, with: bug) }
        // Enough for a median, or for one that is found otherwise.
        let isFound = bug == nil || finding.isFound
        let seedsMax = Int(isFound ? min(seeds, seedsBeside) : seeds)
        while finding.seeds < (isFound || !finding.found.isEmpty ? seedsMax : seedsMax * seedsFactorUntilFound), finding.found.count < findsWanted {
            finding.seeds += 1
            guard let violation = try Simulation(seed: UInt64(finding.seeds)).run(operations: operations).violation else { continue }
            finding.found.append(finding.seeds)
            finding.promise = finding.promise ?? "\(violation.promise)"
        }
        return finding
    }

    /// Seeds of the simulation of files, of which one takes some milliseconds.
    private static let seedsOfFiles = 6_000
    private static let operationsOfFiles = 300

    private static func examineFiles(_ finding: inout Finding) async throws {
        while finding.seeds < seedsOfFiles, finding.found.count < findsWanted {
            finding.seeds += 1
            let result = await (try StoreSimulation(seed: UInt64(finding.seeds))).run(operations: operationsOfFiles)
            guard let violation = result.violation else { continue }
            finding.found.append(finding.seeds)
            finding.promise = finding.promise ?? violation
        }
        if finding.bug == nil { finding.seeds = 0 }
    }

    /// Whether tests fail with the bug active, in a process of their own.
    private static func fails(_ filter: String, with bug: PlantedBug?) -> Bool {
        let folder = CommandLine.arguments[0].split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let tests = "\(folder.isEmpty ? "." : folder)/planted-bugsPackageTests.xctest"
        return system("SPINDLE_PLANTED_BUG=\(bug?.rawValue ?? "") '\(tests)' --testing-library swift-testing --filter '\(filter)' >/dev/null 2>&1") != 0
    }

    private static func table(_ bugs: [PlantedBug], seeds: UInt64, _ operations: Int) async throws {
        for test in Set(bugs.compactMap(\.test)).sorted() where fails(test, with: nil) { fatalExit("without a bug the tests \(test) fail, or there are none") }
        print("| bug | seeds until found, median (found in) | promise | crash at every I/O | flipped bits | test |")
        print("|---|---|---|---|---|---|")
        let clean = try await examine(nil, seeds: seeds, operations)
        print(clean.row)
        var missed: [String] = []
        for bug in bugs {
            let finding = try await examine(bug, seeds: seeds, operations)
            print(finding.row)
            if !finding.isFound { missed.append(bug.rawValue) }
        }
        print("\(bugs.count - missed.count) of \(bugs.count) bugs found, with \(seeds) seeds of \(operations) operations each at most, or \(seedsFactorUntilFound) times as many where those found nothing")
        if clean.isFound { fatalExit("without a bug something was found: \(clean.promise ?? "by the explorations")") }
        if !missed.isEmpty { fatalExit("not found: \(missed.joined(separator: ", "))") }
    }

    private static func fatalExit(_ text: String) -> Never {
        print(text)
        exit(1)
    }
}
