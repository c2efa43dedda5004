import Logging
import SpindleNode

extension AuditEntry {
    /// The fields of its log line; those that say nothing are left out. Source: `docs/operations.md`, "Audit".
    var metadata: Logger.Metadata {
        let fields = [
            ("action", action), ("target", target), ("detail", detail), ("principal", principal), ("actor", actor), ("peer", peer),
            ("client", client), ("outcome", outcome),
        ]
        var metadata: Logger.Metadata = [:]
        for (name, text) in fields where !text.isEmpty { metadata[name] = "\(text)" }
        return metadata
    }
}
