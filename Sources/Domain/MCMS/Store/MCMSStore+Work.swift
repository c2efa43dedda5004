internal import Outbox
internal import SQLStore
package import SpindleText

/// How much there is to do, in figures that cost little however much lies in the database.
package struct WorkFigures: Hashable, Sendable {
    package struct OutboxRows: Hashable, Sendable {
        package var waiting: Int
        package var dead: Int
        /// When the oldest that waits was written; nil: none waits.
        package var oldestSince: Timestamp?
        /// Why it was not published when it was tried; empty: it was not tried.
        package var oldestError: String
    }

    package var jobsRunning: Int
    package var jobsWaiting: Int
    package var oldestWaitSince: Timestamp?
    /// Since a moment that the caller named.
    package var jobsFailed: Int
    package var outbox: OutboxRows
}

extension MCMSStore {
    /// A job that failed was begun at most so long before.
    private static let jobMillisecondsMax: Int64 = 30 * 24 * 3_600_000

    /// - Parameter failedSince: jobs that failed from then on are counted.
    package func workFigures(failedSince: Timestamp) async throws -> WorkFigures {
        try await database.read { db in
            func count(_ query: String, _ parameters: [(any SQLConvertible)?] = []) throws -> Int {
                try db.value("SELECT count(*) FROM \(query)", parameters, as: Int.self) ?? 0
            }
            // Ids are in the order of time, and so is the index: old failures are not looked at.
            let oldest = TimeOrderedID.lowest(at: failedSince.adding(milliseconds: -Self.jobMillisecondsMax))
            let row = try db.row("SELECT createdAt, error FROM outbox WHERE status = 'pending' ORDER BY sequence LIMIT 1")
            return WorkFigures(
                jobsRunning: try count("addinJob WHERE status = $1", [AddinJobStatus.leased]),
                jobsWaiting: try count("addinJob WHERE status = $1", [AddinJobStatus.created]),
                oldestWaitSince: try db.value("SELECT createdAt FROM addinJob WHERE status = $1 ORDER BY jobId LIMIT 1", [AddinJobStatus.created]),
                jobsFailed: try count(
                    "addinJob WHERE status = $1 AND jobId >= $2 AND finishedAt >= $3", [AddinJobStatus.failed, oldest, failedSince]),
                outbox: .init(
                    waiting: try count("outbox WHERE status = 'pending'"), dead: try count("outbox WHERE status = 'dead'"),
                    oldestSince: try row?.optional("createdAt"), oldestError: try row?.optional("error") ?? ""))
        }
    }

    /// Returns when nobody else holds the database's one lock for writing; throws what stops writers.
    package func checkWritable() async throws {
        try await database.write { _ in }
    }
}
