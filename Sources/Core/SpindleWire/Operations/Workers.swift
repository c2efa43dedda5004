// QUIET, WORKERS and WORKER_CONTROL. Source: `protocol/workers.md`.

/// An operator's wish for a worker.
package enum WorkerAction: UInt8, CaseIterable, Sendable {
    /// Lease nothing new, finish what is held, stay connected.
    case quiet = 0
    /// Lease again.
    case resume = 1
    /// As quiet; then hand back what is not finished within the grace, and exit.
    case terminate = 2
}

/// Pushed to a worker. `u8 action · u32 grace ms · sentence reason · tail`
package struct QuietNotice: Equatable, Sendable {
    /// nil for an action of a later version, which is to be ignored.
    package var action: WorkerAction?
    package var graceMilliseconds: UInt32
    package var reason: String
    package init(action: WorkerAction, graceMilliseconds: UInt32, reason: String) {
        self.action = action
        self.graceMilliseconds = graceMilliseconds
        self.reason = reason
    }

    package func encode(into writer: inout WireWriter) {
        writer.u8(action?.rawValue ?? .max)
        writer.u32(graceMilliseconds)
        writer.sentence(reason)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        action = WorkerAction(rawValue: try reader.u8("action"))
        graceMilliseconds = try reader.u32("grace")
        reason = try reader.sentence("reason")
        try reader.skipTail()
    }
}

/// `string pattern · u64 after · u32 max · u8 parts (bit 0: with leases) · tail`; reply ``WorkersReply``.
package struct WorkersRequest: Equatable, Sendable {
    /// Over client names; `*` stands for any run of characters.
    package var pattern: String
    /// Only sessions with greater ids; 0: from the first.
    package var after: UInt64
    package var max: UInt32
    package var withLeases: Bool
    package init(pattern: String = "*", after: UInt64 = 0, max: UInt32 = UInt32(WireLimits.sessionsPerReplyMax), withLeases: Bool) {
        self.pattern = pattern
        self.after = after
        self.max = max
        self.withLeases = withLeases
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(pattern)
        writer.u64(after)
        writer.u32(max)
        writer.u8(withLeases ? 1 : 0)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        pattern = try reader.string("pattern")
        after = try reader.u64("after")
        max = try reader.u32("max")
        guard max > 0 else { throw WireError(.invalidArgument, "max is 0: ask for at least one session") }
        withLeases = try reader.u8("parts") & 1 != 0
        try reader.skipTail()
    }
}

/// `u32 count × session · u8 more follow · tail`
package struct WorkersReply: Equatable, Sendable {
    /// `string queue · token · u32 attempt · u64 leased at ms · u64 ends at ms · u8 percent · sentence note`
    package struct Lease: Equatable, Sendable {
        package var queue: String
        package var token: DeliveryToken
        package var attempt: UInt32
        package var leasedAtMilliseconds: UInt64
        package var endsAtMilliseconds: UInt64
        /// ``ExtendRequest/Item/noPercent`` for none.
        package var percent: UInt8 = ExtendRequest.Item.noPercent
        package var note: String = ""

        package init(queue: String, token: DeliveryToken, attempt: UInt32, leasedAtMilliseconds: UInt64, endsAtMilliseconds: UInt64) {
            self.queue = queue
            self.token = token
            self.attempt = attempt
            self.leasedAtMilliseconds = leasedAtMilliseconds
            self.endsAtMilliseconds = endsAtMilliseconds
        }
    }

    /// `u64 session id · string principal · string client name · string client version · string address · u64 connected at ms ·
    /// u64 heard at ms · u8 flags · u32 held · u16 labels × (string name, string value) · u32 leases × lease`
    package struct Session: Equatable, Sendable {
        /// 0: no connection, but the leases of connections that are gone.
        package var id: UInt64
        package var principal: String = ""
        package var clientName: String = ""
        package var clientVersion: String = ""
        package var address: String = ""
        package var connectedAtMilliseconds: UInt64 = 0
        package var heardAtMilliseconds: UInt64 = 0
        /// Told to be quiet or to terminate.
        package var isQuiet = false
        /// A LEASE of it waits for messages.
        package var waits = false
        /// Leases in all.
        package var held: UInt32 = 0
        package var labels: [HelloRequest.Label] = []
        /// At most ``WireLimits/leasesPerSessionMax``; empty where they were not asked for.
        package var leases: [Lease] = []
        package init(id: UInt64) { self.id = id }
    }

    package var sessions: [Session]
    package var moreFollow: Bool
    package init(sessions: [Session], moreFollow: Bool = false) {
        self.sessions = sessions
        self.moreFollow = moreFollow
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(sessions.count))
        for session in sessions { session.encode(into: &writer) }
        writer.u8(moreFollow ? 1 : 0)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("sessions", itemBytesMin: Session.byteCountMin, itemsMax: WireLimits.messagesPerFrameMax)
        sessions = []
        for _ in 0..<count { sessions.append(try Session(&reader)) }
        moreFollow = try reader.u8("more follow") != 0
        try reader.skipTail()
    }
}

