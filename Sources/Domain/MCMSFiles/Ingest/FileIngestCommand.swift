internal import ContentStore
internal import Digests

/// Asks for a staged file's ingest: the payload of `FileIngestCommand` on `file-ingest` and `storage-retry`.
package struct FileIngestCommand: Codable, Hashable, Sendable {
    package struct Chunk: Codable, Hashable, Sendable {
        package var index: Int
        package var size: Int64
        /// SHA-256, 64 hexadecimal digits.
        package var hash: String?
        /// What an object store calls the chunk; not needed.
        package var etag: String?
    }

    /// SHA-256 of the whole file.
    package var casHash: String
    package var chunks: [Chunk]
    package var resumeToken: String
    package var logicalPath: String
    package var logicalName: String?
    package var routingId: String
    package var revision: Int
    package var size: Int64
    package var uploader: String?
    /// The file's id.
    package var uploadSessionId: String
    package var retryCount: Int?

    init(_ file: RoutingFile, _ upload: UploadRecord, chunks digests: [Int: [UInt8]]) {
        let grid = ChunkGrid(bytes: file.size ?? 0)
        casHash = file.sha256 ?? ""
        chunks = (0..<grid.count).map { Chunk(index: $0, size: grid.bytes(of: $0), hash: digests[$0].map(Hexadecimal.text)) }
        resumeToken = upload.resumeToken
        logicalPath = file.logicalPath
        logicalName = file.logicalName
        routingId = file.routingId
        revision = file.revision
        size = file.size ?? 0
        uploader = file.uploader
        uploadSessionId = file.id
        retryCount = file.retryCount
    }
}

/// What is to be sent again: the payload of `MissingPartsCommand` on `missingParts`.
package struct MissingPartsCommand: Codable, Hashable, Sendable {
    package struct Part: Codable, Hashable, Sendable {
        package var index: Int
        package var offset: Int64
        package var size: Int64
        package var hash: String?
    }

    package var resumeToken: String
    package var uploadSessionId: String
    package var routingId: String
    package var parts: [Part]
}
