package import SpindleLog
internal import SpindleQueue

// How a state comes from a log: a broker's start, a look at a log that nobody uses, and the check of a checkpoint that was just written.
extension NodeState {
    /// Opens the log in `storage` after whatever happened to it, and makes the state that it says.
    package static func recover<Storage: LogStorage>(
        from storage: Storage, log: LogConfiguration, newLogID: LogID, node: NodeConfiguration
    ) throws(LogRecoveryError) -> (state: NodeState, recovered: RecoveredLog) {
        var state = NodeState(configuration: node)
        let recovered = try LogRecovery.recover(
            storage: storage, configuration: log, newLogID: newLogID,
            onCheckpoint: { (payload, _) throws(LogReplayRefusal) in state = try loaded(payload, node) },
            onEntry: { (entry, payload) throws(LogReplayRefusal) in try state.apply(entry, payload) },
            oldestNeeded: { state.oldestNeeded })
        return (state, recovered)
    }

    /// The state that a log makes, found without changing a byte of it. Nil where there is no log.
    package static func look<Storage: LogStorage>(
        at storage: Storage
    ) throws(LogRecoveryError) -> (state: NodeState, recovered: RecoveredLog)? {
        var state = NodeState(configuration: .forLooking)
        let recovered = try LogRecovery.look(
            storage: storage,
            onCheckpoint: { (payload, _) throws(LogReplayRefusal) in state = try loaded(payload, .forLooking) },
            onEntry: { (entry, payload) throws(LogReplayRefusal) in try state.apply(entry, payload) },
            oldestNeeded: { state.oldestNeeded })
        return recovered.map { (state, $0) }
    }

    /// Where the oldest record lies that is still needed.
    package var oldestNeeded: LSN? { oldestLiveAddress.map { LSN(rawValue: $0) } }

    /// The state that a checkpoint's payload holds.
    package static func loaded(_ payload: RawSpan, _ configuration: NodeConfiguration = .forLooking) throws(LogReplayRefusal) -> NodeState {
        var state = NodeState(configuration: configuration)
        do throws(NodeRestoreError) { try state.restore(checkpoint: payload) } catch { throw LogReplayRefusal(error.description) }
        return state
    }

    /// Applies an entry of the log.
    package mutating func apply(_ entry: LogEntry, _ payload: RawSpan) throws(LogReplayRefusal) {
        do throws(NodeRestoreError) {
            try replay(payload: payload, payloadAddress: entry.payloadAddress)
        } catch {
            throw LogReplayRefusal(error.description)
        }
    }

    /// Messages in any state, and retained events.
    package var liveRecords: UInt64 {
        engine.queues.reduce(UInt64(topics.events.count)) { $0 + $1.counts.length }
    }
}

extension LogCheckpointer {
    /// Makes a state of the log below `lsn` durable; an earlier checkpoint goes only when a start can load this one. Returns the bytes of
    /// its file.
    @discardableResult
    package func write(_ state: NodeState, at lsn: LSN, durable: LSN, pieceBytes: Int = 256 << 10) throws(LogCheckpointError) -> UInt64 {
        try write(at: lsn, durable: durable, readBack: NodeState.check) { state.encodeCheckpoint(pieceBytes: pieceBytes, to: $0) }
    }
}

extension NodeState {
    /// Loads a checkpoint's payload as a start does, and lets go of it.
    package static func check(_ payload: RawSpan) throws(LogReplayRefusal) { _ = try loaded(payload) }
}

extension LogInspector {
    /// Checks every file of the log, loads the checkpoints with the reader that a start uses, and says what a start does.
    package func verifyState() throws(LogStorageError) -> LogVerification {
        var verification = try verify { payload in
            do throws(LogReplayRefusal) {
                try NodeState.check(payload)
                return nil
            } catch {
                return error.reason
            }
        }
        do throws(LogRecoveryError) {
            verification.start = try NodeState.look(at: storage).map { .opens(checkpoint: $0.recovered.checkpoint, entries: $0.recovered.replayedEntries) }
        } catch {
            verification.start = .refuses(reason: "\(error)")
            switch error {
            case .storage(let failure): throw failure
            case .corrupt(let corruption):
                if !verification.problems.contains(where: { $0.file == corruption.file && $0.offset == corruption.offset }) {
                    verification.problems.append(corruption)
                }
            case .refused(let lsn, let file, let offset, let reason):
                guard !verification.checkpoints.contains(where: { $0.file == file && $0.problem != nil }) else { break }
                verification.problems.append(
                    LogCorruption(file: file, offset: offset, reason: reason, evidence: "the entry at LSN \(lsn) is whole, and means nothing here"))
            case .configuration, .diskFull: break
            }
        }
        return verification
    }
}

extension NodeConfiguration {
    /// For a state that nobody is served from: what a topic keeps is what the log says.
    package static var forLooking: NodeConfiguration {
        NodeConfiguration(serverVersion: "", serverID: [UInt8](repeating: 0, count: 16))
    }
}
