package import SpindleText

package enum AddinJobStatus: String, Codable, CaseIterable, Sendable {
    /// Waits for an add-in.
    case created
    /// An add-in has said that it works on it.
    case leased
    case completed
    case failed

    /// Nothing that comes later changes it.
    package var isFinal: Bool {
        switch self {
        case .created, .leased: false
        case .completed, .failed: true
        }
    }
}

/// A file that a finished job left on the share, as it was found there.
package struct OutputFile: Codable, Hashable, Sendable {
    /// The logical path below the share's root, with `/` between its parts.
    package let path: String
    /// In bytes.
    package let size: Int64
    /// 64 hexadecimal digits, lower case.
    package let sha256: String

    package init(path: String, size: Int64, sha256: String) {
        self.path = path
        self.size = size
        self.sha256 = sha256
    }
}

/// One run of the CAM add-in for a routing.
package struct AddinJob: Codable, Hashable, Sendable {
    package let jobId: String
    package let routingId: String
    package var status: AddinJobStatus
    /// What the add-in said last.
    package var message: String?
    /// 0 to 100, if the add-in says it.
    package var progress: Int?
    package var outputs: [OutputFile]
    package let requestedBy: String
    package let correlationId: String
    package let createdAt: Timestamp
    package var leasedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var updatedAt: Timestamp
}
