import ContentStore
import Digests
import MCMS
import MCMSFiles
import SpindleSimulator
import SpindleText
import StoreSimulator
import Synchronization
import Testing

/// The catalogue of the simulation and the SQL of `FilesStore` are two texts of one thing: whatever is done to both, both say the same.
@Suite struct CatalogTests {
    @Test func theSimulatedCatalogSaysWhatTheDatabaseSays() async throws {
        var (granted, recorded) = (0, 0)
        for seed in 1...8 as ClosedRange<UInt64> {
            var pair = try await CatalogPair(seed: seed)
            defer { pair.test.remove() }
            for step in 0..<120 {
                try await pair.step()
                try #require(try await pair.difference() == nil, "seed \(seed), step \(step): \(pair.last)")
            }
            granted += pair.granted
            recorded += pair.recorded
        }
        // All of it was done, and not only refused.
        #expect(granted > 30 && recorded > 10, "\(granted) claims, \(recorded) files")
    }
}

/// Milliseconds that the test lets pass.
private final class TestClock: Sendable {
    private let now: Mutex<Int64>

    init(_ now: Int64) { self.now = Mutex(now) }

    var value: Int64 {
        get { now.withLock { $0 } }
        set { now.withLock { $0 = newValue } }
    }
}

private struct CatalogPair {
    private static let graceMilliseconds: Int64 = 60_000
    private static let names = ["a.nc", "b.nc"]

    let test: TestFiles
    private let routing: String
    private let clock: TestClock
    private let model: SimulatedCatalog
    private var random: SeededGenerator
    /// The model's ids, and the database's.
    private var ids: [(model: String, real: String)] = []
    /// Attempts that were granted: the file, and each side's number.
    private var attempts: [(file: Int, model: Int, real: Int)] = []
    private var messages = 0
    /// What was done last, for people.
    private(set) var last = ""
    private(set) var granted = 0
    private(set) var recorded = 0

