internal import ContentStore
internal import SpindleText

/// `refs/<routing>/<revision>/<name>.json`.
struct FileRef: Codable, Hashable {
    var fileId: String
    var routingId: String
    var revision: Int
    var logicalName: String
    var logicalPath: String
    var algorithm: String
    var hash: String
    /// Below the store's root.
    var payload: String
    var size: Int64

    init(_ file: RoutingFile, _ address: ContentAddress) {
        fileId = file.id
        routingId = file.routingId
        revision = file.revision
        logicalName = file.logicalName
        logicalPath = file.logicalPath
        algorithm = ContentAddress.algorithm
        hash = address.hash
        payload = address.payload
        size = file.size ?? 0
    }
}

/// `refs/<routing>/<revision>/<name>.meta.json`: what was known of the file when it was committed.
struct FileMeta: Codable, Hashable {
    var cas: String
    var payload: String
    var size: Int64
    var sha256: String
    var md5: String
    var chunkBytes: Int64
    var chunkCount: Int
    var store: String
    var storeAnswer: String
    var uploader: String
    var uploadSessionId: String
    var scan: ScanVerdict?
    var stagedAt: Timestamp?

    init(_ file: RoutingFile, _ address: ContentAddress, store: String, storeAnswer: String, chunkCount: Int) {
        cas = address.description
        payload = address.payload
        size = file.size ?? 0
        sha256 = address.hash
        md5 = file.md5 ?? ""
        chunkBytes = ChunkGrid.chunkBytes
        self.chunkCount = chunkCount
        self.store = store
        self.storeAnswer = storeAnswer
        uploader = file.uploader
        uploadSessionId = file.id
        scan = file.verdict
        stagedAt = file.stagedAt
    }
}

extension RefPlace {
    init(_ file: RoutingFile) { self.init(routing: file.routingId, revision: file.revision, logicalName: file.logicalName) }
}
