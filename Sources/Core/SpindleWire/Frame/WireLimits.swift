/// The protocol's limits. Source: `protocol/README.md`, "Limits".
package enum WireLimits {
    /// Largest frame before HELLO was answered, bytes.
    package static let preAuthenticationFrameBytesMax = 4096
    /// Most bytes of an authentication mechanism in one AUTH or its reply.
    package static let authenticationDataBytesMax = 65_536
    /// Largest frame between HELLO's reply and the end of authentication, bytes: a mechanism's, and everything around it.
    package static let authenticationFrameBytesMax = authenticationDataBytesMax + preAuthenticationFrameBytesMax
    /// Most AUTHs of one connection.
    package static let authenticationRoundsMax = 4
    /// Largest frame a broker may announce, bytes; the announced cap is in HELLO's reply.
    package static let frameBytesMax = 16 * 1024 * 1024
    /// Largest name (queue, topic, principal, pattern, client), bytes of UTF-8.
    package static let nameBytesMax = 255
    /// Largest sentence (a reason, a progress note, an error's message), bytes of UTF-8.
    package static let sentenceBytesMax = 2048
    /// Room that a frame keeps for everything around a record: a record takes at most the frame cap less this, bytes, so that
    /// what could be published can be delivered too (a LEASE reply has more fields than a PUBLISH).
    package static let recordOverheadBytesMax = 64 * 1024
    /// Largest header area of one message record, bytes.
    package static let recordHeaderBytesMax = 32 * 1024
    /// Largest expanded body, bytes: what a compressed record may announce.
    package static let bodyBytesMax = 64 * 1024 * 1024
    /// Most messages, tokens or events in one frame.
    package static let messagesPerFrameMax = 65_536
    /// Most queues in one LEASE.
    package static let queuesPerLeaseMax = 64
    /// Most queues in one STATS reply.
    package static let queuesPerReplyMax = 1000
    /// Longest delay, time to live, lease or retention that can be asked for, milliseconds: ten years. It keeps every sum of a
    /// time and a duration far from overflow.
    package static let durationMillisecondsMax: UInt64 = 315_576_000_000
    /// Largest count or size in a queue's policy: what a JSON number holds exactly.
    package static let policyNumberMax: UInt64 = (1 << 53) - 1
    /// Most labels in HELLO.
    package static let labelsMax = 32
    /// Most bytes of one result that an ACK or SETTLE leaves behind.
    package static let resultBytesMax = 4096
    /// Most bytes of all results in one frame.
    package static let resultsBytesMax = 65_536
    /// Most messages that one AWAIT may wait for.
    package static let awaitedMax = 1000
    /// Most conditions on headers in one filter.
    package static let filterHeadersMax = 32
    /// Most ids in one filter.
    package static let filterIDsMax = 10_000
    /// Most sessions in one WORKERS reply.
    package static let sessionsPerReplyMax = 1000
    /// Most leases that a WORKERS reply shows of one session.
    package static let leasesPerSessionMax = 1000
    /// Most notes on items in one reply of a broker.
    package static let itemNotesMax = 64
    /// Most bytes of all notes on items in one reply of a broker.
    package static let itemNotesBytesMax = 16_384
    /// Most topics in one TOPIC_STATS reply.
    package static let topicsPerReplyMax = 1000
}
