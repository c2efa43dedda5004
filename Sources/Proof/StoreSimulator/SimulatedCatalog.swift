package import ContentStore

/// What the database knows of files, in memory. Each method is one transaction: it survives every loss of power, whole.
///
/// It stands for `FilesStore`, whose statements do the same in SQL: a test of both does the same things to both, and compares what they say.
/// When a payload may be removed is decided by the same ``RemovalRule``.
package final class SimulatedCatalog {
    package enum Status: String {
        case uploading, staged, ingesting, committed, invalid
    }

    package struct File {
        package let id: String
        package let name: String
        package let content: Int
        package internal(set) var status = Status.uploading
        /// Its bytes did not come: the store had them.
        var isSame = false
        package internal(set) var isSuperseded = false
        package internal(set) var isDeleted = false
        var hasUpload = true
        var isAudited = false

        var isCurrent: Bool { status == .committed && !isSuperseded && !isDeleted }
    }

    struct Payload {
        var isBeingRemoved = false
        var orphanedAt: Int64?
    }

    struct PlaceClaim {
        var file: String
        /// 0: none.
        var message: Int
        var attempt: Int
        var claimedAt: Int64
    }

    package enum Message: Hashable {
        case ingest(file: String)
        case garbage(hash: String, deleted: String?)
    }

    package enum Start {
        case go(File)
        case settled
    }

    /// A mender's claim ends by itself after so long, where its process ended.
    static let mendingMilliseconds: Int64 = 60_000

    package let contents: [SimulatedContent]
    package private(set) var files: [String: File] = [:]
    private(set) var payloads: [String: Payload] = [:]
    private(set) var pins: Set<[String]> = []
    private(set) var claims: [String: PlaceClaim] = [:]
    package private(set) var messages: [(id: Int, message: Message)] = []
    private var nextNumber = 1
    /// A payload whose removal began before its grace was over; nil: none.
    private(set) var tooEarly: String?
    /// Milliseconds.
    package var now: Int64 = 1_000_000

    package init(contents: [SimulatedContent]) {
        self.contents = contents
    }

    private func number() -> Int {
        nextNumber += 1
        return nextNumber
    }

    private func send(_ message: Message) { messages.append((number(), message)) }
    package func acknowledge(_ id: Int) { messages.removeAll { $0.id == id } }
    func hash(_ file: File) -> String { contents[file.content].address.hash }

    // MARK: Uploads

    package func create(name: String, content: Int) -> File {
        let file = File(id: "f\(number())", name: name, content: content)
        files[file.id] = file
        return file
    }

    /// Whether the store has these bytes, in a file that somebody may read.
    package func hasPayload(_ content: Int) -> Bool {
        guard let payload = payloads[contents[content].address.hash], !payload.isBeingRemoved else { return false }
        return files.values.contains { $0.content == content && $0.status == .committed && !$0.isDeleted }
    }

    package func stage(_ id: String, isSame: Bool) {
        guard var file = files[id], file.status == .uploading, !file.isDeleted else { return }
        file.status = .staged
        file.isSame = isSame
        files[id] = file
        send(.ingest(file: id))
    }

    package func delete(_ id: String) {
        guard var file = files[id], !file.isDeleted, file.status != .ingesting else { return }
        let wasCommitted = file.status == .committed
        file.isDeleted = true
        file.hasUpload = false
        files[id] = file
        if wasCommitted {
            claims = claims.filter { $0.value.file != id }
            pins.insert([hash(file), id])
            orphan(file, isDeleted: true)
        }
    }

    // MARK: Ingest

    package func start(_ id: String) -> Start {
        guard let file = files[id], isIngestible(file) else { return .settled }
        return .go(file)
    }

    private func isIngestible(_ file: File) -> Bool {
        !file.isDeleted && file.hasUpload && [.staged, .ingesting, .invalid].contains(file.status)
    }

    package func markIngesting(_ id: String) {
        if files[id]?.status == .staged { files[id]?.status = .ingesting }
    }

    package func missing(_ id: String) {
        guard files[id]?.isDeleted == false, files[id]?.status != .committed else { return }
        files[id]?.status = .uploading
        files[id]?.isSame = false
    }

    /// Its message died: its uploader is asked for it again.
    package func giveUp(_ id: String) {
        guard let file = files[id], isIngestible(file) else { return }
        files[id]?.status = .invalid
        files[id]?.hasUpload = false
    }

    package func audit(_ id: String) { files[id]?.isAudited = true }

    package func record(_ id: String, attempt: Int) -> Bool {
        guard var file = files[id], file.status != .committed, holds(attempt, file: id) else { return false }
        let hash = hash(file)
        payloads[hash, default: Payload()].orphanedAt = nil
        let before = files.values.filter { $0.isCurrent && $0.name == file.name && $0.id != id }.sorted { $0.id < $1.id }
        file.status = .committed
        files[id] = file
        for before in before {
            files[before.id]?.isSuperseded = true
            orphan(before, isDeleted: false)
        }
        endClaims(of: id)
        return true
    }

    private func orphan(_ file: File, isDeleted: Bool) {
        let hash = hash(file)
        let isLast = references(to: hash) == 0
        if isLast { payloads[hash]?.orphanedAt = now }
        if isLast || isDeleted { send(.garbage(hash: hash, deleted: isDeleted ? file.id : nil)) }
    }

    private func references(to hash: String) -> Int { files.values.count { $0.isCurrent && self.hash($0) == hash } }

    package func current(_ name: String) -> File? { files.values.first { $0.isCurrent && $0.name == name } }

    func isOpen(_ id: String) -> Bool { files[id].map { $0.hasUpload && $0.status != .committed } ?? false }

    // MARK: Claims

    package func claim(_ id: String, message: Int) -> Claim {
        guard let file = files[id], isIngestible(file) else { return .ended }
        if payloads[hash(file)]?.isBeingRemoved == true { return .collected }
        guard let attempt = claimPlace(of: file, by: message) else { return .taken }
        pins.insert([hash(file), id])
        return .granted(attempt: attempt)
    }

    private func isPinned(by id: String) -> Bool { pins.contains { $0[1] == id } }

    /// Only the place of a file that has ended, to mend its ref.
    package func claimPlace(_ id: String) -> Claim {
        guard let file = files[id], !isIngestible(file) else { return .ended }
        if claims[file.name]?.file == id { claims[file.name]?.message = 0 }
        return claimPlace(of: file, by: 0).map { .granted(attempt: $0) } ?? .taken
    }

    private func claimPlace(of file: File, by message: Int) -> Int? {
        if let claim = claims[file.name], claim.file != file.id || ![0, message].contains(claim.message) {
            guard claim.claimedAt < now - Self.mendingMilliseconds, files[claim.file].map(isIngestible) == false else { return nil }
        }
        let attempt = number()
        claims[file.name] = PlaceClaim(file: file.id, message: message, attempt: attempt, claimedAt: now)
        return attempt
    }

    func holdsPlace(_ attempt: Int, of id: String) -> Bool { claims.values.contains { $0.file == id && $0.attempt == attempt } }

    /// False: it was lost.
    package func endClaim(_ attempt: Int, of id: String) -> Bool {
        guard claims.values.contains(where: { $0.file == id && $0.attempt == attempt }) else { return false }
        endClaims(of: id)
        return true
    }

    package func holds(_ attempt: Int, file id: String) -> Bool {
        isPinned(by: id) && claims.values.contains { $0.file == id && $0.attempt == attempt }
    }

    private func endClaims(of id: String) {
        pins = pins.filter { $0[1] != id }
        claims = claims.filter { $0.value.file != id }
    }

    // MARK: Garbage

    package func beginRemoval(_ hash: String, graceMilliseconds: Int64) -> RemovalRule.Verdict? {
        guard let payload = payloads[hash] else { return nil }
        let facts = RemovalRule.Facts(
            isBeingRemoved: payload.isBeingRemoved, references: references(to: hash), claims: pins.count { $0[0] == hash },
            orphanedAt: payload.orphanedAt)
        let verdict = RemovalRule.verdict(facts, now: now, graceMilliseconds: graceMilliseconds)
        if verdict == .remove, !payload.isBeingRemoved {
            payloads[hash]?.isBeingRemoved = true
            // Checked here once more, in other words.
            if payload.orphanedAt.map({ $0 + graceMilliseconds > now }) ?? true { tooEarly = hash }
        }
        return verdict
    }

    func isOrphan(_ content: Int) -> Bool {
        let payload = payloads[contents[content].address.hash]
        return payload?.isBeingRemoved == true || payload?.orphanedAt != nil
    }

    package func isKnown(_ hash: String) -> Bool { payloads[hash] != nil || pins.contains { $0[0] == hash } }

    /// Makes a payload that the catalogue does not know one that nobody refers to, and asks to collect it.
    package func adopt(stray hash: String, graceMilliseconds: Int64) {
        guard !isKnown(hash) else { return }
        payloads[hash] = Payload(orphanedAt: now - graceMilliseconds)
        send(.garbage(hash: hash, deleted: nil))
    }

    package func endRemoval(_ hash: String) {
        if payloads[hash]?.isBeingRemoved == true { payloads[hash] = nil }
    }
}
