internal import ContentStore
internal import MCMS

/// What a file's commit does to the store, the refs, the share and the database.
struct IngestCommit: CommitStores {
    let file: RoutingFile
    let upload: UploadRecord
    let address: ContentAddress
    let digests: [Int: [UInt8]]
    let message: String
    let files: FilesStore
    let payloads: any PayloadStore
    let refs: RefFolder
    let staging: StagingArea
    let share: SharePublisher

    /// What the store said; nil before its step.
    private var receipt: StoreReceipt?
    private var shared: SharePublisher.Outcome?

    init(
        _ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress, _ digests: [Int: [UInt8]], message: String,
        files: FilesStore, payloads: any PayloadStore, refs: RefFolder, staging: StagingArea, share: SharePublisher
    ) {
        self.file = file
        self.upload = upload
        self.address = address
        self.digests = digests
        self.message = message
        self.files = files
        self.payloads = payloads
        self.refs = refs
        self.staging = staging
        self.share = share
    }

    private var bytes: Int64 { file.size ?? 0 }
    private var place: RefPlace { RefPlace(file) }

    func claim() async throws -> Claim { try await files.claim(address.hash, for: file.id, message: message) }
    func holds(_ attempt: Int) async throws -> Bool { try await files.holds(attempt, file: file.id) }

    mutating func storePayload() async throws -> CommitAnswer {
        if upload.sameAs != nil {
            // Its bytes were read in the step before. From the claim on it stays; before, it may have been collected.
            guard try await payloads.facts(of: address)?.bytes == bytes else { return .retry(reason: "its payload was removed meanwhile") }
            receipt = StoreReceipt(wasThere: true, answer: "size=\(bytes) sha256=\(address.hash)")
        } else {
            receipt = try await payloads.put(upload: file.id, as: address, bytes: bytes)
        }
        return .done
    }

    func announce() async throws {
        let (refs, place, ref) = (refs, place, try MCMSJSON.encode(FileRef(file, address)))
        try await Blocking.run { try refs.announce(place, ref) }
    }

    func audit() async throws {
        try await files.audit(file, upload, chunkCount: digests.count, answer: receipt?.answer ?? "", .committed)
    }

    func writeMeta() async throws {
        let meta = FileMeta(file, address, store: payloads.name, storeAnswer: receipt?.answer ?? "", chunkCount: digests.count)
        let (refs, place, bytes) = (refs, place, try MCMSJSON.encode(meta))
        try await Blocking.run { try refs.writeMeta(place, bytes) }
    }

    func writeRef() async throws {
        let (refs, place, ref) = (refs, place, try MCMSJSON.encode(FileRef(file, address)))
        try await Blocking.run { try refs.commit(place, ref) }
    }

    mutating func publish() async throws -> CommitAnswer {
        guard let payload = try await nearest() else { return .retry(reason: "the payload can't be read back") }
        do {
            shared = try await share.publish(
                payload, bytes: bytes, sha256: address.hash, at: file.logicalPath, file: file.id,
                replaceable: try await files.published(before: file))
            return .done
        } catch let error as SharePublisher.Unavailable {
            return .postpone(reason: error.description)
        }
    }

    /// The staged file, where the store has not taken it away: its bytes have just been compared. Else the payload.
    private func nearest() async throws -> (any PayloadBytes)? {
        let (staging, id) = (staging, file.id)
        if upload.sameAs == nil, let staged = try await Blocking.run({ try staging.open(id, forWriting: false) }) { return staged }
        return try await payloads.open(address)
    }

    func record(_ attempt: Int) async throws -> Bool {
        try await files.commit(file.id, attempt: attempt, digests, share: shared ?? .occupied)
    }

    func removeStaged() async throws {
        let (staging, id) = (staging, file.id)
        try await Blocking.run { try staging.remove(id) }
    }
}
