/// The moments at which a test may have a broker's process end, or stand still, of itself. Each lies between two changes of the
/// log's files, or in the middle of one: where a crash at any time can come, these come for certain.
package enum Failpoint: String, CaseIterable, Sendable {
    // A batch on its way to the disk.
    case logBeforeWrite = "log.before-write"
    /// The first half of a write is done.
    case logInWrite = "log.in-write"
    case logBeforeSync = "log.before-sync"
    /// The batch is durable, and nobody was answered.
    case logAfterSync = "log.after-sync"

    // A segment on its way from prepared to holding entries.
    case segmentBeforeRename = "segment.before-rename"
    /// The name is not synced.
    case segmentAfterRename = "segment.after-rename"

    // A further segment on its way to being prepared, new or spent.
    case preparedBeforeSync = "prepared.before-sync"
    case preparedBeforeRename = "prepared.before-rename"
    case preparedAfterRename = "prepared.after-rename"

    case checkpointInWrite = "checkpoint.in-write"
    case checkpointBeforeSync = "checkpoint.before-sync"
    case checkpointBeforeRename = "checkpoint.before-rename"
    case checkpointAfterRename = "checkpoint.after-rename"
    /// The oldest checkpoint is removed, the directory is not synced.
    case checkpointAfterRemove = "checkpoint.after-remove"

    // Segments of which nothing is needed any more, oldest first.
    case reclaimBeforeRename = "reclaim.before-rename"
    case reclaimAfterRename = "reclaim.after-rename"
    case reclaimBeforeUnlink = "reclaim.before-unlink"
    case reclaimAfterUnlink = "reclaim.after-unlink"

    // The repair of the log's end at a start.
    case recoveryBeforeWrite = "recovery.before-write"
    case recoveryInWrite = "recovery.in-write"
    case recoveryBeforeSync = "recovery.before-sync"
    case recoveryAfterSync = "recovery.after-sync"
    /// Something unfinished was put aside, the directory is not synced.
    case recoveryAfterRename = "recovery.after-rename"
}
