internal import ContentStore

/// The store, the refs and the catalogue, as one worker's process uses them.
struct SimulatedStores {
    let catalog: SimulatedCatalog
    let folder: SimulatedFolder
    let payloads: LocalPayloads
    let refs: RefFolder

    init(catalog: SimulatedCatalog, folder: SimulatedFolder) {
        self.catalog = catalog
        self.folder = folder
        payloads = LocalPayloads(folder)
        refs = RefFolder(folder)
    }

    static func staged(_ file: String) -> String { "staging/\(file)/payload" }
    static func place(_ name: String) -> RefPlace { RefPlace(routing: "r", revision: 0, logicalName: name) }

    func removeStaged(_ file: String) throws {
        try folder.remove(Self.staged(file))
        try folder.remove("staging/\(file)")
    }

    /// Makes a name's ref say what the catalogue says.
    func mend(_ name: String) throws {
        let place = Self.place(name)
        guard let current = catalog.current(name) else { return try refs.remove(place) }
        let ref = SimulatedRef(file: current.id, hash: catalog.hash(current))
        if try refs.ref(place) == ref.bytes, try refs.meta(place) == ref.bytes { return try refs.withdraw(place) }
        try refs.writeMeta(place, ref.bytes)
        try refs.commit(place, ref.bytes)
    }
}

/// One file's commit, on simulated stores.
struct SimulatedCommit: CommitStores {
    let file: SimulatedCatalog.File
    let stores: SimulatedStores
    let message: Int
    /// The share is away in this attempt.
    let isShareAway: Bool

    private var address: ContentAddress { stores.catalog.contents[file.content].address }
    private var place: RefPlace { SimulatedStores.place(file.name) }
    private var ref: [UInt8] { SimulatedRef(file: file.id, hash: address.hash).bytes }

    func claim() async throws -> Claim { stores.catalog.claim(file.id, message: message) }
    func holds(_ attempt: Int) async throws -> Bool { stores.catalog.holds(attempt, file: file.id) }

    func storePayload() async throws -> CommitAnswer {
        if file.isSame {
            return try stores.payloads.facts(address) == nil ? .retry(reason: "its payload was removed meanwhile") : .done
        }
        _ = try stores.payloads.store(staged: SimulatedStores.staged(file.id), as: address)
        return .done
    }

    func announce() async throws { try stores.refs.announce(place, ref) }
    func audit() async throws { stores.catalog.audit(file.id) }
    func writeMeta() async throws { try stores.refs.writeMeta(place, ref) }
    func writeRef() async throws { try stores.refs.commit(place, ref) }
    func publish() async throws -> CommitAnswer { isShareAway ? .postpone(reason: "the share is not there") : .done }
    func record(_ attempt: Int) async throws -> Bool { stores.catalog.record(file.id, attempt: attempt) }
    func removeStaged() async throws { try stores.removeStaged(file.id) }
}
