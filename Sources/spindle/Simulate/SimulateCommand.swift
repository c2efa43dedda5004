import ArgumentParser
import Foundation
import SpindleSimulator

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Prove the promises: run the broker, or the store of files, on a simulated disk, with every fault there is.",
        discussion: """
            Each seed decides everything: the clients' work, the clock, crashes at any I/O with every un-synced sector kept, lost or torn,
            I/O errors, full disks, damaged sectors, lost connections. An outside observer of the frames checks the promises of
            docs/reliability.md after every step. A seed that fails is shrunk, and printed with the command that repeats it.

            --part files runs the commit of files and the garbage collector instead, by several workers whose steps interleave, that are
            killed and lose their power; what is committed must be whole at every moment.

            Example:
              spindle simulate --seed 1 --seeds 1000 --ops 10000
              spindle simulate --part files --seeds 10000 --ops 500
              spindle simulate --seed 42 --ops 2000 --trace

            The last line tells how many seeds, operations, crashes, faults and violations there were. The exit code is 0 only if every
            seed held.
            """)

    enum Part: String, ExpressibleByArgument, CaseIterable {
        case broker, files
    }

    @Option(help: ArgumentHelp("What is simulated.", valueName: "broker|files"))
    var part = Part.broker

    @Option(help: ArgumentHelp("The first seed.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Seeds, from the first on; 100, or 1 with --trace.", valueName: "n"))
    var seeds: UInt64?

    @Option(help: ArgumentHelp("Operations of each seed.", valueName: "n"))
    var ops = 10_000

    @Option(help: ArgumentHelp("Seeds at once; one for each core if not given.", valueName: "n"))
    var jobs: Int?

    @Option(help: ArgumentHelp("Parts to leave out, separated by commas: \(Features.names.map(\.name).joined(separator: ", ")).", valueName: "names"))
    var without: String?

    @Flag(help: "Print every step of the seed; only with one seed.")
    var trace = false

    func validate() throws {
        guard seeds != 0 else { throw ValidationError("--seeds is 0: at least one seed must run.") }
        guard ops > 0 else { throw ValidationError("--ops is \(ops): each seed needs at least one operation.") }
        guard jobs.map({ (1...256).contains($0) }) ?? true else { throw ValidationError("--jobs is \(jobs ?? 0): 1 to 256 seeds can run at once.") }
        guard !trace || seeds == nil || seeds == 1 else { throw ValidationError("--trace shows one seed: leave out --seeds, or give --seeds 1.") }
        guard part == .broker || without == nil else { throw ValidationError("--without leaves out parts of the broker's simulation; --part files has none.") }
        guard seed.addingReportingOverflow(seedCount).overflow == false else { throw ValidationError("--seed and --seeds together are over 2^64.") }
    }

    var seedCount: UInt64 { seeds ?? (trace ? 1 : 100) }

    var jobsAtOnce: Int { jobs ?? max(1, ProcessInfo.processInfo.activeProcessorCount) }

    private func features() throws -> Features {
        var features = Features.all
        for name in (without ?? "").split(separator: ",") {
            guard let known = Features.names.first(where: { $0.name == name }) else {
                throw CommandFailure("there is no part '\(name)' to leave out.", advice: "Parts: \(Features.names.map(\.name).joined(separator: ", ")).")
            }
            features.subtract(known.feature)
        }
        return features
    }

    func run() async throws {
        if part == .files { return try await simulateFiles() }
        let features = try features()
        let count = seedCount
        let jobsAtOnce = jobsAtOnce
        let clock = ContinuousClock()
        let started = clock.now
        var totals = SimulationTotals()
        let (first, operations, isTraced) = (seed, ops, trace)
        await withTaskGroup(of: SimulationResult?.self) { group in
            var next = first
            func add() {
                guard next < first + count else { return }
                let seed = next
                next += 1
                group.addTask { Self.run(seed, operations, features, isTraced: isTraced) }
            }
            for _ in 0..<jobsAtOnce { add() }
            while let result = await group.next() {
                add()
                guard let result else { continue }
                totals.add(result)
                if let violation = result.violation { report(result.seed, violation, features) }
                if totals.seeds.isMultiple(of: 1000) { Output.error("\(totals)") }
            }
        }
        let elapsed = clock.now - started
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        Output.lines(totals.details)
        Output.line("\(Int(Double(totals.operations) / max(seconds, 0.001))) operations/s over \(jobsAtOnce) jobs in \(Int(seconds)) s")
        Output.line("\(totals)")
        if totals.violations > 0 || totals.seeds < Int(count) { throw ExitCode.failure }
    }

    private static func run(_ seed: UInt64, _ operations: Int, _ features: Features, isTraced: Bool) -> SimulationResult? {
        do {
            let simulation = try Simulation(seed: seed, features: features)
            if isTraced { simulation.trace = { Output.line($0) } }
            return simulation.run(operations: operations)
        } catch {
            Output.error("seed \(seed) did not begin: \(error)")
            return nil
        }
    }

    private func report(_ seed: UInt64, _ violation: Violation, _ features: Features) {
        Output.line("seed \(seed): \(violation)")
        guard !trace else { return }
        let shrunk = Shrinker.shrink(seed: seed, operations: ops, features: features, violation: violation)
        Output.line("  shrunk to \(shrunk.operations) operations: \(shrunk.violation)")
        Output.line("  \(Shrinker.command(seed: seed, shrunk))")
    }
}
