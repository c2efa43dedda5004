package import SpindleText

package enum RoutingFileStatus: String, Codable, CaseIterable, Sendable {
    /// Bytes are missing.
    case uploading
    /// All bytes are here, and their digests are known.
    case staged
    case scanning
    /// The scanner found something in it, or could not scan it. An operator decides.
    case quarantined
    case ingesting
    /// In the store and on the share.
    case committed
    /// What is here is not what was sent, or it could not be stored.
    case invalid
}

/// A file of a routing.
package struct RoutingFile: Codable, Hashable, Sendable {
    package var id: String
    package var routingId: String
    package var revision: Int
    /// Unique in its revision, as Windows compares names. It may have folders: `op10/A.nc`.
    package var logicalName: String
    /// Where it is published, below the share's root.
    package var logicalPath: String
    /// Nil while the client has not said it.
    package var size: Int64?
    package var receivedBytes: Int64
    package var status: RoutingFileStatus
    /// Why it is quarantined or invalid, or what it waits for.
    package var reason: String?
    package var sha256: String?
    package var md5: String?
    package var verdict: ScanVerdict?
    package var uploader: String
    /// Where it lies on the share now; nil: not there.
    package var sharePath: String?
    package var retryCount: Int
    package var correlationId: String
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var stagedAt: Timestamp?
    package var committedAt: Timestamp?
    /// When an upload that stands still is given up.
    package var expiresAt: Timestamp?
}

/// What a scanner said of a file, and of how much of it.
package struct ScanVerdict: Codable, Hashable, Sendable {
    package enum Outcome: String, Codable, Sendable {
        case clean, infected
        /// The scanner cannot look at all of it: too large, encrypted, too deep.
        case notScannable
        /// Switched off in the description.
        case notScanned
        /// An operator decided.
        case released
    }

    package var outcome: Outcome
    /// What was found, or why it could not be scanned.
    package var detail: String?
    package var engine: String?
    package var scannedBytes: Int64
    package var totalBytes: Int64
    package var scannedAt: Timestamp

    package init(
        _ outcome: Outcome, detail: String? = nil, engine: String? = nil, scannedBytes: Int64, totalBytes: Int64, scannedAt: Timestamp
    ) {
        self.outcome = outcome
        self.detail = detail
        self.engine = engine
        self.scannedBytes = scannedBytes
        self.totalBytes = totalBytes
        self.scannedAt = scannedAt
    }
}

/// What is written before a file's `meta.json`, and never changed.
package struct IntegrityAudit: Codable, Hashable, Sendable {
    package enum Verdict: String, Codable, Sendable {
        case committed, mismatch, missing, failed
    }

    package var id: Int64
    package var fileId: String
    package var routingId: String
    package var hash: String
    package var algorithm: String
    package var chunkCount: Int
    package var uploader: String
    package var uploadSessionId: String
    /// What the store said of the payload.
    package var storeAnswer: String
    package var scan: ScanVerdict?
    package var verdict: Verdict
    package var detail: String?
    package var time: Timestamp
}

/// A request about a file that is refused. It has changed nothing.
package enum FileError: Error, Hashable, CustomStringConvertible {
    case noSuchUpload(String)
    case noSuchFile(String)
    case invalid(field: String, problem: String)
    case tooLarge(bytes: Int64, max: Int64)
    /// Bytes that the upload needs and the disk does not have.
    case noRoom(needed: Int64, available: Int64, folder: String)
    /// The principal has so many uploads under way that more are not taken.
    case tooManyUploads(max: Int)
    case offsetConflict(offset: Int64)
    case digestMismatch(detail: String)
    /// Another request writes this upload now.
    case superseded
    case wrongState(status: RoutingFileStatus, problem: String)
    case notPermitted(String)

    package var description: String {
        switch self {
        case .noSuchUpload(let id): "There is no upload “\(id.prefix(100))”: it was never created, has expired, or was deleted."
        case .noSuchFile(let id): "There is no file “\(id.prefix(100))”."
        case .invalid(let field, let problem): "“\(field)” \(problem)."
        case .tooLarge(let bytes, let max): "The file has \(bytes) bytes, and \(max) is the most."
        case .noRoom(let needed, let available, let folder):
            "The file needs \(needed) bytes in \(folder), and \(available) are free there beside what other uploads will take."
        case .tooManyUploads(let max): "This login has \(max) uploads that are not complete, and more are not taken."
        case .offsetConflict(let offset): "The upload goes on at byte \(offset)."
        case .digestMismatch(let detail): detail
        case .superseded: "Another request has taken this upload over."
        case .wrongState(let status, let problem): "The file is \(status.rawValue): \(problem)."
        case .notPermitted(let problem): problem
        }
    }
}
