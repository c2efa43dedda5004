internal import DequeModule
internal import SpindleQueue
import SpindleText
internal import SpindleWire

// WORKERS and WORKER_CONTROL: who is connected, what they hold, and what an operator wishes of them.
//
// What a session holds is known by the lease itself, which names its session. That is kept in memory only: after a restart, and when
// a connection is gone, a lease is nobody's until a session extends it. So is the progress that EXTEND tells.
extension Node {
    /// Bytes of a page that are left for its frame's head and its last item's texts.
    private static let pageBytesKept = 8 * 1024

    mutating func workers(_ request: Request, _ body: RawSpan) throws(WireError) {
        let workers = try WorkersRequest(body)
        let everything = NamePattern("*")
        guard (request.principal.read + request.principal.admin).contains(where: { $0.covers(everything) }) else {
            throw WireError(
                .permissionDenied, "'\(request.principal.name)' may not look at workers; ask for the permission to read '*' in the broker's configuration")
        }
        let page = WorkersPage(
            room: pageBytesMax(request.session) - Self.pageBytesKept, max: min(Int(workers.max), WireLimits.sessionsPerReplyMax))
        continueWorkers(
            WorkersWalk(
                session: request.session, correlationID: request.correlationID, pattern: NamePattern(workers.pattern),
                withLeases: workers.withLeases, cursor: SessionID(rawValue: workers.after), page: page))
    }

    /// A WORKERS under way: it goes over the sessions in order.
    struct WorkersWalk: Sendable {
        var session: SessionID
        var correlationID: UInt32
        var pattern: NamePattern
        var withLeases: Bool
        /// The last session that was looked at.
        var cursor: SessionID
        var page: WorkersPage
    }

    /// Units of one session's row, besides its leases.
    private static let unitsPerWorkersRow = 8

    /// Goes on until the reply is full or there are no more sessions; waits for the next turn where that takes too long.
    mutating func continueWorkers(_ walk: WorkersWalk) {
        var walk = walk
        var units = 0
        var place = firstPlace(behind: walk.cursor)
        while place < sessionOrder.count, !walk.page.isFull {
            guard units < NodeWork.unitsPerStepMax else {
                work.charge(units)
                return wait(.workers(walk))
            }
            let session = sessionOrder[place]
            place += 1
            units += 1
            walk.cursor = session
            guard case .open(let signedIn)? = sessions[session]?.state, let name = sessions[session]?.clientName, walk.pattern.matches(name) else {
                continue
            }
            units += Self.unitsPerWorkersRow + (sessions[session]?.leases.count ?? 0)
            _ = walk.page.append(row(session, signedIn.principal, withLeases: walk.withLeases))
        }
        // Last, where they need no place in the order of ids.
        if !walk.page.isFull, walk.pattern.matches("") {
            units += unowned.count
            let row = unownedRow(withLeases: walk.withLeases)
            if row.held > 0 { _ = walk.page.append(row) }
        }
        work.charge(units)
        let reply = WorkersReply(sessions: walk.page.rows, moreFollow: walk.page.isFull)
        outbox.reply(walk.session, .workers, walk.correlationID) { reply.encode(into: &$0) }
    }

