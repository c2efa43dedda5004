internal import ContentStore
internal import Foundation

/// Places where a test kills the process: `SPINDLE_FAIL_AT=ingest.before-meta` ends it there at once, as a loss of power would.
///
/// Nothing reads the variable but this, and a process that has none of it runs on.
enum FailPoint: String, CaseIterable, Sendable {
    case chunksVerified = "chunks-verified"
    case payloadStored = "payload-stored"
    case pendingWritten = "pending-written"
    case auditWritten = "audit-written"
    case metaWritten = "meta-written"
    case refWritten = "ref-written"
    case published = "published"
    case committed = "committed"

    static func after(_ step: CommitStep) -> FailPoint? {
        switch step {
        case .claim, .removeStaged: nil
        case .storePayload: .payloadStored
        case .announce: .pendingWritten
        case .audit: .auditWritten
        case .writeMeta: .metaWritten
        case .writeRef: .refWritten
        case .publish: .published
        case .record: .committed
        }
    }

    private static let wanted = ProcessInfo.processInfo.environment["SPINDLE_FAIL_AT"]

    func pass() {
        guard let wanted = Self.wanted, wanted == "ingest.\(rawValue)" else { return }
        kill(getpid(), SIGKILL)
    }
}
