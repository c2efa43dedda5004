// REDRIVE and BULK: changes by filter that go on in the background. Source: `protocol/queues.md`.

/// Dead letters back to where they came from.
/// `name dead-letter queue · string target · u32 max · u32 rate · u32 filter bytes · filter · tail`; reply ``JobReply``.
package struct RedriveRequest: Equatable, Sendable {
    package var queue: String
    /// Empty: each to its queue of origin.
    package var target: String
    /// 0: all that match now.
    package var messagesMax: UInt32
    /// Messages a second; 0: as fast as the broker likes.
    package var ratePerSecond: UInt32
    package var filter: MessageFilter

    package init(queue: String, target: String = "", messagesMax: UInt32 = 0, ratePerSecond: UInt32 = 0, filter: MessageFilter = MessageFilter()) {
        self.queue = queue
        self.target = target
        self.messagesMax = messagesMax
        self.ratePerSecond = ratePerSecond
        self.filter = filter
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.string(target)
        writer.u32(messagesMax)
        writer.u32(ratePerSecond)
        filter.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("dead-letter queue")
        target = try reader.nameOrEmpty("target")
        messagesMax = try reader.u32("max")
        ratePerSecond = try reader.u32("rate")
        filter = try MessageFilter(&reader)
        try reader.skipTail()
    }
}

/// Begins a job over the messages that a filter chooses, or looks at one, or stops it.
/// `u8 action · u64 job · name queue · string target · u64 delay ms · u32 max · u32 rate · sentence reason · u32 filter bytes ·
/// filter · tail`; reply ``JobReply``.
package struct BulkRequest: Equatable, Sendable {
    package enum Action: UInt8, CaseIterable, Sendable {
        case cancel = 0
        case redrive = 1
        /// To `target`; attempts are kept.
        case move = 2
        /// By `delayMilliseconds`.
        case reschedule = 3
        case look = 4
        case stop = 5

        /// Whether it begins a new job.
        package var begins: Bool {
            switch self {
            case .cancel, .redrive, .move, .reschedule: true
            case .look, .stop: false
            }
        }
    }

    package var action: Action
    /// 0 for an action that begins a job.
    package var job: UInt64
    package var queue: String
    package var target: String
    package var delayMilliseconds: UInt64
    package var messagesMax: UInt32
    package var ratePerSecond: UInt32
    package var reason: String
    package var filter: MessageFilter

    package init(
        _ action: Action, job: UInt64 = 0, queue: String, target: String = "", delayMilliseconds: UInt64 = 0, messagesMax: UInt32 = 0,
        ratePerSecond: UInt32 = 0, reason: String = "", filter: MessageFilter = MessageFilter()
    ) {
        self.action = action
        self.job = job
        self.queue = queue
        self.target = target
        self.delayMilliseconds = delayMilliseconds
        self.messagesMax = messagesMax
        self.ratePerSecond = ratePerSecond
        self.reason = reason
        self.filter = filter
    }

    package func encode(into writer: inout WireWriter) {
        writer.u8(action.rawValue)
        writer.u64(job)
        writer.string(queue)
        writer.string(target)
        writer.u64(delayMilliseconds)
        writer.u32(messagesMax)
        writer.u32(ratePerSecond)
        writer.sentence(reason)
        filter.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let raw = try reader.u8("action")
        guard let action = Action(rawValue: raw) else {
            throw WireError(.invalidArgument, "bulk action \(raw): 0 (cancel), 1 (redrive), 2 (move), 3 (reschedule), 4 (look) and 5 (stop) are known")
        }
        self.action = action
        job = try reader.u64("job")
        guard action.begins == (job == 0) else {
            throw WireError(.invalidArgument, action.begins ? "job \(job): an action that begins a job names none (0)" : "no job is named to look at or stop")
        }
        queue = try reader.name("queue")
        target = try reader.nameOrEmpty("target")
        if action == .move, target.isEmpty { throw WireError(.invalidArgument, "move needs a target queue") }
        delayMilliseconds = try reader.durationMilliseconds("delay")
        messagesMax = try reader.u32("max")
        ratePerSecond = try reader.u32("rate")
        reason = try reader.sentence("reason")
        filter = try MessageFilter(&reader)
        try reader.skipTail()
    }
}

/// The reply of REDRIVE and BULK. `u64 job · u64 matched · u64 done · u64 failed · u8 state · tail`; tail tag 1: why the last of
/// the failed ones failed, UTF-8.
package struct JobReply: Equatable, Sendable {
    /// Unknown ones of later brokers are read as ``running``: the client looks again.
    package enum State: UInt8, CaseIterable, Sendable {
        case running = 0
        case done = 1
        case stopped = 2
    }

    package var job: UInt64
    package var matched: UInt64
    package var done: UInt64
    package var failed: UInt64
    package var state: State
    /// Empty where none failed.
    package var lastFailure: String

    private static let lastFailureTag: UInt16 = 1

    package init(job: UInt64, matched: UInt64 = 0, done: UInt64 = 0, failed: UInt64 = 0, state: State, lastFailure: String = "") {
        self.job = job
        self.matched = matched
        self.done = done
        self.failed = failed
        self.state = state
        self.lastFailure = lastFailure
    }

    package func encode(into writer: inout WireWriter) {
        writer.u64(job)
        writer.u64(matched)
        writer.u64(done)
        writer.u64(failed)
        writer.u8(state.rawValue)
        if !lastFailure.isEmpty { writer.tag(Self.lastFailureTag, text: lastFailure, bytesMax: WireLimits.sentenceBytesMax) }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        job = try reader.u64("job")
        matched = try reader.u64("matched")
        done = try reader.u64("done")
        failed = try reader.u64("failed")
        state = State(rawValue: try reader.u8("state")) ?? .running
        lastFailure = ""
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Self.lastFailureTag]) {
            var text = WireReader(tail.extracting(field.range))
            lastFailure = try text.utf8(field.range.count, "last failure")
        }
    }
}
