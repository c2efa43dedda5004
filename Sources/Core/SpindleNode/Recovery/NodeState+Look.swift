package import SpindleLog
internal import SpindleQueue

extension NodeState {
    /// The state that a log makes, found without changing a byte of it. Nil where there is no log.
    package static func look<Storage: LogStorage>(
        at storage: Storage
    ) throws(LogRecoveryError) -> (state: NodeState, recovered: RecoveredLog)? {
        var state = NodeState(configuration: .forLooking)
        let recovered = try LogRecovery.look(
            storage: storage,
            onCheckpoint: { (payload, _) throws(LogReplayRefusal) in
                do throws(NodeRestoreError) { try state.restore(checkpoint: payload) } catch { throw LogReplayRefusal("\(error)") }
            },
            onEntry: { (entry, payload) throws(LogReplayRefusal) in
                do throws(NodeRestoreError) {
                    try state.replay(payload: payload, payloadAddress: entry.payloadAddress)
                } catch { throw LogReplayRefusal("\(error)") }
            })
        return recovered.map { (state, $0) }
    }

    /// Messages in any state, and retained events.
    package var liveRecords: UInt64 {
        engine.queues.reduce(UInt64(topics.events.count)) { $0 + $1.counts.length }
    }
}

extension NodeConfiguration {
    /// For a state that nobody is served from: what a topic keeps is what the log says.
    package static var forLooking: NodeConfiguration {
        NodeConfiguration(serverVersion: "", serverID: [UInt8](repeating: 0, count: 16))
    }
}
