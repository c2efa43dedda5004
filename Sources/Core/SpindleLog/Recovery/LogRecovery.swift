/// Opens a log after whatever happened to it.
///
/// First everything is looked at and replayed without changing a byte; only when that found no corruption is the end of the
/// log repaired. So a refusal leaves the disk as it was, and a crash during recovery leaves a state that recovers to the same.
///
/// At the first bad entry, at position *b*, the log is
/// - **A corrupt**, if the segment is not the last: a segment gets its name only when all before it is synced;
/// - **B corrupt**, if a whole entry behind *b* says that bytes behind *b* were durable;
/// - **C corrupt**, if a checkpoint lies behind *b*: checkpoints are taken of durable entries only;
/// - **D torn** otherwise: whatever is at *b* and behind was never confirmed to anyone.
///
/// Torn, the log ends at *b*. What lies behind is set to zero and synced before anything is appended, so that it can never be
/// taken for the log's own later. Entries that no sync is known of are written again and synced, because a failed sync leaves
/// pages that read well and are on no disk. What cannot be used is put aside under another name; of what crashes leave unfinished the newest
/// few files are kept so.
package enum LogRecovery {
    /// - Parameters:
    ///   - newLogID: the identity that the log gets if the storage is empty. 128 random bits.
    ///   - onCheckpoint: called first, with the newest whole checkpoint: the state below its LSN. Called again with the one before where it
    ///     throws: each call starts from an empty state.
    ///   - onEntry: called with each entry from the checkpoint's LSN on, in order; the span ends with the call.
    ///   - oldestNeeded: called last: the address of the oldest record that what was replayed still needs; nil for none. A log without
    ///     that record's segment is damaged.
    package static func recover<Storage: LogStorage>(
        storage: Storage,
        configuration: LogConfiguration,
        newLogID: LogID,
        onCheckpoint: (RawSpan, LSN) throws(LogReplayRefusal) -> Void,
        onEntry: (LogEntry, RawSpan) throws(LogReplayRefusal) -> Void,
        oldestNeeded: () -> LSN? = { nil }
    ) throws(LogRecoveryError) -> RecoveredLog {
        if let problem = configuration.problem() { throw .configuration(problem) }
        let directory = LogDirectory(try attempt { () throws(LogStorageError) in try storage.list() })
        let survey = SegmentSurvey(storage: storage, directory: directory)
        guard let known = try survey.run() else {
            return try LogCreation(storage: storage, directory: directory, configuration: configuration, newLogID: newLogID)
                .run(blankSegment: directory.segments.first?.number)
        }
        var replay = LogReplay(storage: storage, directory: directory, survey: known, configuration: configuration)
        let start = try replay.loadCheckpoint(onCheckpoint)
        try replay.replay(from: start, onEntry)
        try replay.check(oldestNeeded: oldestNeeded())
        return try replay.repair()
    }

    /// What ``recover(storage:configuration:newLogID:onCheckpoint:onEntry:oldestNeeded:)`` would find, without changing a byte: nothing can be
    /// appended to what this returns. Nil where there is no log.
    package static func look<Storage: LogStorage>(
        storage: Storage,
        onCheckpoint: (RawSpan, LSN) throws(LogReplayRefusal) -> Void,
        onEntry: (LogEntry, RawSpan) throws(LogReplayRefusal) -> Void,
        oldestNeeded: () -> LSN? = { nil }
    ) throws(LogRecoveryError) -> RecoveredLog? {
        let directory = LogDirectory(try attempt { () throws(LogStorageError) in try storage.list() })
        guard let known = try SegmentSurvey(storage: storage, directory: directory).run() else { return nil }
        var configuration = LogConfiguration()
        configuration.segmentBytes = known.segmentBytes
        var replay = LogReplay(storage: storage, directory: directory, survey: known, configuration: configuration)
        let start = try replay.loadCheckpoint(onCheckpoint)
        try replay.replay(from: start, onEntry)
        try replay.check(oldestNeeded: oldestNeeded())
        return replay.recovered
    }
}

/// Runs storage calls, and gives their errors recovery's type.
func attempt<Value: ~Copyable>(_ body: () throws(LogStorageError) -> Value) throws(LogRecoveryError) -> Value {
    do { return try body() } catch { throw .storage(error) }
}
