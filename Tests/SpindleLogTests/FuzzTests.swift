import SpindleLog
import SpindleSimulator
import Testing

/// Files full of damage, from seeds. Recovery and inspection must end, must not trap, and must never give out an entry that
/// was not written (the visitor of `TestLog` refuses those).
@Suite("Random damage")
struct FuzzTests {
    private static func sample() throws -> SimulatedDiskState {
        var log = try TestLog(SimulatedDisk())
        for round in 0..<16 {
            try log.prepareAhead(2)
            for _ in 0..<2 { try log.append(count: 1000 + 150 * round) }
            try log.commit()
            if round == 6 || round == 11 { try log.checkpoint() }
        }
        return log.storage.disk
    }

    private static func damage(_ disk: inout SimulatedDiskState, _ generator: inout SeededGenerator) {
        let names = disk.names.keys.sorted { "\($0)" < "\($1)" }
        guard let name = names.randomElement(using: &generator), let count = disk[name]?.count else { return }
        let start = Int.random(in: 0..<max(1, count), using: &generator)
        let length = min(count - start, [1, 4, 8, 40, 512, 4096].randomElement(using: &generator) ?? 1)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: disk[name] = nil
        case 1: disk[name]?.removeLast(count - start)
        case 2: disk[name] = names.randomElement(using: &generator).flatMap { disk[$0] }
        case 3: disk[name]?.replaceSubrange(start..<start + length, with: [UInt8](repeating: 0, count: length))
        case 4:
            // A piece of the log at another place: whole entries where they do not belong.
            let from = Int.random(in: 0...max(0, count - length), using: &generator) & ~7
            let piece = Array(disk[name]?[from..<min(count, from + length)] ?? [])
            let to = min(start & ~7, count - piece.count)
            disk[name]?.replaceSubrange(to..<to + piece.count, with: piece)
        case _:
            for index in start..<start + length { disk[name]?[index] = UInt8.random(in: 0...255, using: &generator) }
        }
    }

    @Test func nothingTrapsAndNothingFalseIsGivenOut() throws {
        let disk = try Self.sample()
        let total = try TestLog.recover(SimulatedDisk(disk)).1
        var opened = 0
        var refused = 0
        for seed in 0..<4000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var damaged = disk
            for _ in 0..<Int.random(in: 1...3, using: &generator) { Self.damage(&damaged, &generator) }
            _ = try LogInspector(storage: SimulatedDisk(damaged)).verify()
            var items = 0
            try LogInspector(storage: SimulatedDisk(damaged)).inspect(typeName: { _ in nil }) { _, _ in
                items += 1
                return true
            }
            do {
                let (_, count) = try TestLog.recover(SimulatedDisk(damaged))
                #expect(count <= total, "seed \(seed)")
                opened += 1
            } catch {
                if case .refused(_, _, _, let reason) = error { Issue.record("seed \(seed): \(reason)") }
                refused += 1
            }
        }
        #expect(opened > 100)
        #expect(refused > 100)
    }
}
