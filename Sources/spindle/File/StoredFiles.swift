import ContentStore
import Digests
import Foundation
import NIOHTTP1

/// What a routing has stored already, so that a folder that is sent again sends only what is new.
struct StoredFiles: Sendable {
    /// Kept small: a routing may have very many files.
    struct File: Sendable {
        let id: String
        let path: String
        let bytes: Int64
        let sha256: String
        let md5: String?
    }

    private struct RemoteRouting: Decodable { let camRevision: Int }

    private let routing: String
    private let files: [String: File]

    init(of routing: String, revision: Int?, client: WebClient, patience: Duration) async throws {
        self.routing = routing
        let wanted: Int
        if let revision {
            wanted = revision
        } else {
            let found: RemoteRouting = try await client.persistently(patience: patience) { try await client.call(.GET, "/api/routings/\(routing.urlEncoded)") }
            wanted = found.camRevision
        }
        var files: [String: File] = [:]
        try await client.eachFile(of: routing, patience: patience) { file in
            guard file.status == "committed", file.revision == wanted, let bytes = file.size, let sha256 = file.sha256 else { return }
            files[file.logicalName] = File(id: file.id, path: file.logicalPath, bytes: bytes, sha256: sha256, md5: file.md5)
        }
        self.files = files
    }

    /// The same file, stored under the same name for the same place. Reads the source where name, place and size are the same.
    func file(like source: UploadSource, as target: String?) throws -> File? {
        guard let file = files[source.name], file.bytes == source.bytes, isPlace(file.path, target ?? "\(routing)/\(source.name)") else { return nil }
        return try Hexadecimal.text(LocalFile(path: source.path).wholeDigest(bytes: source.bytes)) == file.sha256 ? file : nil
    }

    /// Whether a path of the share is what the user called it. What the share is called, the server knows: a drive is taken for it.
    private func isPlace(_ path: String, _ wanted: String) -> Bool {
        let plain = wanted.replacing("\\", with: "/")
        guard plain.hasSuffix(path) else { return false }
        let root = plain.dropLast(path.count)
        return root.isEmpty || root.count == 3 && root.hasSuffix(":/")
    }
}

extension WebClient {
    private struct FileList: Decodable {
        let items: [RemoteFile]
        let nextCursor: String?
    }

    /// Hands on the files of a routing, or of all of them, page by page.
    func eachFile(of routing: String?, patience: Duration, _ body: (RemoteFile) throws -> Void) async throws {
        var cursor: String?
        repeat {
            var path = "/api/files?limit=500"
            if let routing { path += "&routingId=\(routing.urlEncoded)" }
            if let cursor { path += "&cursor=\(cursor)" }
            let list: FileList = try await persistently(patience: patience) { [path] in try await call(.GET, path) }
            for file in list.items { try body(file) }
            cursor = list.nextCursor
        } while cursor != nil
    }
}