    /// Sessions are numbered as they come.
    private func firstPlace(behind session: SessionID) -> Int {
        var low = 0
        var high = sessionOrder.count
        while low < high {
            let middle = (low + high) / 2
            if sessionOrder[middle] <= session { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func row(_ session: SessionID, _ principal: Principal, withLeases: Bool) -> WorkersReply.Session {
        forgetEndedLeases(of: session)
        var row = WorkersReply.Session(id: session.rawValue)
        guard let known = sessions[session] else { return row }
        row.principal = principal.name
        row.clientName = known.clientName
        row.clientVersion = known.clientVersion
        row.address = known.peer.cut(toBytes: WireLimits.nameBytesMax)
        row.connectedAtMilliseconds = known.connectedAt
        row.heardAtMilliseconds = known.heardAt
        row.isQuiet = known.isQuiet
        row.waits = waitingLeases.count(of: session) > 0
        row.held = UInt32(clamping: known.leases.count)
        row.labels = known.labels
        if withLeases { row.leases = shown(known.leases) }
        return row
    }

    /// The leases whose connection is gone.
    private mutating func unownedRow(withLeases: Bool) -> WorkersReply.Session {
        forgetEndedUnowned()
        var row = WorkersReply.Session(id: 0)
        row.held = UInt32(clamping: unowned.count)
        if withLeases { row.leases = shown(unowned) }
        return row
    }

    private func shown(_ tokens: [DeliveryToken]) -> [WorkersReply.Lease] {
        tokens.prefix(WireLimits.leasesPerSessionMax).compactMap { token in
            guard let message = state.engine.held.find(token.messageID), case .leased(let lease) = message.state else { return nil }
            var shown = WorkersReply.Lease(
                queue: state.engine.queues[Int(message.queue)].name, token: token, attempt: message.attempts,
                leasedAtMilliseconds: lease.leasedAt, endsAtMilliseconds: lease.deadline)
            if let progress = progress(of: token) {
                shown.percent = progress.percent
                shown.note = progress.note
            }
            return shown
        }
    }

    // MARK: Who holds what

    /// `session` extended the lease `token`, which may have been nobody's, or another connection's of the same principal.
    mutating func own(_ token: DeliveryToken, _ session: SessionID) {
        guard state.engine.own(token.messageID, session: session.rawValue, account: sessions[session]?.account) != session.rawValue else { return }
        owns(session, CollectionOfOne(token))
    }

    /// `session` was granted, or extended, these leases: they are its own from now on.
    mutating func owns(_ session: SessionID, _ tokens: some Sequence<DeliveryToken>) {
        sessions[session]?.leases.append(contentsOf: tokens)
        if let count = sessions[session]?.leases.count, let kept = sessions[session]?.leasesKept, count > kept {
            forgetEndedLeases(of: session)
        }
    }

    func isHeld(_ token: DeliveryToken, by session: UInt64) -> Bool {
        guard let message = state.engine.held.find(token.messageID), message.epoch == token.epoch, case .leased(let lease) = message.state else {
            return false
        }
        return lease.session == session
    }

    private mutating func forgetEndedLeases(of session: SessionID) {
        guard let leases = sessions[session]?.leases else { return }
        let held = heldOnce(leases, by: session.rawValue)
        sessions[session]?.leasesKept = 2 * held.count + Session.leasesKept
        sessions[session]?.leases = held
    }

    private mutating func forgetEndedUnowned() {
        unowned = heldOnce(unowned, by: 0)
        unownedKept = 2 * unowned.count + Session.leasesKept
    }

    /// Those of `tokens` whose leases are held by `session`, each once, in their order.
    private func heldOnce(_ tokens: [DeliveryToken], by session: UInt64) -> [DeliveryToken] {
        var seen: Set<UInt64> = []
        return tokens.filter { isHeld($0, by: session) && seen.insert($0.messageID).inserted }
    }

    /// The connection is gone: its leases go on, and are nobody's.
    mutating func disown(_ leases: [DeliveryToken], of session: SessionID) {
        for token in leases where isHeld(token, by: session.rawValue) {
            state.engine.own(token.messageID, session: 0)
            unowned.append(token)
        }
        if unowned.count > unownedKept { forgetEndedUnowned() }
    }

    /// Leases that a recovered log holds: nobody's.
    static func leases(in state: borrowing NodeState) -> [DeliveryToken] {
        state.engine.held.all.filter(\.isLeased).map { DeliveryToken(messageID: $0.id, epoch: $0.epoch) }
    }

    // MARK: Progress

    /// What the holder of a lease told last; nil: nothing. It is kept in memory only, and ends with the lease.
    func progress(of token: DeliveryToken) -> Progress? {
        guard let progress = progress[token.messageID], progress.epoch == token.epoch else { return nil }
        return progress
    }

    // MARK: WORKER_CONTROL

    mutating func workerControl(_ request: Request, _ body: RawSpan) throws(WireError) {
        let control = try WorkerControlRequest(body)
        let everything = NamePattern("*")
        guard request.principal.admin.contains(where: { $0.covers(everything) }) else {
            throw WireError(
                .permissionDenied,
                "'\(request.principal.name)' may not control workers; ask for the permission to administrate '*' in the broker's configuration")
        }
        let notice = QuietNotice(action: control.action, graceMilliseconds: control.graceMilliseconds, reason: control.reason)
        var reached: UInt32 = 0
        for session in sessionOrder where control.sessionID == 0 || control.sessionID == session.rawValue {
            guard case .open? = sessions[session]?.state, let labels = sessions[session]?.labels else { continue }
            guard control.sessionID != 0 || control.label.isEmpty || labels.contains(where: {
                $0.name.hasSameBytes(as: control.label) && $0.value.hasSameBytes(as: control.value)
            })
            else { continue }
            pushQuiet(notice, to: session)
            switch control.action {
            case .quiet, .terminate: quiet(session)
            case .resume: resume(session)
            }
            reached += 1
        }
        let reply = WorkerControlReply(sessionsReached: reached)
        outbox.reply(request.session, .workerControl, request.correlationID) { reply.encode(into: &$0) }
    }

    /// The session gets no new grants: its LEASEs leave the line, and wait apart.
    private mutating func quiet(_ session: SessionID) {
        guard sessions[session]?.isQuiet == false else { return }
        sessions[session]?.isQuiet = true
        waitingLeases.parkAll(of: session, for: .quiet)
    }

    private mutating func resume(_ session: SessionID) {
        guard sessions[session]?.isQuiet == true else { return }
        sessions[session]?.isQuiet = false
        for queue in waitingLeases.resumeAll(of: session, from: .quiet) { becameReady(queue) }
    }
}

/// Rows of a WORKERS reply, as many as a frame holds.
struct WorkersPage: Sendable {
    var rows: [WorkersReply.Session] = []
    var room: Int
    let max: Int
    private(set) var isFull = false

    init(room: Int, max: Int) {
        self.room = room
        self.max = max
    }

    /// False: it is for the next page. A first row that is too large for any page shows fewer leases.
    mutating func append(_ row: WorkersReply.Session) -> Bool {
        var row = row
        var size = Self.byteCount(row)
        while rows.isEmpty, size > room, !row.leases.isEmpty {
            row.leases.removeLast((row.leases.count + 1) / 2)
            size = Self.byteCount(row)
        }
        guard rows.count < max, size <= room else {
            isFull = true
            return false
        }
        room -= size
        rows.append(row)
        return true
    }

    private static func byteCount(_ row: WorkersReply.Session) -> Int {
        var writer = WireWriter(capacity: 512)
        row.encode(into: &writer)
        return writer.count
    }
}
