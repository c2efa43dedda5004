internal import DequeModule
internal import SpindleWire

/// Flow control of all sessions' output: each has a window, and all together have a budget.
///
/// A window shrinks as the budget fills: it is at most a quarter of what is free, so that a session that comes later finds room too.
/// Every session keeps ``floorBytes``, whatever the others hold. A session with nothing outstanding may get one frame beyond its window.
/// Where the budget is short of such a frame, the session that waited longest comes first: room is kept for it until its frame fits.
struct OutputFlow: Sendable {
    /// A session may always have so much outstanding.
    static let floorBytes = FlowLimits.outputWindowBytesMin
    /// A window takes at most this part of what the budget has left.
    private static let shareDivisor = 4
    /// Requests of one session that were taken and wait for room, at most, while further ones are taken.
    static let setAsideMax = 16

    let windowBytes: Int
    let budgetBytes: Int
    /// Of all sessions together.
    private(set) var outstanding = 0
    private var windows: [SessionID: OutputWindow] = [:]
    /// Sessions with nothing outstanding that wait for the budget, in the order in which they came.
    private var line: Deque<SessionID> = []
    /// Whose turn it is of those in line. What it needs is kept free for it until it has had its turn.
    private var called: (session: SessionID, byteCount: Int)?
    /// Sessions that waited and have room now.
    private var resumable: [SessionID] = []

    init(windowBytes: Int, budgetBytes: Int) {
        self.windowBytes = windowBytes
        self.budgetBytes = budgetBytes
    }

    mutating func connected(_ session: SessionID) { windows[session] = OutputWindow() }

    mutating func disconnected(_ session: SessionID) {
        guard let gone = windows.removeValue(forKey: session) else { return }
        outstanding -= gone.outstanding
        if gone.needed != nil { line.removeAll { $0 == session } }
        if called?.session == session { called = nil }
        callLine()
    }

    private var floor: Int { min(Self.floorBytes, windowBytes) }

    // MARK: Room

    /// Bytes made for the session since it came, and taken by it.
    func totals(_ session: SessionID) -> (made: UInt64, taken: UInt64) {
        windows[session].map { ($0.madeTotal, $0.takenTotal) } ?? (0, 0)
    }

    func outstanding(_ session: SessionID) -> Int { windows[session]?.outstanding ?? 0 }

    /// What may be made for `session` now.
    func allowance(_ session: SessionID) -> OutputAllowance {
        guard let window = windows[session] else { return .none }
        return allowance(session, window)
    }

    private func allowance(_ session: SessionID, _ window: OutputWindow) -> OutputAllowance {
        var free = budgetBytes - outstanding
        let isCalled = called?.session == session
        if !isCalled { free -= kept(from: session) }
        free = max(0, free)
        let limit = max(floor, min(windowBytes, free / Self.shareDivisor))
        let room = max(0, limit - window.outstanding)
        guard window.outstanding == 0 else { return OutputAllowance(room: room, single: room) }
        return OutputAllowance(room: room, single: max(room, isCalled ? free : free / 2))
    }

    /// What is kept free for another session whose turn it is, or is next.
    private func kept(from session: SessionID) -> Int {
        if let called { return called.byteCount }
        guard let first = line.first, first != session else { return 0 }
        return windows[first]?.needed ?? 0
    }

    /// What those in line need beyond what the budget has left, bytes.
    var missing: Int {
        let needed = line.reduce(called?.byteCount ?? 0) { $0 + (windows[$1]?.needed ?? 0) }
        return max(0, needed - max(0, budgetBytes - outstanding))
    }

    /// Whether the next request of `session` may be taken: its window is not full.
    func takesRequests(_ session: SessionID) -> Bool {
        guard let window = windows[session] else { return false }
        guard window.setAside < Self.setAsideMax else { return false }
        // What waits for room may be overtaken by a window of other output, and no more: a frame beyond the window needs it empty.
        if window.needed != nil, window.outstanding > 0, window.madeTotal - window.neededSince >= UInt64(windowBytes) { return false }
        return window.outstanding == 0 || allowance(session, window).room > 0
    }

    // MARK: Accounts

    mutating func promise(_ byteCount: Int, to session: SessionID) {
        guard byteCount > 0, windows[session] != nil else { return }
        windows[session]?.promise(byteCount)
        outstanding += byteCount
    }

    mutating func release(_ byteCount: Int, of session: SessionID) {
        guard byteCount > 0, windows[session] != nil else { return }
        windows[session]?.release(byteCount)
        outstanding -= byteCount
    }

    mutating func made(_ byteCount: Int, for session: SessionID) {
        guard windows[session] != nil else { return }
        windows[session]?.made(byteCount)
        outstanding += byteCount
    }

    mutating func taken(_ byteCount: Int, by session: SessionID) {
        guard let known = windows[session]?.taken(byteCount) else { return }
        outstanding -= known
        callBack(session)
        callLine()
    }

    // MARK: Waiting for room

    /// `session` could not be given `byteCount` bytes: it is named by ``takeResumable()`` when it can.
    mutating func wait(_ session: SessionID, for byteCount: Int) {
        guard let window = windows[session] else { return }
        windows[session]?.needed = min(byteCount, window.needed ?? byteCount)
        if window.needed == nil { windows[session]?.neededSince = window.madeTotal }
        // With output of its own outstanding it waits for that: a session that takes nothing must not hold up the line.
        guard window.needed == nil, window.outstanding == 0 else { return }
        line.append(session)
        callLine()
    }

    mutating func noteSetAside(_ session: SessionID, _ change: Int) { windows[session]?.setAside += change }

    var hasResumable: Bool { !resumable.isEmpty }

    /// The sessions that have room for what they waited for. ``resumed(_:)`` follows for each, when it has made what it could.
    mutating func takeResumable() -> [SessionID] {
        let sessions = resumable
        resumable.removeAll(keepingCapacity: true)
        return sessions
    }

    /// Room is kept for what this session makes now.
    func isCalled(_ session: SessionID) -> Bool { called?.session == session }

    /// The session has had its turn.
    mutating func resumed(_ session: SessionID) {
        guard called?.session == session else { return }
        called = nil
        callLine()
    }

    /// Its own output left: half of the window is free, or nothing is outstanding, so that frames are not made in crumbs.
    private mutating func callBack(_ session: SessionID) {
        guard let window = windows[session], let needed = window.needed, called?.session != session else { return }
        guard window.outstanding == 0 || window.outstanding <= windowBytes / 2 else { return }
        guard needed <= allowance(session, window).single else {
            // Nothing of its own is in the way any more.
            if window.outstanding == 0, !line.contains(session) { line.append(session) }
            return
        }
        windows[session]?.needed = nil
        resumable.append(session)
        if !line.isEmpty { line.removeAll { $0 == session } }
    }

    /// Calls the first of those who wait for the budget, once it has room for that one.
    private mutating func callLine() {
        while called == nil, let first = line.first {
            guard let needed = windows[first]?.needed else {
                line.removeFirst()
                continue
            }
            guard needed <= max(budgetBytes - outstanding, floor) else { return }
            line.removeFirst()
            windows[first]?.needed = nil
            called = (first, needed)
            resumable.append(first)
        }
    }
}
