import Foundation
import MCMS
import Outbox

/// The outbox's figures in Prometheus's text format.
enum OutboxMetrics {
    static func text(_ figures: OutboxFigures, nowMilliseconds: Int64) -> String {
        var lines = ["# HELP spindle_outbox_rows Rows of the outbox by status.", "# TYPE spindle_outbox_rows gauge"]
        for status in OutboxStatus.allCases { lines.append("spindle_outbox_rows{status=\"\(status.rawValue)\"} \(figures.rows[status] ?? 0)") }
        let age = figures.oldestPendingAt.map { Double(max(0, nowMilliseconds - $0)) / 1000 } ?? 0
        lines += [
            "# HELP spindle_outbox_oldest_pending_seconds Age of the oldest row that waits.",
            "# TYPE spindle_outbox_oldest_pending_seconds gauge", "spindle_outbox_oldest_pending_seconds \(age)",
        ]
        return lines.joined(separator: "\n") + "\n"
    }
}
