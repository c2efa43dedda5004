/// The share on which the add-in leaves its output (the `W:\` root).
package protocol OutputShare: Sendable {
    /// Finds a reported file, and checks its size and digest against the report where that gives them. Changes nothing, so it can
    /// be repeated.
    func validate(_ output: ReportedOutput) async throws(OutputShareError) -> OutputFile
}

package enum OutputShareError: Error, Hashable, CustomStringConvertible {
    /// The path must not be used, whatever is there: it leaves the share, or isn't a plain file.
    case refused(path: String, reason: String)
    /// The file isn't there. It may still come: shares show files late.
    case missing(path: String)
    /// The file is there, and isn't the one that was reported. It may still be being written.
    case mismatch(path: String, reason: String)
    /// The share can't be read at all.
    case unavailable(reason: String)

    package var description: String {
        switch self {
        case .refused(let path, let reason): "the output path “\(path)” is not allowed: \(reason)"
        case .missing(let path): "the output “\(path)” is not on the share"
        case .mismatch(let path, let reason): "the output “\(path)” on the share is not the reported one: \(reason)"
        case .unavailable(let reason): "the share cannot be read: \(reason)"
        }
    }
}
