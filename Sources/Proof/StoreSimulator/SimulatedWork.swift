internal import ContentStore

/// What one worker is at: a message of the catalogue, step by step. Between two steps anything may happen.
struct SimulatedWork {
    let message: SimulatedCatalog.Message
    let id: Int
    private var stage: Stage
    private let isShareAway: Bool

    private enum Stage {
        case start(String)
        case compare(SimulatedCatalog.File)
        case commit(FileCommit, SimulatedCommit)
        case tidy(String)
        /// The ref of a file's name; then the removal of a payload.
        case mend(Mending, then: String?)
        case remove(Removal, String)
    }

    private struct Mending {
        enum Step { case claim, write, endClaim }
        let file: String
        var step = Step.claim
        var attempt = 0
    }

    private enum Removal { case begin, removeBytes, end }

    enum Progress: Equatable {
        case more
        /// The message is settled.
        case done
        /// It comes again.
        case again(String)
        /// It comes again, and no attempt is used up.
        case postponed(String)
    }

    init(_ message: SimulatedCatalog.Message, id: Int, isShareAway: Bool, isDead: Bool) {
        (self.message, self.id, self.isShareAway) = (message, id, isShareAway)
        switch message {
        case .ingest(let file): stage = isDead ? .tidy(file) : .start(file)
        case .garbage(let hash, nil): stage = .remove(.begin, hash)
        case .garbage(let hash, let deleted?): stage = .mend(Mending(file: deleted), then: hash)
        }
    }

    /// The content that the next step claims.
    var wants: Int? { if case .commit(let commit, let target) = stage, commit.next == .claim { target.file.content } else { nil } }

    /// What the next step is, for people.
    var description: String {
        switch (message, stage) {
        case (.ingest(let file), .start): "\(file) start"
        case (.ingest(let file), .compare): "\(file) compare"
        case (.ingest(let file), .commit(let commit, _)): "\(file) \(commit.next?.rawValue ?? "end")"
        case (.ingest(let file), .tidy): "\(file) tidy"
        case (_, .mend(let mending, _)): "\(mending.file) mend: \(mending.step)"
        case (_, .remove(let removal, let hash)): "payload \(hash.prefix(4)) \(removal)"
        case (.garbage, _): "garbage"
        }
    }

    mutating func step(_ stores: SimulatedStores, graceMilliseconds: Int64) async throws -> Progress {
        let catalog = stores.catalog
        switch stage {
        case .start(let id):
            switch catalog.start(id) {
            case .settled: stage = .tidy(id)
            case .go(let file): stage = .compare(file)
            }
        case .compare(let file):
            catalog.markIngesting(file.id)
            let content = catalog.contents[file.content]
            let staged = file.isSame ? nil : try stores.folder.read(SimulatedStores.staged(file.id), bytesMax: .max)
            if try (staged ?? stores.folder.read(content.address.payload, bytesMax: .max)) == content.bytes {
                stage = .commit(FileCommit(), SimulatedCommit(file: file, stores: stores, message: id, isShareAway: isShareAway))
            } else {
                catalog.missing(file.id)
                stage = .mend(Mending(file: file.id), then: nil)
            }
        case .commit(var commit, var target):
            switch try await commit.advance(&target) {
            case nil: stage = .commit(commit, target)
            case .committed: return .done
            case .retry(let reason): return .again(reason)
            case .postpone(let reason), .busy(let reason): return .postponed(reason)
            }
        case .tidy(let id):
            if !catalog.isOpen(id) { try stores.removeStaged(id) }
            stage = .mend(Mending(file: id), then: nil)
        case .mend(let mending, let hash): return try mend(mending, then: hash, stores)
        case .remove(let removal, let hash): return try remove(removal, hash, stores, graceMilliseconds)
        }
        return .more
    }

    private mutating func mend(_ mending: Mending, then hash: String?, _ stores: SimulatedStores) throws -> Progress {
        var mending = mending
        switch mending.step {
        case .claim:
            switch stores.catalog.claimPlace(mending.file) {
            case .granted(let attempt): (mending.attempt, mending.step) = (attempt, .write)
            case .ended: return end(then: hash)
            case .taken, .collected: return .postponed("its place is taken")
            }
        case .write:
            guard stores.catalog.holdsPlace(mending.attempt, of: mending.file) else { return .postponed("its place was taken meanwhile") }
            if let name = stores.catalog.files[mending.file]?.name { try stores.mend(name) }
            mending.step = .endClaim
        case .endClaim:
            return stores.catalog.endClaim(mending.attempt, of: mending.file) ? end(then: hash) : .postponed("its place was taken meanwhile")
        }
        stage = .mend(mending, then: hash)
        return .more
    }

    private mutating func end(then hash: String?) -> Progress {
        guard let hash else { return .done }
        stage = .remove(.begin, hash)
        return .more
    }

    private mutating func remove(_ removal: Removal, _ hash: String, _ stores: SimulatedStores, _ grace: Int64) throws -> Progress {
        guard let address = ContentAddress(hash: hash) else { return .done }
        switch removal {
        case .begin:
            switch stores.catalog.beginRemoval(hash, graceMilliseconds: grace) {
            case nil, .inUse: return .done
            case .notYet: return .postponed("its grace is not over")
            case .remove: stage = .remove(.removeBytes, hash)
            }
        case .removeBytes:
            try stores.payloads.remove(address)
            stage = .remove(.end, hash)
        case .end:
            stores.catalog.endRemoval(hash)
            return .done
        }
        return .more
    }
}
