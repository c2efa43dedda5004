internal import ContentStore
internal import SpindleSimulator

/// Uploads, ingests, deletions and garbage collection over one store, by several workers whose steps interleave, that are killed and whose
/// machine loses its power, with files that share names and contents. After every event the oracle looks at the folder and the catalogue.
///
/// Everything follows from the seed. The steps are those of the real workers: ``FileCommit``, ``RemovalRule``, `LocalPayloads` and `RefFolder`
/// are the real ones; the database and the disk are simulated.
package final class StoreSimulation {
    private static let (names, contents, workers) = (3, 3, 3)
    private static let graceMilliseconds: Int64 = 60_000
    private static let attemptsMax = 6
    /// Until everything has come to rest.
    private static let restStepsMax = 20_000

    private var random: SeededGenerator
    private let seed: UInt64
    private let stores: SimulatedStores
    private var catalog: SimulatedCatalog { stores.catalog }
    private var work: [SimulatedWork?]
    /// Message to worker.
    private var leases: [Int: Int] = [:]
    private var attempts: [Int: Int] = [:]
    /// Until which operation a worker stands still.
    private var stopped: [Int]
    private var result: StoreSimulationResult
    /// Half of the seeds have no kills and no losses of power, which end the slow things that others need.
    private let isRough: Bool
    private var isCalm = false
    /// Called with every event, for people.
    package var trace: ((String) -> Void)?

    package init(seed: UInt64) throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        isRough = Bool.random(using: &random)
        stores = SimulatedStores(
            catalog: SimulatedCatalog(contents: try (0..<Self.contents).map(SimulatedContent.init)), folder: SimulatedFolder(seed: seed ^ 0xD15C))
        work = Array(repeating: nil, count: Self.workers)
        stopped = Array(repeating: 0, count: Self.workers)
        result = StoreSimulationResult(seed: seed)
        stores.folder.set(now: stores.catalog.now)
    }

    package func run(operations: Int) async -> StoreSimulationResult {
        for _ in 0..<operations {
            result.operations += 1
            await event()
            if check() { return result }
        }
        await rest()
        return result
    }

    private func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &random) }

    private func pass(_ milliseconds: Int64) {
        catalog.now += milliseconds
        stores.folder.set(now: catalog.now)
    }

    // MARK: Events

    private func event() async {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<12: upload()
        case 12..<18: delete()
        case 18..<24:
            pass(Int64.random(in: 0...Self.graceMilliseconds * 3 / 4, using: &random))
        case 24..<26: sweep()
        case 26..<28 where isRough: kill()
        case 28..<31 where isRough: stores.folder.cutPower(after: Int.random(in: 0..<12, using: &random))
        case 31..<34: stores.folder.fail(after: Int.random(in: 0..<6, using: &random))
        case 34..<36: endLease()
        default: await stepWorker(Int.random(in: 0..<Self.workers, using: &random))
        }
        if stores.folder.isDown { losePower() }
    }

    /// Bytes arrive, or come again where they were missing.
    private func upload() {
        let missing = catalog.files.values.filter { $0.status == .uploading && !$0.isDeleted }.map(\.id).sorted()
        let file: SimulatedCatalog.File
        if chance(50), let id = pick(missing), let found = catalog.files[id] {
            file = found
        } else {
            file = catalog.create(
                name: "n\(Int.random(in: 0..<Self.names, using: &random))", content: Int.random(in: 0..<Self.contents, using: &random))
        }
        if chance(50), catalog.hasPayload(file.content) {
            trace?("\(file.id) \(file.name) has the bytes of content \(file.content), which the store has")
            return catalog.stage(file.id, isSame: true)
        }
        do {
            try stores.folder.makeFolder("staging/\(file.id)")
            try stores.folder.write(SimulatedStores.staged(file.id), catalog.contents[file.content].bytes)
            try stores.folder.syncFolder("staging/\(file.id)")
            trace?("\(file.id) \(file.name) is staged with content \(file.content)")
            catalog.stage(file.id, isSame: false)
        } catch {
            trace?("\(file.id) \(file.name) could not be staged: \(error)")
        }
    }

    private func delete() {
        guard let id = pick(catalog.files.values.filter { !$0.isDeleted }.map(\.id).sorted()) else { return }
        trace?("delete \(id)")
        catalog.delete(id)
        // The server removes what was staged; what it can't remove, its upkeep does.
        if !catalog.isOpen(id), catalog.files[id]?.status != .committed { try? stores.removeStaged(id) }
    }

    /// What the workers do from time to time: whatever is nobody's goes, also what the catalogue does not know.
    private func sweep() {
        for address in (try? stores.payloads.all()) ?? [] where !catalog.isKnown(address.hash) {
            guard let facts = try? stores.payloads.facts(address), catalog.now - facts.modifiedAt >= Self.graceMilliseconds else { continue }
            trace?("payload \(address.hash.prefix(4)) is a stray")
            catalog.adopt(stray: address.hash, graceMilliseconds: Self.graceMilliseconds)
        }
    }

    /// A worker's process ends: what it wrote stays.
    private func kill() {
        let slot = Int.random(in: 0..<Self.workers, using: &random)
        leases = leases.filter { $0.value != slot }
        trace?("worker \(slot) is killed")
        work[slot] = nil
        stopped[slot] = 0
        result.kills += 1
    }

    /// Half of those whose lease ends stand still, for so long that others go far beyond.
    private func endLease() {
        guard let id = pick(leases.keys.sorted()), let slot = leases.removeValue(forKey: id) else { return }
        if chance(50) { stopped[slot] = result.operations + Int.random(in: 40..<240, using: &random) }
        trace?("the lease of worker \(slot) ends\(stopped[slot] > result.operations ? ", and it stands still" : "")")
    }

    private func losePower() {
        trace?("the power is lost")
        work = Array(repeating: nil, count: Self.workers)
        leases = [:]
        stopped = Array(repeating: 0, count: Self.workers)
        stores.folder.restart()
        result.powerCuts += 1
    }

    // MARK: Workers

    private func take(_ slot: Int) {
        guard let next = pick(catalog.messages.filter { leases[$0.id] == nil }) else { return }
        leases[next.id] = slot
        attempts[next.id, default: 0] += 1
        var isDead = false
        if case .ingest(let file) = next.message, attempts[next.id, default: 0] > Self.attemptsMax {
            catalog.giveUp(file)
            isDead = true
        }
        work[slot] = SimulatedWork(next.message, id: next.id, isShareAway: !isCalm && chance(10), isDead: isDead)
    }

    private func stepWorker(_ slot: Int) async {
        guard stopped[slot] <= result.operations || isCalm else { return }
        guard var current = work[slot] else { return take(slot) }
        let before = trace == nil ? "" : current.description
        var progress = SimulatedWork.Progress.again("an error")
        do {
            let wanted = current.wants.map { catalog.isOrphan($0) } ?? false
            progress = try await current.step(stores, graceMilliseconds: Self.graceMilliseconds)
            if wanted { result.races += 1 }
            trace?("worker \(slot): \(before): \(progress)")
        } catch {
            trace?("worker \(slot): \(before): \(error)")
        }
        work[slot] = progress == .more ? current : nil
        guard progress != .more else { return }
        let id = current.id
        // A zombie's word counts for nothing: its message was delivered to another.
        let isOurs = leases[id] == slot
        if isOurs { leases[id] = nil }
        switch progress {
        case .done:
            if isOurs { catalog.acknowledge(id) }
            if case .ingest = current.message { result.ingests += 1 } else { result.removals += 1 }
        case .postponed: attempts[id, default: 1] -= 1
        case .more, .again: break
        }
    }

    // MARK: The end

    /// No more faults: everything ends, and nothing is left over.
    private func rest() async {
        isCalm = true
        losePower()
        if check() { return }
        // The second time, what the sweep found.
        for _ in 0..<2 {
            var steps = 0
            while !catalog.messages.isEmpty || work.contains(where: { $0 != nil }) {
                steps += 1
                guard steps < Self.restStepsMax else { return fail("it does not come to rest: \(catalog.messages.prefix(3))") }
                for slot in 0..<Self.workers { await stepWorker(slot) }
                if check() { return }
                pass(5_000)
            }
            pass(Self.graceMilliseconds)
            sweep()
        }
        if let problem = StoreOracle(stores).leftover() { fail(problem) }
    }

    private func check() -> Bool {
        if let problem = StoreOracle(stores).violation() { fail(problem) }
        return result.violation != nil
    }

    private func fail(_ problem: String) {
        trace?("VIOLATION: \(problem)")
        result.violation = result.violation ?? problem
    }
}
