import NIOPosix
import SpindleDisk
import SpindleLog
import SpindleNode

/// The opened log's halves that touch files, and the threads on which they may block.
struct LogFiles {
    let storage: ErasedLogStorage
    let writer: LogWriter<ErasedLogStorage>
    let reader: LogReader<ErasedLogStorage>
    let checkpointer: LogCheckpointer<ErasedLogStorage>
    let reclaimer: LogReclaimer<ErasedLogStorage>
    let preparer: SegmentPreparer<ErasedLogStorage>
    /// One thread: batches are written one at a time, in order.
    let writerThread: NIOThreadPool
    /// One thread: no reclaiming while a checkpoint is written.
    let background: NIOThreadPool
}

/// What goes on beside the appends: segments prepared ahead, checkpoints, reclaiming.
struct LogMaintenance {
    /// nil once its thread has it.
    var preparer: SegmentPreparer<ErasedLogStorage>?
    var preparation: SegmentPreparationThread?
    /// No further segment can be made ready: the disk is full, or fails.
    var isBlocked = false
    /// And what was ready is used up, but for the reserve.
    var refusesPublishes = false

    let intervalBytes: UInt64
    var lastCheckpoint: LSN = .zero
    /// The oldest segment that was left after the last reclaiming; 0 before the first.
    var firstSegment: UInt64 = 0
    var checkpoint: CheckpointStage = .none
    /// After a failure: not before this time, milliseconds of the node's clock.
    var checkpointNotBefore: UInt64 = 0
    /// The end of the log at the last sweep, and that of the last mark: when both stand, the log is idle and marked.
    var endAtLastSweep: LSN = .zero
    var markEnd: LSN = .zero

    /// How long to wait after a checkpoint failed, milliseconds.
    static let retryMilliseconds: UInt64 = 1_000

    init(preparer: SegmentPreparer<ErasedLogStorage>, intervalBytes: UInt64) {
        self.preparer = preparer
        self.intervalBytes = intervalBytes
    }
}

/// Can transition to: `none` → `taken` → `writing` → `none`.
enum CheckpointStage {
    case none
    /// Waits until the log is durable up to it.
    case taken(TakenCheckpoint)
    case writing
}

/// The node's state at one position of the log. Taking it copies nothing: state and copy share their storage, and the parts that
/// change while the copy is encoded on another thread are copied then.
final class TakenCheckpoint: @unchecked Sendable {  // handed from the loop to the background thread, which is its only user then
    let lsn: LSN
    /// Nothing below is needed once this checkpoint stands.
    let oldestLive: LSN
    private var state: NodeState?

    init(state: NodeState, lsn: LSN) {
        self.lsn = lsn
        oldestLive = LSN(rawValue: state.oldestLiveAddress ?? .max)
        self.state = state
    }

    /// Hands over the state's bytes, and lets go of it.
    func encode(to append: (RawSpan) -> Void) {
        state?.encodeCheckpoint(to: append)
        state = nil
    }
}

/// What became of a checkpoint.
struct WrittenCheckpoint: Sendable {
    var bytes: UInt64
    var reclaimed: LogReclaimed
}
