import SpindleSimulator
import SpindleLog
import Testing

/// A small workload is stopped at every single I/O, with every fate of up to two un-synced sectors and seeded fates of more,
/// and again at every I/O of the recovery. Whatever happens, confirmed entries are there, and what is there is a whole prefix.
@Suite("Crash at every I/O")
struct CrashTests {
    /// What was true when the power went.
    struct Outcome {
        var disk: SimulatedDiskState
        var confirmed: UInt64
        var appended: UInt64
        var finished: Bool
    }

    /// Rollovers, prepared and recycled segments, checkpoints and reclaiming, in few I/Os. Notes progress in `outcome`.
    private static func work(_ storage: SimulatedDisk) -> Outcome {
        var outcome = Outcome(disk: storage.disk, confirmed: 0, appended: 0, finished: false)
        do {
            var log = try TestLog(storage)
            var generator = SeededGenerator(seed: 3)
            for round in 0..<24 {
                try log.prepareAhead(2)
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    try log.append(count: [24, 700, 1500, 3900].randomElement(using: &generator) ?? 24)
                }
                outcome.appended = log.next
                try log.commit()
                outcome.confirmed = log.confirmed
                if round % 3 == 2 {
                    try log.checkpoint()
                    try log.reclaim(oldestLive: log.appender.durable)
                }
            }
            outcome.finished = true
        } catch {
            #expect(storage.isDown, "failed by itself: \(error)")
        }
        outcome.disk = storage.disk
        return outcome
    }

    private static func choices(_ disk: SimulatedDiskState, seed: UInt64) -> [SimulatedDiskState.CrashChoice] {
        var choices: [SimulatedDiskState.CrashChoice] = []
        let sectors = disk.dirtySectorCount
        let fates = SimulatedDiskState.SectorFate.allCases
        for directory in 0...disk.pendingChanges.count {
            if sectors <= 2 {
                for code in 0..<(sectors == 0 ? 1 : sectors == 1 ? 3 : 9) {
                    choices.append(
                        .init(
                            directoryChangesKept: directory, sector: { fates[$0 == 0 ? code % 3 : code / 3] },
                            sizeKept: { _ in code.isMultiple(of: 2) }))
                }
                continue
            }
            for fate in fates {
                choices.append(.init(directoryChangesKept: directory, sector: { _ in fate }, sizeKept: { _ in fate != .lost }))
            }
            for variant in 0..<4 as Range<UInt64> {
                var generator = SeededGenerator(seed: seed &* 1000 &+ variant)
                let table = (0..<sectors).map { _ in fates.randomElement(using: &generator) ?? .lost }
                let sizes = (0..<disk.files.count).map { _ in Bool.random(using: &generator) }
                choices.append(.init(directoryChangesKept: directory, sector: { table[$0] }, sizeKept: { sizes[$0] }))
            }
        }
        return choices
    }

    /// Recovers, and says what is wrong with the result, if anything.
    private static func recover(
        _ disk: SimulatedDiskState, _ outcome: Outcome
    ) -> (result: (storage: SimulatedDisk, recovered: RecoveredLog, count: UInt64)?, violation: String?) {
        let storage = SimulatedDisk(disk)
        do {
            let (recovered, count) = try TestLog.recover(storage)
            let result = (storage, recovered, count)
            if count < outcome.confirmed { return (result, "of \(outcome.confirmed) confirmed entries \(count) are left") }
            if count > outcome.appended { return (result, "\(count) entries, and \(outcome.appended) were appended") }
            return (result, nil)
        } catch {
            return (nil, "does not start: \(error)")
        }
    }

    private static func outcomes(_ omission: SimulatedDisk.Omission? = nil) -> [(operation: Int, what: String, outcome: Outcome)] {
        let whole = SimulatedDisk()
        #expect(work(whole).finished)
        return (0...whole.operations).map { operation in
            let storage = SimulatedDisk()
            storage.omission = omission
            storage.faults[operation] = .crash
            let what = operation < whole.operations ? whole.trace[operation] : "the end"
            return (operation, what, work(storage))
        }
    }

    /// Every operation, every fate: how many recoveries there were, and what was wrong with them.
    private static func explore(_ omission: SimulatedDisk.Omission? = nil) -> (recoveries: Int, violations: [String]) {
        var recoveries = 0
        var violations: [String] = []
        for (operation, what, outcome) in outcomes(omission) {
            for (index, choice) in choices(outcome.disk, seed: UInt64(operation)).enumerated() {
                let place = "operation \(operation) (\(what)), choice \(index)"
                recoveries += 1
                let (result, violation) = recover(outcome.disk.crashed(choice), outcome)
                if let violation { violations.append("\(place): \(violation)") }
                guard let result else { continue }
                // Power goes again right after: what recovery reported must be what is on the disk.
                let again = result.storage.disk.crashed(
                    .init(directoryChangesKept: 0, sector: { _ in .lost }, sizeKept: { _ in false }))
                let (second, secondViolation) = recover(again, outcome)
                if let secondViolation { violations.append("\(place), second: \(secondViolation)") }
                guard let second else { continue }
                if second.count != result.count || second.recovered.end != result.recovered.end || second.recovered.tail != .clean {
                    violations.append("\(place): the second recovery differs from the first")
                }
            }
        }
        return (recoveries, violations)
    }

    @Test func everyOperationEveryFate() {
        let (recoveries, violations) = Self.explore()
        #expect(violations.isEmpty, "\(violations.prefix(5))")
        #expect(recoveries > 500)
    }

    @Test(arguments: SimulatedDisk.Omission.allCases)
    func anOmissionIsFound(omission: SimulatedDisk.Omission) {
        #expect(!Self.explore(omission).violations.isEmpty)
    }

    @Test func everyOperationOfTheRecovery() throws {
        var recoveries = 0
        for (operation, what, outcome) in Self.outcomes() {
            let choices = Self.choices(outcome.disk, seed: UInt64(operation))
            for (index, choice) in choices.enumerated() where index % 3 == operation % 3 {
                let damaged = outcome.disk.crashed(choice)
                let calm = SimulatedDisk(damaged)
                let expected = try TestLog.recover(calm)
                for step in 0..<calm.operations {
                    let storage = SimulatedDisk(damaged)
                    storage.faults[step] = .crash
                    #expect(throws: LogRecoveryError.self) { try TestLog.recover(storage) }
                    for (inner, innerChoice) in Self.choices(storage.disk, seed: UInt64(step)).enumerated() {
                        let place = "operation \(operation) (\(what)), choice \(index), recovery step \(step), choice \(inner)"
                        let (result, violation) = Self.recover(storage.disk.crashed(innerChoice), outcome)
                        recoveries += 1
                        #expect(violation == nil, "\(place)")
                        // More may be left: an entry that was torn by stale bytes can become whole when these are zeroed.
                        if let result { #expect(result.count >= expected.1, "\(place)") }
                    }
                }
            }
        }
        #expect(recoveries > 500)
    }

    /// A recovered log that is appended to, crashes and recovers again, many times over, on recycled segments.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func lifeAfterLife(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var disk = SimulatedDiskState()
        var confirmed: UInt64 = 0
        var appended: UInt64 = 0
        for life in 0..<12 {
            let storage = SimulatedDisk(disk)
            storage.faults[Int.random(in: 0..<60, using: &generator)] = .crash
            do {
                var log = try TestLog(storage)
                #expect(log.next >= confirmed && log.next <= appended, "life \(life)")
                confirmed = log.next
                appended = log.next
                while true {
                    try log.prepareAhead(2)
                    for _ in 0..<Int.random(in: 1...4, using: &generator) {
                        try log.append(count: Int.random(in: 8...4000, using: &generator))
                    }
                    appended = log.next
                    try log.commit()
                    confirmed = log.confirmed
                    if Int.random(in: 0..<4, using: &generator) == 0 {
                        try log.checkpoint()
                        try log.reclaim(oldestLive: log.appender.durable)
                    }
                }
            } catch {
                #expect(storage.isDown, "life \(life): \(error)")
            }
            let fates = SimulatedDiskState.SectorFate.allCases
            let salt = UInt64.random(in: 0 ... .max, using: &generator)
            disk = storage.disk.crashed(
                .init(
                    directoryChangesKept: Int.random(in: 0...storage.disk.pendingChanges.count, using: &generator),
                    sector: { index in
                        var own = SeededGenerator(seed: salt &+ UInt64(index))
                        return fates.randomElement(using: &own) ?? .lost
                    },
                    sizeKept: { UInt64($0) & 1 == salt & 1 }))
        }
    }

    /// Every bit of a log, one at a time: refused, or reported as a torn tail that costs at most the last synced batch.
    @Test func everyBit() throws {
        var log = try TestLog(SimulatedDisk())
        for _ in 0..<6 {
            for _ in 0..<3 { try log.append(count: 90) }
            try log.commit()
        }
        let proven: UInt64 = 15  // what the last batch's durable LSN covers
        let disk = log.storage.disk
        let bytes = try #require(disk[.segment(1)])
        var refused = 0
        var wrong: [String] = []
        for bit in 0..<bytes.count * 8 {
            var flipped = disk
            flipped[.segment(1)]?[bit / 8] ^= 1 << UInt8(bit % 8)
            do {
                let (recovered, count) = try TestLog.recover(SimulatedDisk(flipped))
                if count < proven { wrong.append("bit \(bit): proven entries are lost") }
                if recovered.tail == .clean { wrong.append("bit \(bit): silent") }
            } catch {
                if case .corrupt = error { refused += 1 } else { wrong.append("bit \(bit): \(error)") }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
        #expect(refused >= 15 * 130 * 8)
    }
}
