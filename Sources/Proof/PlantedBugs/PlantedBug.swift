// Only in builds with SPINDLE_PLANTED_BUGS set: bugs that such systems shipped, one at a time, to see whether the tests find them.

/// The bug that is active; nil: none.
package nonisolated(unsafe) var plantedBug: PlantedBug?  // set before a run begins, by the one thread that runs it

package enum PlantedBug: String, CaseIterable, Sendable {
    /// An ack is confirmed before the log holds it (etcd 14370).
    case ackBeforeLog
    /// A segment gets its name, and the directory is not synced (etcd 6368).
    case renameNotSynced
    /// The next segment gets its name before the one before it is synced: appends reach the disk out of order (etcd 6378).
    case appendsReordered
    /// A torn length field at the log's end blocks the start (etcd 14098).
    case tornLengthBlocks
    /// A last segment without an entry blocks the start (ra 165).
    case emptyLastSegmentBlocks
    /// A bad checksum in the last entry blocks the start (ra 283).
    case badLastChecksumBlocks
    /// Segments go although messages in them are needed (ra 589).
    case reclaimsWhatIsNeeded
    /// A damaged bit in the middle is taken for the torn end, and what follows is lost without a word (nats-server 7549).
    case damageTakenForTorn
    /// A damaged checkpoint is taken for an empty one (nats-server 7556).
    case damagedCheckpointForgets
    /// On a full disk the oldest segment is removed (nats-server 5382).
    case fullDiskWipes
    /// Where the log can't be repaired, for a read-only file system for example, a new one is begun (nats-server 6211).
    case readOnlyResets
    /// After a write error the writer is never free again: nobody is answered, and nothing stops (nats-server 8386).
    case stuckAfterWriteError
    /// After a torn write the log goes on behind the hole (lavinmq 384).
    case appendsPastHole
    /// Attempts are not counted over a restart (lavinmq 1911).
    case attemptsLostOnRestart
    /// A late ack of the first holder counts for the second (nats-server 4786).
    case lateAckCounts
    /// A deduplication key is remembered before the message is stored; where it is refused, so is its repetition (nats-server 6415).
    case keyStagedBeforeStore
    /// A purge and a restart forget the deduplication keys (nats-server 3272).
    case keysForgottenByPurge
    /// An attempt is not counted when the worker dies and its lease ends.
    case deadWorkersAttemptUncounted
    /// A failed sync is repeated, and believed the second time.
    case failedSyncRetried
    /// The log is cut off at the first bad checksum, wherever it is.
    case truncatesAnywhere
    /// Node time, which orders everything, falls after a restart from a checkpoint (as revisions do in etcd 17780).
    case timeFalls
    /// A message at its last attempt is dropped instead of kept as a dead letter (nats-server 7817).
    case lostAtAttemptLimit
    /// More is delivered than was asked for.
    case creditOvershoot

    // Ours: the simulation found them.

    /// An event whose record was moved is pushed before the move is durable: what is read there is not the record.
    case movedEventPushedEarly
    /// An AWAIT is answered with what the state says when the answer leaves, of which not all is durable.
    case awaitAheadOfLog
    /// A message whose delay is over is moved as a delayed one in a replay, and was moved as a ready one live.
    case dueUnnoticedInReplay
}
