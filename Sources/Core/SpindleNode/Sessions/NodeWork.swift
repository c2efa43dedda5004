internal import DequeModule
internal import SpindleText
internal import SpindleWire

/// The work that a node does, in units that are the same wherever it runs, and the requests whose work goes on in a later turn.
///
/// A unit is about what it takes to look at one message. A request that needs more than ``unitsPerStepMax`` is done in steps; between two of
/// its steps come other requests, timers and commits.
package struct NodeWork: Sendable {
    /// Units after which a request waits for its next step.
    package static let unitsPerStepMax = 4_096
    /// Units of the steps of all such requests in one turn, and of jobs, and of deliveries to those that waited.
    package static let unitsPerTurnMax = 16_384
    /// Bytes that are searched through for one unit.
    static let bytesSearchedPerUnit = 256

    /// Done since the start.
    package private(set) var units: UInt64 = 0
    private var waiting: Deque<LongRequest> = []
    private var countBySession: [SessionID: Int] = [:]

    mutating func charge(_ units: Int) { self.units += UInt64(units) }

    // MARK: Requests that go on

    var waitingCount: Int { waiting.count }

    mutating func wait(_ request: LongRequest) {
        waiting.append(request)
        countBySession[request.session, default: 0] += 1
    }

    /// The request that waited longest.
    mutating func next() -> LongRequest? {
        guard let request = waiting.popFirst() else { return nil }
        let left = (countBySession[request.session] ?? 1) - 1
        countBySession[request.session] = left > 0 ? left : nil
        return request
    }

    func isWaiting(_ session: SessionID) -> Bool { countBySession[session] != nil }
}

/// A request that is done in steps.
enum LongRequest: Sendable {
    case browse(Node.Browse)
    case stats(Node.StatsWalk)
    case workers(Node.WorkersWalk)
    case topicStats(Node.TopicStatsWalk)

    var session: SessionID {
        switch self {
        case .browse(let browse): browse.session
        case .stats(let walk): walk.session
        case .workers(let walk): walk.session
        case .topicStats(let walk): walk.session
        }
    }
}

extension Node {
    /// Whether a request of the session waits for its next step: ``tick(now:)`` goes on with it. The shell takes no further request of the
    /// session until then.
    package func isWorking(for session: SessionID) -> Bool { work.isWaiting(session) }

    /// Whether ``tick(now:)`` has work to go on with.
    package var hasWorkLeft: Bool { work.waitingCount > 0 }

    /// The request goes on in a later turn.
    mutating func wait(_ request: LongRequest) {
        use(.init(requests: 1), request.session)
        work.wait(request)
    }

    /// Takes each request that waits a step further, until the turn's work is done.
    mutating func continueLongRequests(now: UInt64) {
        let end = work.units + UInt64(NodeWork.unitsPerTurnMax)
        for _ in 0..<work.waitingCount {
            guard work.units < end, let request = work.next() else { return }
            free(.init(requests: 1), request.session)
            guard !isClosing(request.session) else { continue }
            switch request {
            case .browse(var browse):
                browse.units = 0
                continueBrowse(browse)
            case .stats(let walk): continueStats(walk, now: now)
            case .workers(let walk): continueWorkers(walk)
            case .topicStats(let walk): continueTopicStats(walk, now: now)
            }
        }
    }

    /// What the request of a whole frame counts, besides what it looks at.
    static func units(of opcode: UInt16, byteCount: Int) -> Int {
        switch Opcode(rawValue: opcode) {
        // Records are copied as they are.
        case .publish, .topicPublish, .settle: 1 + byteCount / 256
        // Up to a token every twelve bytes.
        default: 1 + byteCount / 16
        }
    }
}

/// Names in the order of their bytes.
struct NameIndex: Sendable {
    private(set) var names: [String]

    init(_ names: [String]) { self.names = names.sorted { $0.precedesByBytes($1) } }

    /// The place of the first name behind `name`.
    func place(behind name: String) -> Int { place { !name.precedesByBytes($0) } }

    mutating func insert(_ name: String) {
        let place = place { $0.precedesByBytes(name) }
        if place == names.count || names[place] != name { names.insert(name, at: place) }
    }

    mutating func remove(_ name: String) {
        let place = place { $0.precedesByBytes(name) }
        if place < names.count, names[place] == name { names.remove(at: place) }
    }

    private func place(where isBefore: (String) -> Bool) -> Int {
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(names[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
