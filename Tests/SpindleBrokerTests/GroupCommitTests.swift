import SpindleBroker
import Testing

@Suite("Group commit")
struct GroupCommitTests {
    /// One commit: its size, how long it took, and what the next 100 bytes are to be done with.
    struct Step: Sendable {
        var bytes: Int
        var nanoseconds: UInt64
        var then: GroupCommit.Decision
    }

    static let policy = CommitPolicy(inlineBytesMax: 1_000, inlineNanosecondsMax: 200)

    @Test("small batches are committed inline while syncs are fast", arguments: [
        [Step(bytes: 10, nanoseconds: 100, then: .inline)],
        [Step(bytes: 10, nanoseconds: 200, then: .handOver)],
        // Slow once in a while changes nothing, slow for long does, and back.
        [Step(bytes: 10, nanoseconds: 100, then: .inline), Step(bytes: 10, nanoseconds: 800, then: .inline),
         Step(bytes: 10, nanoseconds: 800, then: .handOver), Step(bytes: 10, nanoseconds: 0, then: .handOver),
         Step(bytes: 10, nanoseconds: 0, then: .handOver), Step(bytes: 10, nanoseconds: 0, then: .inline)],
        // A large batch says nothing about small ones.
        [Step(bytes: 10, nanoseconds: 100, then: .inline), Step(bytes: 1_000, nanoseconds: 9_999_999, then: .inline)],
    ])
    func decisions(steps: [Step]) {
        var commit = GroupCommit(policy: Self.policy)
        #expect(commit.decide(openBatchBytes: 100) == .handOver, "how fast the disk is, is not known yet")
        for step in steps {
            commit.begin(byteCount: step.bytes)
            #expect(commit.decide(openBatchBytes: 100) == .wait, "one batch at a time")
            #expect(commit.writingBytes == step.bytes)
            commit.succeeded(nanoseconds: step.nanoseconds)
            #expect(commit.decide(openBatchBytes: 100) == step.then)
            #expect(commit.decide(openBatchBytes: 1_000) == .handOver, "large batches go to the writer thread")
            #expect(commit.decide(openBatchBytes: 0) == .wait, "nothing to write")
        }
    }

    @Test func nothingIsWrittenAfterAFailure() {
        var commit = GroupCommit(policy: Self.policy)
        commit.begin(byteCount: 10)
        commit.failed()
        #expect(commit.decide(openBatchBytes: 100) == .wait)
        #expect(!commit.isIdle)
    }
}
