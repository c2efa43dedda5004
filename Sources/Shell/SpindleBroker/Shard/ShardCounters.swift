import SpindleWire

/// What the shell itself counts since its start; the node counts the rest.
struct ShardCounters: Sendable {
    var connectionsAccepted: UInt64 = 0
    /// Connections cut by the shell without a word; those that are told why are counted by the node.
    var cuts: [ErrorCode: UInt64] = [:]
    /// Times that a listener paused because as many sockets were open as may be.
    var acceptPauses: UInt64 = 0
    /// Times that a connection's input waited for a later turn.
    var turnsWaitedFor: UInt64 = 0
    var entries: UInt64 = 0
    var commitNanoseconds = FixedHistogram.commitNanoseconds
    var batchBytes = FixedHistogram.batchBytes
    var checkpoints: UInt64 = 0
    var segmentsReclaimed: UInt64 = 0
    /// Bytes of the last checkpoint's file, and how long the loop stood still to begin it.
    var checkpointBytes: UInt64 = 0
    var checkpointPauseNanoseconds: UInt64 = 0
    /// Reads of stored messages that met damage.
    var damagedReads: UInt64 = 0
    var messagesMoved: UInt64 = 0
    var bytesMoved: UInt64 = 0
}
