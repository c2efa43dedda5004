internal import SQLStore
package import SpindleText

extension MCMSStore {
    /// Keeps what queues held. A reading of the same queue and step that is there already stays: several web servers may keep the same.
    /// - Parameter foldsBefore: readings that are older are gathered in coarse steps too, where that was not done yet.
    package func keepQueueReadings(_ readings: [(queue: String, reading: QueueReading)], foldsBefore fold: Timestamp?) async throws {
        try await database.write { db in
            for (queue, reading) in readings {
                try db.execute(
                    """
                    INSERT INTO queueHistory (queue, stepSeconds, time, ready, leased, oldestAge, published, settled)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (queue, stepSeconds, time) DO NOTHING
                    """,
                    [
                        queue, QueueHistoryStep.fine.rawValue, QueueHistoryStep.fine.begin(of: reading.at), reading.ready, reading.leased,
                        reading.oldestAgeMilliseconds, reading.published, reading.settled,
                    ])
            }
            guard let fold else { return }
            for queue in try Self.queuesWithHistory(db) { try Self.fold(db, queue, before: QueueHistoryStep.coarse.begin(of: fold)) }
        }
    }

    /// A coarse reading has the most of its time, and the counters of its end.
    private static func fold(_ db: any SQLConnection, _ queue: String, before end: Timestamp) throws {
        let (fine, coarse) = (QueueHistoryStep.fine, QueueHistoryStep.coarse)
        let last = try db.value("SELECT max(time) FROM queueHistory WHERE queue = $1 AND stepSeconds = $2", [queue, coarse.rawValue], as: Int64.self)
        try db.execute(
            """
            INSERT INTO queueHistory (queue, stepSeconds, time, ready, leased, oldestAge, published, settled)
            SELECT whole.queue, $2, whole.begin, whole.ready, whole.leased, whole.oldestAge, ending.published, ending.settled
            FROM (
                SELECT queue, time / $3 * $3 AS begin, max(ready) AS ready, max(leased) AS leased, max(oldestAge) AS oldestAge, max(time) AS last
                FROM queueHistory WHERE queue = $1 AND stepSeconds = $4 AND time >= $5 AND time < $6 GROUP BY queue, time / $3
            ) whole
            JOIN queueHistory ending ON ending.queue = whole.queue AND ending.stepSeconds = $4 AND ending.time = whole.last
            WHERE true ON CONFLICT (queue, stepSeconds, time) DO NOTHING
            """,
            [queue, coarse.rawValue, coarse.milliseconds, fine.rawValue, last.map { $0 + coarse.milliseconds } ?? 0, end])
    }

    /// All names, each by one look at the key.
    private static func queuesWithHistory(_ db: any SQLConnection) throws -> [String] {
        try db.values(
            """
            WITH RECURSIVE known (queue) AS (
                SELECT min(queue) FROM queueHistory
                UNION ALL SELECT (SELECT min(queue) FROM queueHistory WHERE queue > known.queue) FROM known WHERE known.queue IS NOT NULL
            ) SELECT queue FROM known WHERE queue IS NOT NULL
            """, as: String.self)
    }

    /// The past of a queue; empty where nothing is kept of it.
    package func queueHistory(of queue: String, hours: Int) async throws -> QueueHistory {
        let step = QueueHistoryStep(hours: hours)
        let from = Timestamp(milliseconds: clock().milliseconds - Int64(hours) * 3_600_000)
        let readings = try await database.read { db in
            try db.rows(
                "SELECT * FROM queueHistory WHERE queue = $1 AND stepSeconds = $2 AND time >= $3 ORDER BY time",
                [queue, step.rawValue, from.milliseconds - QueueHistoryLimits.stepsUntilGap * step.milliseconds]
            ).map { row in
                QueueReading(
                    at: try row.value("time"), ready: try row.value("ready"), leased: try row.value("leased"),
                    oldestAgeMilliseconds: try row.value("oldestAge"), published: try row.value("published"), settled: try row.value("settled"))
            }
        }
        return QueueHistory(readings, kept: step, from: from, hours: hours)
    }

    static func forgetQueueHistory(_ db: any SQLConnection, now: Timestamp) throws {
        for queue in try queuesWithHistory(db) {
            for step in QueueHistoryStep.allCases {
                try db.execute(
                    "DELETE FROM queueHistory WHERE queue = $1 AND stepSeconds = $2 AND time < $3",
                    [queue, step.rawValue, now.milliseconds - step.retentionMilliseconds])
            }
        }
    }
}
