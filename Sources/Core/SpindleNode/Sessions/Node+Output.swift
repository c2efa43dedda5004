internal import SpindleQueue
internal import SpindleWire

// Flow control: what is made for a session fits its window, and what did not fit is made when its output has left.
//
// A request is taken while its session's window is not full (``takesRequests(_:)``), so that one read of many requests makes at most a
// window and a frame. What may grow large looks at the room it has (``OutputFlow/allowance(_:)``) before it is made: pages get shorter,
// and a delivery, a page or an event that does not fit waits apart until it does. Small pushes are always made, and are bounded.
extension Node {
    /// A page is not made smaller than this for want of room, bytes.
    private static let pageBytesMin = OutputFlow.floorBytes
    /// Pushes to a session whose window is full: beyond these bytes they are left out.
    private static let pushBytesMax = 256 << 10

    /// A request that was taken and could not be answered for want of room.
    enum SetAside: Sendable {
        case browse(Browse)
        case get(GetWait)
        case await(Awaiter)
        /// An operator's wish for the session, the newest one.
        case quiet(QuietNotice)
    }

    // MARK: The shell's side

    /// `byteCount` bytes of the session's output were taken by its socket. Returns whether something that waited can go on: with
    /// ``endOfTick(now:)``.
    @discardableResult
    package mutating func outputTaken(_ session: SessionID, bytes byteCount: Int) -> Bool {
        accountOutput()
        flow.taken(byteCount, by: session)
        unsentGrants.taken(by: session, through: flow.totals(session).taken)
        return flow.hasResumable
    }

    /// Whether something that waited for room can go on, with ``endOfTick(now:)``.
    package var canResumeOutput: Bool { flow.hasResumable }

    /// Whether the next request of `session` may be handed in. If not, it waits where it is, until output was taken, or a request that is done
    /// in steps has ended.
    package mutating func takesRequests(_ session: SessionID) -> Bool {
        if !outbox.made.isEmpty { accountOutput() }
        return !isWorking(for: session) && flow.takesRequests(session)
    }

    /// Hands the effects that gathered to the shell, and takes an empty outbox for the next ones.
    package mutating func takeOutbox(into empty: inout Outbox) {
        accountOutput()
        swap(&outbox, &empty)
    }

    /// Lets the peer hear from the broker.
    package mutating func ping(_ session: SessionID) {
        guard !isClosing(session) else { return }
        outbox.push(session, .ping) { _ in }
    }

    /// Bytes of output of all sessions that were decided and not taken.
    package var outputBytes: Int { flow.outstanding }

    /// What sessions that wait for the budget need beyond what it has left, bytes.
    package var outputBytesMissing: Int { flow.missing }

    /// Bytes of output of one session that were decided and not taken.
    package mutating func outputBytes(of session: SessionID) -> Int {
        accountOutput()
        return flow.outstanding(session)
    }

    // MARK: Accounts

    /// Counts what was put into the outbox for its sessions.
    mutating func accountOutput() {
        guard !outbox.made.isEmpty else { return }
        for (session, byteCount) in outbox.made { flow.made(byteCount, for: session) }
        outbox.made.removeAll(keepingCapacity: true)
    }

    /// What may be made for `session` now.
    mutating func outputAllowance(_ session: SessionID) -> OutputAllowance {
        accountOutput()
        return flow.allowance(session)
    }

    /// Bytes of a page for `session`: one that has little room gets short ones.
    mutating func pageBytesMax(_ session: SessionID) -> Int {
        min(configuration.frameBytesMax, max(outputAllowance(session).room, Self.pageBytesMin))
    }

    /// Whether a push that may be left out is made.
    mutating func hasRoomForPush(_ session: SessionID) -> Bool {
        accountOutput()
        return flow.outstanding(session) < max(configuration.outputWindowBytes, OutputFlow.floorBytes) + Self.pushBytesMax
    }

    // MARK: Waiting for room

    /// Keeps what can't be answered until `session` has room for `byteCount` bytes.
    mutating func setAside(_ what: SetAside, of session: SessionID, for byteCount: Int) {
        if case .quiet = what {
            setAside[session]?.removeAll { if case .quiet = $0 { true } else { false } }
        } else {
            flow.noteSetAside(session, 1)
        }
        setAside[session, default: []].append(what)
        flow.wait(session, for: byteCount)
    }

    /// Goes on with what waited for room. Returns whether there was something.
    @discardableResult
    mutating func resumeOutput(now: UInt64) -> Bool {
        guard flow.hasResumable else { return false }
        for session in flow.takeResumable() {
            resumeOutput(of: session, now: now)
            accountOutput()
            flow.resumed(session)
        }
        return true
    }

    private mutating func resumeOutput(of session: SessionID, now: UInt64) {
        guard !isClosing(session) else { return }
        putBackInLine(session, now: now)
        for what in setAside.removeValue(forKey: session) ?? [] {
            if case .quiet = what {} else { flow.noteSetAside(session, -1) }
            switch what {
            case .browse(let browse): continueBrowse(browse)
            case .get(let wait): continueGet(wait)
            case .await(let awaiter): answerAwait(awaiter)
            case .quiet(let notice): pushQuiet(notice, to: session)
            }
        }
        guard sessions[session]?.subscriptions.isEmpty == false else { return }
        topicPush.hasWork = true
        // The others' turn comes at the end of the tick.
        if flow.isCalled(session) { pushTopicEvents(first: session) }
    }

    /// The LEASEs of `session` that waited for room take their places in line again. Those whose wait ended meanwhile are answered with
    /// what there is.
    private mutating func putBackInLine(_ session: SessionID, now: UInt64) {
        for queue in waitingLeases.resumeAll(of: session, from: .noRoom) { becameReady(queue) }
        serveWaiters(now: now)
        if isDraining { endWaits(now: .max, max: .max) }
    }

    /// Tells the session an operator's wish; with a full window it is told the newest one when there is room.
    mutating func pushQuiet(_ notice: QuietNotice, to session: SessionID) {
        guard hasRoomForPush(session) else {
            setAside(.quiet(notice), of: session, for: OutputFlow.floorBytes / 2)
            return
        }
        outbox.push(session, .quiet) { notice.encode(into: &$0) }
    }
}