extension WorkersReply.Session {
    /// Without texts, labels and leases.
    static let byteCountMin = 43
    private static let quietFlag: UInt8 = 1
    private static let waitsFlag: UInt8 = 2

    package func encode(into writer: inout WireWriter) {
        writer.u64(id)
        for text in [principal, clientName, clientVersion, address] { writer.name(text) }
        writer.u64(connectedAtMilliseconds)
        writer.u64(heardAtMilliseconds)
        writer.u8((isQuiet ? Self.quietFlag : 0) | (waits ? Self.waitsFlag : 0))
        writer.u32(held)
        writer.u16(UInt16(clamping: labels.count))
        for label in labels.prefix(Int(UInt16.max)) {
            writer.name(label.name)
            writer.name(label.value)
        }
        writer.u32(UInt32(leases.count))
        for lease in leases { lease.encode(into: &writer) }
    }

    init(_ reader: inout WireReader) throws(WireError) {
        self.init(id: try reader.u64("session id"))
        principal = try reader.string("principal")
        clientName = try reader.string("client name")
        clientVersion = try reader.string("client version")
        address = try reader.string("address")
        connectedAtMilliseconds = try reader.u64("connected at")
        heardAtMilliseconds = try reader.u64("heard at")
        let flags = try reader.u8("flags")
        isQuiet = flags & Self.quietFlag != 0
        waits = flags & Self.waitsFlag != 0
        held = try reader.u32("held")
        let labelCount = Int(try reader.u16("labels"))
        guard labelCount <= WireLimits.labelsMax else { throw .malformed("\(labelCount) labels, at most \(WireLimits.labelsMax) are allowed") }
        for _ in 0..<labelCount {
            labels.append(HelloRequest.Label(name: try reader.string("label name"), value: try reader.string("label value")))
        }
        let leaseCount = try reader.count("leases", itemBytesMin: WorkersReply.Lease.byteCountMin, itemsMax: WireLimits.leasesPerSessionMax)
        for _ in 0..<leaseCount { leases.append(try WorkersReply.Lease(&reader)) }
    }
}

extension WorkersReply.Lease {
    /// Without queue name and note.
    static let byteCountMin = 37

    func encode(into writer: inout WireWriter) {
        writer.name(queue)
        token.encode(into: &writer)
        writer.u32(attempt)
        writer.u64(leasedAtMilliseconds)
        writer.u64(endsAtMilliseconds)
        writer.u8(percent)
        writer.sentence(note)
    }

    init(_ reader: inout WireReader) throws(WireError) {
        queue = try reader.string("queue")
        token = try DeliveryToken(&reader)
        attempt = try reader.u32("attempt")
        leasedAtMilliseconds = try reader.u64("leased at")
        endsAtMilliseconds = try reader.u64("ends at")
        percent = try reader.u8("percent")
        note = try reader.sentence("note")
    }
}

/// `u64 session id · string label · string value · u8 action · u32 grace ms · sentence reason · tail`; the reply is
/// `u32 sessions reached · tail`, ``WorkerControlReply``.
package struct WorkerControlRequest: Equatable, Sendable {
    /// 0: all whose label has the value.
    package var sessionID: UInt64
    /// Empty, with session id 0: every session.
    package var label: String
    package var value: String
    package var action: WorkerAction
    package var graceMilliseconds: UInt32
    package var reason: String

    package init(sessionID: UInt64 = 0, label: String = "", value: String = "", action: WorkerAction, graceMilliseconds: UInt32, reason: String) {
        self.sessionID = sessionID
        self.label = label
        self.value = value
        self.action = action
        self.graceMilliseconds = graceMilliseconds
        self.reason = reason
    }

    package func encode(into writer: inout WireWriter) {
        writer.u64(sessionID)
        writer.string(label)
        writer.string(value)
        writer.u8(action.rawValue)
        writer.u32(graceMilliseconds)
        writer.sentence(reason)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        sessionID = try reader.u64("session id")
        label = try reader.string("label")
        value = try reader.string("value")
        let raw = try reader.u8("action")
        guard let action = WorkerAction(rawValue: raw) else {
            throw WireError(.invalidArgument, "worker action \(raw): 0 (quiet), 1 (resume) and 2 (terminate) are known")
        }
        self.action = action
        graceMilliseconds = try reader.u32("grace")
        reason = try reader.sentence("reason")
        try reader.skipTail()
    }
}

package struct WorkerControlReply: Equatable, Sendable {
    package var sessionsReached: UInt32
    package init(sessionsReached: UInt32) { self.sessionsReached = sessionsReached }
    package func encode(into writer: inout WireWriter) { writer.u32(sessionsReached) }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        sessionsReached = try reader.u32("sessions reached")
        try reader.skipTail()
    }
}
