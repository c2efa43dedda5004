internal import ContentStore
internal import MCMS
internal import SQLStore

/// Makes a place's ref say what the database says, where a file ended that had written its ref and was never recorded, or that was deleted.
struct RefRepair: Sendable {
    let files: FilesStore
    let refs: RefFolder
    /// The name of the store, for `meta.json`.
    let store: String

    /// From the file's end on until this has returned true, its payload and the place of its ref stay claimed: a ref never names a payload
    /// that is gone.
    /// - Returns: false: another file of that name is being committed; it must be tried again.
    func mend(afterEndOf id: String) async throws -> Bool {
        guard let file = try await files.whoever(id) else { return true }
        let attempt: Int
        switch try await files.claim(placeOf: id) {
        case .granted(let number): attempt = number
        // Its bytes have come again: its next ingest writes the ref.
        case .ended: return true
        case .taken, .collected: return false
        }
        let (refs, place) = (refs, RefPlace(file))
        let current = try await files.current(at: file)
        if let current, let address = current.sha256.flatMap({ ContentAddress(hash: $0) }) {
            let audit = try await files.audits(of: current.id).last { $0.verdict == .committed }
            let ref = try MCMSJSON.encode(FileRef(current, address))
            let meta = try MCMSJSON.encode(
                FileMeta(current, address, store: store, storeAnswer: audit?.storeAnswer ?? "", chunkCount: audit?.chunkCount ?? 0))
            guard try await files.holdsPlace(attempt, of: id) else { return false }
            try await Blocking.run {
                // Else everything is as it was recorded.
                if try Self.owner(refs, place) == current.id, try Self.metaOwner(refs, place) == current.id { return try refs.withdraw(place) }
                try refs.writeMeta(place, meta)
                try refs.commit(place, ref)
            }
        } else {
            guard try await files.holdsPlace(attempt, of: id) else { return false }
            try await Blocking.run { try refs.remove(place) }
        }
        return try await files.endClaim(attempt, of: id)
    }

    private static func owner(_ refs: RefFolder, _ place: RefPlace) throws -> String? {
        try refs.ref(place).map { try MCMSJSON.decode(FileRef.self, from: $0).fileId }
    }

    private static func metaOwner(_ refs: RefFolder, _ place: RefPlace) throws -> String? {
        try refs.meta(place).map { try MCMSJSON.decode(FileMeta.self, from: $0).uploadSessionId }
    }
}
