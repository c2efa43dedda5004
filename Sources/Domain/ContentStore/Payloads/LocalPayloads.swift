internal import Digests

/// The content-addressed payloads of a folder.
///
/// A payload appears under its name only when its bytes are on the disk and were seen to have that digest, and its bytes never change.
package struct LocalPayloads: Sendable {
    package enum Added: String, Sendable {
        case moved, wasThere
    }

    private let folder: any StoreFolder

    package init(_ folder: any StoreFolder) {
        self.folder = folder
    }

    /// Moves a staged file in, whose bytes the caller has just seen to have this digest.
    ///
    /// Where the payload is there already, its bytes are read and compared with its name, and the staged file is left to the caller. One
    /// that does not have its name's digest is set aside (`payload.damaged`), and the staged file takes its place.
    package func add(staged path: String, as address: ContentAddress) throws(StoreFolderError) -> Added {
        try folder.makeFolder(address.folder)
        try folder.protect(path)
        try folder.sync(path)
        if try !folder.rename(path, to: address.payload, replacing: false) {
            if let present = try folder.digest(address.payload), present.sha256 == Hexadecimal.bytes(address.hash) {
                // The attempt that moved it there may have ended before this sync.
                try folder.syncFolder(address.folder)
                return .wasThere
            }
            _ = try folder.rename(address.payload, to: address.payload + ".damaged", replacing: true)
            _ = try folder.rename(path, to: address.payload, replacing: true)
        }
        try folder.syncFolder(address.folder)
        return .moved
    }

    /// What ``store(staged:as:)`` did.
    package struct Stored: Hashable, Sendable {
        package var added: Added
        package var facts: FileFacts
    }

    /// Stores a staged file whose bytes the caller has just seen to have this digest, and sees that it is there: by its name's inode where
    /// it was moved, by its bytes where it was there.
    package func store(staged path: String, as address: ContentAddress) throws(StoreFolderError) -> Stored {
        guard let before = try folder.facts(path) else {
            // Moved by an attempt that ended before it could say so; that one's bytes are looked at like anybody's.
            guard try verify(address), let facts = try facts(address) else {
                throw StoreFolderError(operation: "read", path: path, reason: "it is gone, and the store does not have it")
            }
            // That attempt may have ended before the name was durable.
            try folder.syncFolder(address.folder)
            return Stored(added: .wasThere, facts: facts)
        }
        let added = try add(staged: path, as: address)
        guard let after = try facts(address), added == .wasThere || (after.identity == before.identity && after.bytes == before.bytes) else {
            throw StoreFolderError(operation: "verify", path: address.payload, reason: "it is not the file that was moved there")
        }
        return Stored(added: added, facts: after)
    }

    /// Nil: there is none.
    package func facts(_ address: ContentAddress) throws(StoreFolderError) -> FileFacts? { try folder.facts(address.payload) }

    /// Reads all its bytes. False: it is not there, or they are others.
    package func verify(_ address: ContentAddress) throws(StoreFolderError) -> Bool {
        guard let present = try folder.digest(address.payload) else { return false }
        return present.sha256 == Hexadecimal.bytes(address.hash)
    }

    package func remove(_ address: ContentAddress) throws(StoreFolderError) {
        try folder.remove(address.payload)
        try folder.remove(address.payload + ".damaged")
        try folder.remove(address.folder)
    }

    /// The addresses of all payloads, also of folders that lost theirs.
    package func all() throws(StoreFolderError) -> [ContentAddress] {
        var found: [ContentAddress] = []
        let base = "cas/\(ContentAddress.algorithm)"
        for prefix in try folder.names(in: base) {
            for hash in try folder.names(in: base + "/" + prefix) {
                if let address = ContentAddress(hash: hash), address.prefix == prefix { found.append(address) }
            }
        }
        return found
    }
}
