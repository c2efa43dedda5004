internal import ContentStore
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

    /// What is to be done at a place of the share.
    private enum Finding: Sendable {
        case nothing(Outcome)
        case copy(Copy)
    }

    private struct Copy: Sendable {
        let share: DiskFolder
        let folder: String
        let temporary: String
        /// An earlier version lies there.
        let replaces: Bool
    }

    /// - Parameter replaceable: the digests of the versions of this file that were put there before; they may be replaced.
    /// - Throws: ``Unavailable`` where another try may do better, also of a target that a program holds open.
    package func publish(
        _ payload: any PayloadBytes, bytes: Int64, sha256: String, at path: String, file id: String, replaceable: Set<String>
    ) async throws -> Outcome {
        if let problem = identity?.problem() { throw Unavailable(description: "the share is not there: \(problem)") }
        let root = root
        do {
            let finding = try await Blocking.run { try Self.look(bytes, sha256, path, id, replaceable, below: root) }
            switch finding {
            case .nothing(let outcome): return outcome
            case .copy(let copy):
                try await Self.write(payload, bytes, sha256, copy)
                return try await Blocking.run { try Self.place(copy, at: path) }
            }
        } catch let error as StoreFolderError where error.isBusy || error.isFull {
            throw Unavailable(description: "the share does not take the file now: \(error)")
        }
    }

    private static func look(
        _ bytes: Int64, _ sha256: String, _ path: String, _ id: String, _ replaceable: Set<String>, below root: String
    ) throws -> Finding {
        let share: DiskFolder
        do throws(StoreFolderError) {
            share = try DiskFolder(existing: root)
        } catch {
            throw Unavailable(description: "the share is not there: \(error)")
        }
        var replaces = false
        if let present = try share.facts(path) {
            // Of another size, and nothing of ours was there before: no need to read it.
            guard !present.isFolder, present.bytes == bytes || !replaceable.isEmpty else { return .nothing(.occupied) }
            let digest = Hexadecimal.text(try share.digest(path)?.sha256 ?? [])
            if digest == sha256, present.bytes == bytes { return .nothing(.wasThere) }
            guard replaceable.contains(digest) else { return .nothing(.occupied) }
            replaces = true
        }
        let folder = DiskFolder.parent(of: path)
        try share.makeFolder(folder)
        let temporary = (folder.isEmpty ? "" : folder + "/") + ".spindle-\(id).part"
        return .copy(Copy(share: share, folder: folder, temporary: temporary, replaces: replaces))
    }

    /// The file is closed when this returns: a server of SMB renames none that is open.
    private static func write(_ payload: any PayloadBytes, _ bytes: Int64, _ sha256: String, _ copy: Copy) async throws {
        let file = try await Blocking.run { try copy.share.create(copy.temporary) }
        try await file.take(payload, from: 0, at: 0, bytes: bytes)
        let isLocal = payload is StagedFile
        try await Blocking.run {
            try file.sync()
            // What came over a network may have changed on the way.
            if isLocal { return }
            guard Hexadecimal.text(try file.digest(from: 0, bytes: bytes)) != sha256 else { return }
            try copy.share.remove(copy.temporary)
            throw StoreFolderError(operation: "copy", path: payload.path, reason: "the bytes that the store sent have another digest than their name")
        }
    }

    private static func place(_ copy: Copy, at path: String) throws -> Outcome {
        // Where nothing lay, something may have come since: the name is taken only where it is free.
        guard try copy.share.rename(copy.temporary, to: path, replacing: copy.replaces) else {
            try copy.share.remove(copy.temporary)
            return .occupied
        }
        try copy.share.syncFolder(copy.folder)
        return .published
    }
}
