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
    package func publish(
        _ payload: StagedFile, bytes: Int64, sha256: String, at path: String, file id: String, replaceable: Set<String>
    ) async throws -> Outcome {
        if let problem = identity?.problem() { throw Unavailable(description: "the share is not there: \(problem)") }
        let root = root
        return try await Blocking.run {
            let share: DiskFolder
            do throws(StoreFolderError) {
                share = try DiskFolder(existing: root)
            } catch {
                throw Unavailable(description: "the share is not there: \(error)")
            }
            var replaces = false
            if let present = try share.facts(path) {
                guard !present.isFolder else { return .occupied }
                let digest = Hexadecimal.text(try share.digest(path)?.sha256 ?? [])
                if digest == sha256, present.bytes == bytes { return .wasThere }
                guard replaceable.contains(digest) else { return .occupied }
                replaces = true
            }
            let folder = DiskFolder.parent(of: path)
            try share.makeFolder(folder)
            let temporary = (folder.isEmpty ? "" : folder + "/") + ".spindle-\(id).part"
            let copy = try share.create(temporary)
            try copy.copy(from: payload, at: 0, to: 0, bytes: bytes)
            try copy.sync()
            // Where nothing lay, something may have come since: the name is taken only where it is free.
            guard try share.rename(temporary, to: path, replacing: replaces) else {
                try share.remove(temporary)
                return .occupied
            }
            try share.syncFolder(folder)
            return .published
        }
    }
}
