package import ContentStore
internal import NIOCore

/// What a store said of a payload that it has now.
package struct StoreReceipt: Hashable, Sendable {
    /// Nothing was written: the payload was there, and has been read and compared.
    package var wasThere: Bool
    /// For the audit: what the store answered, such as its ETag.
    package var answer: String
}

/// Where payloads are kept: in a folder, or in an object store.
package protocol PayloadStore: Sendable {
    /// For audits and `meta.json`, such as `local` or `s3 http://…/bucket`.
    var name: String { get }
    /// Stores the staged file of an upload, whose bytes the caller has just seen to have this digest, and sees that it is whole there.
    func put(upload: String, as address: ContentAddress, bytes: Int64) async throws -> StoreReceipt
    /// Nil: there is none.
    func facts(of address: ContentAddress) async throws -> PayloadFacts?
    /// Reads all of it. False: it is not there, or its bytes are others.
    func verify(_ address: ContentAddress) async throws -> Bool
    func remove(_ address: ContentAddress) async throws
    func all() async throws -> [ContentAddress]
    /// Nil: there is none.
    func open(_ address: ContentAddress) async throws -> (any PayloadBytes)?
}

/// What a store knows of a payload without reading it.
package struct PayloadFacts: Hashable, Sendable {
    package var bytes: Int64
    /// Milliseconds since 1970; nil where the store does not say it.
    package var storedAt: Int64?

    package init(bytes: Int64, storedAt: Int64?) {
        self.bytes = bytes
        self.storedAt = storedAt
    }
}

/// The store does not answer, or refuses everything as it is set up, or is full: no fault of any file. What needs it waits.
package struct PayloadStoreUnavailable: Error, Hashable, CustomStringConvertible {
    package let reason: String
    package var description: String { "the store can't be used: \(reason)" }

    package init(reason: String) { self.reason = reason }
}

/// A store that keeps its hands on a folder.
package struct LocalPayloadStore: PayloadStore {
    private let folder: DiskFolder
    private let payloads: LocalPayloads

    package init(_ folder: DiskFolder) {
        self.folder = folder
        payloads = LocalPayloads(folder)
    }

    package var name: String { "local" }

    package func put(upload: String, as address: ContentAddress, bytes: Int64) async throws -> StoreReceipt {
        let payloads = payloads
        return try await Blocking.run {
            let stored = try payloads.store(staged: StagingArea.path(of: upload), as: address)
            guard stored.facts.bytes == bytes else {
                throw StoreFolderError(
                    operation: "verify", path: address.payload, reason: "it has \(stored.facts.bytes) bytes, expected \(bytes)")
            }
            let inode = stored.added == .moved ? " inode=\(stored.facts.identity)" : ""
            return StoreReceipt(wasThere: stored.added == .wasThere, answer: "size=\(bytes)\(inode) sha256=\(address.hash)")
        }
    }

    package func facts(of address: ContentAddress) async throws -> PayloadFacts? {
        let payloads = payloads
        return try await Blocking.run { try payloads.facts(address) }.map { PayloadFacts(bytes: $0.bytes, storedAt: $0.modifiedAt) }
    }

    package func verify(_ address: ContentAddress) async throws -> Bool {
        let payloads = payloads
        return try await Blocking.run { try payloads.verify(address) }
    }

    package func remove(_ address: ContentAddress) async throws {
        let payloads = payloads
        try await Blocking.run { try payloads.remove(address) }
    }

    package func all() async throws -> [ContentAddress] {
        let payloads = payloads
        return try await Blocking.run { try payloads.all() }
    }

    package func open(_ address: ContentAddress) async throws -> (any PayloadBytes)? {
        let folder = folder
        return try await Blocking.run { try StagedFile.open(payload: address, in: folder) }
    }
}
