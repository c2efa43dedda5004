import SpindleWire

/// What the shell itself counts since its start; the node counts the rest.
struct ShardCounters: Sendable {
    var connectionsAccepted: UInt64 = 0
    /// Connections cut by the shell without a word; those that are told why are counted by the node.
    var cuts: [ErrorCode: UInt64] = [:]
    var entries: UInt64 = 0
    var commitNanoseconds = FixedHistogram.commitNanoseconds
    var batchBytes = FixedHistogram.batchBytes
    var checkpoints: UInt64 = 0
    var segmentsReclaimed: UInt64 = 0
}
