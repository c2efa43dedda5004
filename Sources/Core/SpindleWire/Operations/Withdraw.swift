/// Takes back a request of the same connection that waits. `u32 correlation id · tail`
package struct WithdrawRequest: Equatable, Sendable {
    package var correlationID: UInt32
    package init(correlationID: UInt32) { self.correlationID = correlationID }

    package func encode(into writer: inout WireWriter) { writer.u32(correlationID) }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        correlationID = try reader.u32("correlation id")
        try reader.skipTail()
    }
}

/// `u8 outcome · tail`
package struct WithdrawReply: Equatable, Sendable {
    package enum Outcome: UInt8, CaseIterable, Sendable {
        /// Nothing waits under the id: its reply was sent, or is being sent.
        case answered = 0
        /// The request is answered with ``ErrorCode/cancelled``, and changed nothing.
        case withdrawn = 1
    }

    package var outcome: Outcome
    package init(outcome: Outcome) { self.outcome = outcome }

    package func encode(into writer: inout WireWriter) { writer.u8(outcome.rawValue) }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        outcome = Outcome(rawValue: try reader.u8("outcome")) ?? .answered
        try reader.skipTail()
    }
}