    init(seed: UInt64) async throws {
        random = SeededGenerator(seed: seed)
        model = SimulatedCatalog(contents: try (0..<2).map(SimulatedContent.init))
        let clock = TestClock(model.now)
        self.clock = clock
        test = try TestFiles(clock: { Timestamp(milliseconds: clock.value) })
        routing = try await test.routing()
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &random) }
    private func chunk(_ file: Int) -> [UInt8] { model.contents[model.files[ids[file].model]?.content ?? 0].bytes }
    private func hash(_ file: Int) -> String { model.contents[model.files[ids[file].model]?.content ?? 0].address.hash }

    mutating func step() async throws {
        let file = pick(Array(ids.indices))
        let choice = Int.random(in: 0..<13, using: &random)
        last = "choice \(choice), file \(file.map { ids[$0].model } ?? "none")"
        switch choice {
        case 0, 1: try await upload()
        case 2: if let file { try await comesAgain(file) }
        case 3: if let file { try await delete(file) }
        case 4: pass(Int64.random(in: 0...Self.graceMilliseconds, using: &random))
        case 5, 6: if let file { try await claim(file) }
        case 7, 8: if let attempt = pick(attempts) { try await record(attempt) }
        case 9: if let file { try await claimPlace(file) }
        case 10: if let file { try await go(missing: Bool.random(using: &random), file) }
        case 11: if let file { try await collect(hash(file)) }
        default: if let attempt = pick(attempts) { try await endClaim(attempt) }
        }
    }

    private mutating func pass(_ milliseconds: Int64) {
        model.now += milliseconds
        clock.value = model.now
    }

    private mutating func upload() async throws {
        let (name, content) = (pick(Self.names) ?? "", Int.random(in: 0..<2, using: &random))
        let bytes = model.contents[content].bytes
        let isSame = model.hasPayload(content)
        let digest = try #require(Hexadecimal.bytes(model.contents[content].address.hash))
        let upload = try await test.uploads.create(
            try test.new(name, Int64(bytes.count), routing: routing, hashes: isSame ? [digest] : nil), by: test.caller)
        // One that was begun before, and whose bytes are missing, is gone on with.
        if ids.contains(where: { $0.real == upload.id }) { return }
        let made = model.create(name: name, content: content)
        try #require((upload.sameAs != nil) == isSame, "the store has the bytes: \(isSame); \(last)")
        if !isSame { try await test.send(bytes, part: 0, of: upload.id) }
        _ = try await test.staged(upload.id)
        model.stage(made.id, isSame: isSame)
        ids.append((made.id, upload.id))
    }

    private mutating func comesAgain(_ file: Int) async throws {
        guard let known = model.files[ids[file].model], known.status == .uploading, !known.isDeleted else { return }
        try await test.send(chunk(file), part: 0, of: ids[file].real)
        try await eventually { try await test.store.file(ids[file].real).status == .staged }
        model.stage(ids[file].model, isSame: false)
    }

    private mutating func delete(_ file: Int) async throws {
        let isIngesting = model.files[ids[file].model]?.status == .ingesting
        guard model.files[ids[file].model]?.isDeleted == false, !isIngesting else { return }
        _ = try await test.store.delete(ids[file].real, by: test.caller)
        model.delete(ids[file].model)
    }

    private mutating func claim(_ file: Int) async throws {
        messages = Int.random(in: 1...2, using: &random)
        let (mine, theirs) = (model.claim(ids[file].model, message: messages), try await test.store.claim(hash(file), for: ids[file].real, message: "\(messages)"))
        try note(file, mine, theirs)
        if case .granted = mine {
            model.markIngesting(ids[file].model)
            try await test.store.mark(ids[file].real, .ingesting)
        }
    }

    private mutating func claimPlace(_ file: Int) async throws {
        try note(file, model.claimPlace(ids[file].model), try await test.store.claim(placeOf: ids[file].real))
    }

    private mutating func note(_ file: Int, _ mine: Claim, _ theirs: Claim) throws {
        switch (mine, theirs) {
        case (.granted(let number), .granted(let other)):
            granted += 1
            attempts.append((file, number, other))
        default: try #require(mine == theirs, "\(last)")
        }
    }

    private mutating func record(_ attempt: (file: Int, model: Int, real: Int)) async throws {
        let id = ids[attempt.file]
        guard model.files[id.model]?.isDeleted == false else { return }
        let mine = model.record(id.model, attempt: attempt.model)
        let theirs = try await test.store.commit(id.real, attempt: attempt.real, [0: try #require(Hexadecimal.bytes(hash(attempt.file)))], share: .published)
        try #require(mine == theirs, "\(last)")
        if mine { recorded += 1 }
    }

    private mutating func endClaim(_ attempt: (file: Int, model: Int, real: Int)) async throws {
        // Only those who mend end a claim so.
        guard let file = model.files[ids[attempt.file].model], file.isDeleted || [.uploading, .committed].contains(file.status) else { return }
        let mine = model.endClaim(attempt.model, of: ids[attempt.file].model)
        #expect(try await test.store.endClaim(attempt.real, of: ids[attempt.file].real) == mine)
    }

    private mutating func go(missing: Bool, _ file: Int) async throws {
        let id = ids[file]
        guard case .go = model.start(id.model) else { return }
        let queue = FileQueues.ingest
        let command = try await test.command(id.real, queue: queue)
        guard case .go = try await test.store.start(command) else { return #expect(Bool(false), "the model would start \(id)") }
        if missing {
            try await test.store.missing(id.real, [0], command)
            _ = try StagingArea(test.folder).make(id.real, bytes: command.size)
            model.missing(id.model)
        } else {
            try await test.store.fail(id.real, reason: "it died")
            model.giveUp(id.model)
        }
    }

    private mutating func collect(_ hash: String) async throws {
        let theirs = try await test.store.beginRemoval(of: hash, graceMilliseconds: Self.graceMilliseconds)
        switch model.beginRemoval(hash, graceMilliseconds: Self.graceMilliseconds) {
        case nil: #expect(theirs == .unknown)
        case .inUse: #expect(theirs == .inUse)
        case .notYet(let left): #expect(theirs == .notYet(left))
        case .remove:
            #expect(theirs == .removed)
            guard Bool.random(using: &random) else { return }
            try await test.store.endRemoval(of: hash)
            model.endRemoval(hash)
        }
    }

    /// Nil: none.
    func difference() async throws -> String? {
        for id in ids {
            guard let mine = model.files[id.model], !mine.isDeleted else { continue }
            let theirs = try await test.store.file(id.real).status.rawValue
            if theirs != mine.status.rawValue { return "\(id.model) is \(mine.status) and \(theirs)" }
        }
        for attempt in attempts.suffix(6) {
            let mine = model.holds(attempt.model, file: ids[attempt.file].model)
            if try await test.store.holds(attempt.real, file: ids[attempt.file].real) != mine { return "\(ids[attempt.file].model) holds: \(mine)" }
        }
        for content in model.contents {
            let mine = model.isKnown(content.address.hash)
            if try await test.store.isKnown(payload: content.address.hash) != mine { return "\(content.address) is known: \(mine)" }
        }
        let garbage = model.messages.count { if case .garbage = $0.message { true } else { false } }
        let theirs = (
            try await test.messages(CasGarbageCommand.self, to: FileQueues.garbage).count,
            try await test.messages(FileIngestCommand.self, to: FileQueues.ingest).count
        )
        return theirs == (garbage, model.messages.count - garbage) ? nil : "messages: \(garbage) of \(model.messages.count) and \(theirs)"
    }
}
