package import ContentStore
internal import Digests
package import MCMS

/// Puts a file where people look for it: on the share, under its logical path.
package struct SharePublisher: Sendable {
    package enum Outcome: Hashable, Sendable {
        case published
        /// The same bytes lie there.
        case wasThere
        /// Another file lies there, which nobody here has put there: it is left alone.
        case occupied
    }

    /// The share is not there now; nothing was done.
    package struct Unavailable: Error, CustomStringConvertible {
        package let description: String
    }

    private let root: String
    private let identity: ShareIdentity?

    package init(root: String, identity: ShareIdentity? = nil) {
        self.root = root
        self.identity = identity
    }

    /// - Parameter replaceable: the digests of the versions of this file that were put there before; they may be replaced.
    /// - Throws: ``Unavailable`` where another try may do better, also of a target that a program holds open.
    package func publish(
        _ payload: StagedFile, bytes: Int64, sha256: String, at path: String, file id: String, replaceable: Set<String>
    ) async throws -> Outcome {
        if let problem = identity?.problem() { throw Unavailable(description: "the share is not there: \(problem)") }
        let root = root
        return try await Blocking.run {
            do {
                return try Self.publish(payload, bytes: bytes, sha256: sha256, at: path, file: id, replaceable: replaceable, below: root)
            } catch let error as StoreFolderError where error.isBusy || error.isFull {
                throw Unavailable(description: "the share does not take the file now: \(error)")
            }
        }
    }

    private static func publish(
        _ payload: StagedFile, bytes: Int64, sha256: String, at path: String, file id: String, replaceable: Set<String>, below root: String
    ) throws -> Outcome {
        let share: DiskFolder
        do throws(StoreFolderError) {
            share = try DiskFolder(existing: root)
        } catch {
            throw Unavailable(description: "the share is not there: \(error)")
        }
        var replaces = false
        if let present = try share.facts(path) {
            // Of another size, and nothing of ours was there before: no need to read it.
            guard !present.isFolder, present.bytes == bytes || !replaceable.isEmpty else { return .occupied }
            let digest = Hexadecimal.text(try share.digest(path)?.sha256 ?? [])
            if digest == sha256, present.bytes == bytes { return .wasThere }
            guard replaceable.contains(digest) else { return .occupied }
            replaces = true
        }
        let folder = DiskFolder.parent(of: path)
        try share.makeFolder(folder)
        let temporary = (folder.isEmpty ? "" : folder + "/") + ".spindle-\(id).part"
        try write(payload, bytes: bytes, to: temporary, on: share)
        // Where nothing lay, something may have come since: the name is taken only where it is free.
        guard try share.rename(temporary, to: path, replacing: replaces) else {
            try share.remove(temporary)
            return .occupied
        }
        try share.syncFolder(folder)
        return .published
    }

    /// The file is closed when this returns: a server of SMB renames none that is open.
    private static func write(_ payload: StagedFile, bytes: Int64, to path: String, on share: DiskFolder) throws {
        let copy = try share.create(path)
        try copy.copy(from: payload, at: 0, to: 0, bytes: bytes)
        try copy.sync()
    }
}
