/// Looks for viruses in a file.
package protocol FileScanner: Sendable {
    /// For verdicts and logs, such as `clamd 127.0.0.1:3310`.
    var name: String { get }
    /// Asked before any file. Throws if it does not answer or can't be relied on; returns what could not be told, nil if there is no doubt.
    func probe() async throws(ScanError) -> String?
    func scan(_ file: any PayloadBytes, bytes: Int64) async throws(ScanError) -> ScanFinding
    /// Throws if nobody answers within a few seconds. Costs the scanner next to nothing, and may be asked every few seconds.
    func ping() async throws(ScanError)
}

extension FileScanner {
    package func ping() async throws(ScanError) { _ = try await probe() }
}

enum ScannerPing {
    static let timeoutSeconds = 2
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
    /// It answers, and its “clean” can't be relied on: files wait.
    case unfit(String)
    /// It answered, and not with a verdict: tried again, a few times.
    case failed(String)

    package var description: String {
        switch self {
        case .unreachable(let reason): "the scanner can't be reached: \(reason)"
        case .unfit(let reason): "the scanner can't be relied on: \(reason)"
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
