package import ContentStore

/// Looks for viruses in a file.
package protocol FileScanner: Sendable {
    /// For verdicts and logs, such as `clamd 127.0.0.1:3310`.
    var name: String { get }
    /// Whether it answers, and can be relied on. Asked at the start.
    func probe() async throws(ScanError)
    func scan(_ file: StagedFile, bytes: Int64) async throws(ScanError) -> ScanFinding
}

/// What a scanner found, and in how much.
package struct ScanFinding: Hashable, Sendable {
    package var outcome: ScanVerdict.Outcome
    package var detail: String?
    package var engine: String?
    package var scannedBytes: Int64

    package init(_ outcome: ScanVerdict.Outcome, detail: String? = nil, engine: String? = nil, scannedBytes: Int64) {
        self.outcome = outcome
        self.detail = detail
        self.engine = engine
        self.scannedBytes = scannedBytes
    }
}

/// No verdict came.
package enum ScanError: Error, Hashable, CustomStringConvertible {
    /// Nobody answers: files wait.
    case unreachable(String)
    /// It answered, and not with a verdict: tried again, a few times.
    case failed(String)

    package var description: String {
        switch self {
        case .unreachable(let reason): "the scanner can't be reached: \(reason)"
        case .failed(let reason): "the scanner failed: \(reason)"
        }
    }
}

/// What is done about viruses.
package enum ScanPolicy: Sendable {
    /// The description has no `scanner:`: files wait, and the page says why.
    case undecided
    /// `scanner: none`: switched off knowingly.
    case off
    case by(any FileScanner)
}
