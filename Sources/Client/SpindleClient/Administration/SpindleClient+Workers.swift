internal import SpindleWire

/// An operator's wish for a worker.
public enum WorkerAction: Sendable, Hashable, CaseIterable {
    /// Lease nothing new, finish what is held, stay connected.
    case quiet
    /// Lease again.
    case resume
    /// As quiet; then hand back what is not finished within the grace, and exit.
    case terminate
}

/// A wish as it reaches a worker.
public struct WorkerWish: Sendable, Equatable {
    public var action: WorkerAction
    /// With ``WorkerAction/terminate``: how long to finish what is held.
    public var grace: Duration
    public var reason: String
}

/// A connection to the broker, who it is and what it holds.
public struct WorkerSession: Sendable, Equatable, Identifiable {
    public struct Lease: Sendable, Equatable {
        public var queue: String
        public var token: DeliveryToken
        /// 1 at the first delivery.
        public var attempt: Int
        /// Unix time.
        public var leasedAtMilliseconds: Int64
        public var endsAtMilliseconds: Int64
        /// 0 to 100; nil: it did not say.
        public var percent: Int?
        public var note: String
    }

    /// 0: no connection, but the leases of connections that are gone.
    public var id: UInt64
    public var principal: String
    public var clientName: String
    public var clientVersion: String
    /// Host and port.
    public var address: String
    /// Unix time.
    public var connectedAtMilliseconds: Int64
    public var heardAtMilliseconds: Int64
    /// Told to be quiet or to terminate.
    public var isQuiet: Bool
    /// It waits for messages.
    public var waits: Bool
    /// Leases in all.
    public var held: Int
    /// In the order in which the client named them.
    public var labels: [Message.UserHeader]
    /// At most 1,000; empty where they were not asked for.
    public var leases: [Lease]
}

/// Which sessions a wish is for.
public enum WorkerSelection: Sendable, Hashable {
    case all
    /// One, by ``WorkerSession/id``.
    case session(UInt64)
    /// All whose label has this value.
    case label(String, value: String)
}

extension SpindleClient {
    /// Connections whose client's name matches, and what they hold. Permission: read with the pattern `*`.
    ///
    /// - Parameters:
    ///   - pattern: `*` stands for any run of characters.
    ///   - withLeases: also what each of them holds, at most 1,000 leases each.
    /// - Throws: ``SpindleError``.
    public func workers(matching pattern: String = "*", withLeases: Bool = true) async throws -> [WorkerSession] {
        var sessions: [WorkerSession] = []
        let link = anyLink()
        var after: UInt64 = 0
        while true {
            let reply = try await call(.workers, on: link, afterLoss: .repeated) {
                WorkersRequest(pattern: pattern, after: after, withLeases: withLeases).encode(into: &$0)
            } decode: { body throws(WireError) in
                try WorkersReply(body)
            }
            sessions += reply.sessions.map { WorkerSession($0) }
            // A page that is empty or does not go on would be asked for again and again.
            guard reply.moreFollow, let last = sessions.last?.id, last > after else { return sessions }
            after = last
        }
    }

    /// Tells workers an operator's wish; one that does not follow keeps its leases until they run out, but is granted no new ones while
    /// it is told to be quiet or to terminate. Permission: admin with the pattern `*`.
    ///
    /// - Parameters:
    ///   - grace: with ``WorkerAction/terminate``: how long to finish what is held, to the millisecond.
    ///   - reason: told to the workers; cut after 2,048 bytes.
    /// - Returns: how many sessions were told.
    /// - Throws: ``SpindleError``.
    public func control(
        _ selection: WorkerSelection, _ action: WorkerAction, grace: Duration = .seconds(30), reason: String
    ) async throws -> Int {
        var request = WorkerControlRequest(
            action: action.wire, graceMilliseconds: UInt32(grace.milliseconds(max: UInt64(UInt32.max))), reason: reason)
        switch selection {
        case .all: break
        case .session(let id):
            guard id > 0 else {
                throw SpindleError(code: .invalidArgument, message: "session 0 is no connection: those it stands for are gone")
            }
            request.sessionID = id
        case .label(let name, let value):
            guard !name.isEmpty else { throw SpindleError(code: .invalidArgument, message: "the label's name is empty") }
            request.label = name
            request.value = value
        }
        return try await call(.workerControl, on: anyLink(), afterLoss: .repeated) {
            request.encode(into: &$0)
        } decode: { body throws(WireError) in
            Int(try WorkerControlReply(body).sessionsReached)
        }
    }

    /// Calls `action` with each wish of an operator, on an event loop: it must not block. A wish for all of a client's connections comes
    /// once for each. Returns what ``forgetWishes(_:)`` takes.
    public func onWish(_ action: @escaping @Sendable (WorkerWish) -> Void) -> Int { wishes.add(action) }

    public func forgetWishes(_ id: Int) { wishes.remove(id) }
}

extension WorkerAction {
    var wire: SpindleWire.WorkerAction {
        switch self {
        case .quiet: .quiet
        case .resume: .resume
        case .terminate: .terminate
        }
    }

    init(_ wire: SpindleWire.WorkerAction) {
        switch wire {
        case .quiet: self = .quiet
        case .resume: self = .resume
        case .terminate: self = .terminate
        }
    }
}

extension WorkerWish {
    /// nil for an action of a later broker, which is to be ignored.
    init?(_ notice: QuietNotice) {
        guard let action = notice.action else { return nil }
        self.init(action: WorkerAction(action), grace: .milliseconds(Int64(notice.graceMilliseconds)), reason: notice.reason)
    }
}

extension WorkerSession {
    init(_ wire: WorkersReply.Session) {
        self.init(
            id: wire.id, principal: wire.principal, clientName: wire.clientName, clientVersion: wire.clientVersion, address: wire.address,
            connectedAtMilliseconds: Int64(clamping: wire.connectedAtMilliseconds),
            heardAtMilliseconds: Int64(clamping: wire.heardAtMilliseconds), isQuiet: wire.isQuiet, waits: wire.waits, held: Int(wire.held),
            labels: wire.labels.map { Message.UserHeader(name: $0.name, value: $0.value) }, leases: wire.leases.map { Lease($0) })
    }
}

extension WorkerSession.Lease {
    init(_ wire: WorkersReply.Lease) {
        self.init(
            queue: wire.queue, token: DeliveryToken(wire.token), attempt: Int(wire.attempt),
            leasedAtMilliseconds: Int64(clamping: wire.leasedAtMilliseconds), endsAtMilliseconds: Int64(clamping: wire.endsAtMilliseconds),
            percent: wire.percent == ExtendRequest.Item.noPercent ? nil : Int(wire.percent), note: wire.note)
    }
}
