/// When the open batch goes to the disk on the event loop itself, and when on the writer thread.
///
/// A hand-over to the writer thread and back costs more than a sync of a fast disk, so small batches are committed inline
/// while syncs are fast. Large ones, and all on a slow disk, go to the writer thread, and the next batch fills meanwhile.
package struct CommitPolicy: Sendable {
    /// Batches below this may be committed inline, bytes.
    package var inlineBytesMax: Int
    /// Inline only while the smoothed duration of a commit is below this, nanoseconds; 0: never inline.
    package var inlineNanosecondsMax: UInt64

    package init(inlineBytesMax: Int = 64 << 10, inlineNanosecondsMax: UInt64 = 200_000) {
        self.inlineBytesMax = inlineBytesMax
        self.inlineNanosecondsMax = inlineNanosecondsMax
    }
}

/// At most one batch is being written; what comes meanwhile gathers in the next. Does no I/O.
package struct GroupCommit {
    /// Can transition to: `idle` → `writing` → `idle`, and `writing` → `failed`, which is final.
    package enum State: Equatable {
        case idle
        case writing(byteCount: Int)
        case failed
    }

    package enum Decision: Equatable {
        /// Nothing to write, or the writer is busy.
        case wait
        case inline
        case handOver
    }

    package private(set) var state: State = .idle
    /// Smoothed duration of small commits, nanoseconds; nil before the first.
    package private(set) var smoothedNanoseconds: UInt64?
    private let policy: CommitPolicy

    package init(policy: CommitPolicy) { self.policy = policy }

    package var isIdle: Bool { state == .idle }

    /// Bytes handed to the disk and not yet durable.
    package var writingBytes: Int {
        if case .writing(let byteCount) = state { byteCount } else { 0 }
    }

    package func decide(openBatchBytes: Int) -> Decision {
        guard case .idle = state, openBatchBytes > 0 else { return .wait }
        guard openBatchBytes < policy.inlineBytesMax, let smoothedNanoseconds, smoothedNanoseconds < policy.inlineNanosecondsMax
        else { return .handOver }
        return .inline
    }

    package mutating func begin(byteCount: Int) {
        precondition(state == .idle, "one batch is written at a time")
        state = .writing(byteCount: byteCount)
    }

    /// `nanoseconds`: how long the write and its sync took on their thread.
    package mutating func succeeded(nanoseconds: UInt64) {
        guard case .writing(let byteCount) = state else { preconditionFailure("no batch was being written") }
        state = .idle
        // Large batches take long because they are large: they say nothing about small ones.
        guard byteCount < policy.inlineBytesMax else { return }
        smoothedNanoseconds = smoothedNanoseconds.map { ($0 * 7 + nanoseconds) / 8 } ?? nanoseconds
    }

    /// Final: after a failed sync nobody knows what is on the disk, and none is tried again.
    package mutating func failed() { state = .failed }
}
