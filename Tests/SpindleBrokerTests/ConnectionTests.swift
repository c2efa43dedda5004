import SpindleBroker
import SpindleText
import Testing

@Suite("Deadlines of a connection")
struct ConnectionDeadlinesTests {
    enum Event: Sendable {
        case authenticated
        case read(finished: Bool, partial: Bool)
        case wrote
        case taken(waiting: Bool)
        case forgiven
        case stalled(UInt64)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var events: [(at: UInt64, event: Event)]
        /// The connection lives until here, and ends here for this reason.
        var expiry: (at: UInt64, reason: ConnectionExpiry)
        var testDescription: String { name }
    }

    static let limits: BrokerLimits = {
        var limits = BrokerLimits()
        limits.unauthenticatedMilliseconds = 5
        limits.partialFrameMilliseconds = 30
        limits.outputStallMilliseconds = 40
        limits.heartbeatMilliseconds = 100
        return limits
    }()

    static let cases: [Case] = [
        Case(name: "never says who it is", events: [], expiry: (1_005, .unauthenticated)),
        Case(
            name: "says much, but not who it is", events: [(1_004, .read(finished: true, partial: false))],
            expiry: (1_005, .unauthenticated)),
        Case(name: "falls silent", events: [(1_001, .authenticated), (1_050, .read(finished: true, partial: false))], expiry: (1_150, .silent)),
        Case(
            name: "begins a frame and stops", events: [(1_001, .authenticated), (1_010, .read(finished: false, partial: true))],
            expiry: (1_040, .partialFrame)),
        Case(
            name: "dribbles", events: [(1_001, .authenticated), (1_010, .read(finished: false, partial: true)), (1_039, .read(finished: false, partial: true))],
            expiry: (1_040, .partialFrame)),
        Case(
            name: "finishes a frame, begins another",
            events: [(1_001, .authenticated), (1_010, .read(finished: false, partial: true)), (1_030, .read(finished: true, partial: true))],
            expiry: (1_060, .partialFrame)),
        Case(
            name: "was not read from for a while",
            events: [(1_001, .authenticated), (1_010, .read(finished: false, partial: true)), (1_035, .forgiven)], expiry: (1_065, .partialFrame)),
        Case(name: "could not say who it is while the broker stood still", events: [(1_004, .stalled(3))], expiry: (1_008, .unauthenticated)),
        Case(
            name: "was not heard while the broker stood still",
            events: [(1_001, .authenticated), (1_010, .read(finished: true, partial: false)), (1_500, .stalled(450))], expiry: (1_560, .silent)),
        Case(
            name: "could not finish its frame while the broker stood still",
            events: [(1_001, .authenticated), (1_010, .read(finished: false, partial: true)), (1_039, .stalled(20))], expiry: (1_060, .partialFrame)),
        Case(
            name: "could not take its output while the broker stood still",
            events: [(1_001, .authenticated), (1_010, .wrote), (1_045, .stalled(30))], expiry: (1_080, .outputStalled)),
        Case(
            name: "was heard after the broker stood still",
            events: [(1_001, .authenticated), (1_500, .read(finished: true, partial: false)), (1_510, .stalled(450))], expiry: (1_610, .silent)),
        Case(name: "takes nothing", events: [(1_001, .authenticated), (1_010, .wrote), (1_020, .wrote)], expiry: (1_050, .outputStalled)),
        Case(
            name: "takes some", events: [(1_001, .authenticated), (1_010, .wrote), (1_020, .taken(waiting: true))],
            expiry: (1_060, .outputStalled)),
        Case(
            name: "takes all", events: [(1_001, .authenticated), (1_010, .wrote), (1_020, .taken(waiting: false))], expiry: (1_100, .silent)),
    ]

    @Test(arguments: cases)
    func expires(_ test: Case) {
        var deadlines = ConnectionDeadlines(connectedAt: 1_000)
        for (at, event) in test.events {
            switch event {
            case .authenticated: deadlines.authenticated()
            case .read(let finished, let partial): deadlines.read(at: at, finishedFrame: finished, partial: partial)
            case .wrote: deadlines.wrote(at: at)
            case .taken(let waiting): deadlines.outputTaken(at: at, waiting: waiting)
            case .forgiven: deadlines.forgiveInput(at: at)
            case .stalled(let milliseconds): deadlines.forgiveStall(milliseconds, at: at)
            }
        }
        #expect(deadlines.expired(at: test.expiry.at - 1, limits: Self.limits) == nil)
        #expect(deadlines.expired(at: test.expiry.at, limits: Self.limits) == test.expiry.reason)
    }

    @Test func pingsAfterAThirdOfTheHeartbeat() {
        var deadlines = ConnectionDeadlines(connectedAt: 1_000)
        #expect(!deadlines.pingDue(at: 1_090, limits: Self.limits), "nobody is pinged who has not said who it is")
        deadlines.authenticated()
        #expect(!deadlines.pingDue(at: 1_032, limits: Self.limits))
        #expect(deadlines.pingDue(at: 1_033, limits: Self.limits))
        deadlines.wrote(at: 1_030)
        #expect(!deadlines.pingDue(at: 1_062, limits: Self.limits))
        #expect(deadlines.pingDue(at: 1_063, limits: Self.limits))
    }
}

@Suite("Stalls of the broker")
struct StallWatchTests {
    @Test func whatComesLateTellsByHowMuch() {
        var watch = StallWatch(intervalMilliseconds: 100)
        #expect(watch.came(at: 5_000) == 0, "nothing was due")
        watch.began(at: 5_000)
        #expect(watch.came(at: 5_099) == 0)
        #expect(watch.came(at: 5_100) == 0)
        #expect(watch.came(at: 65_100) == 60_000)
        watch.began(at: 65_200)
        #expect(watch.came(at: 65_301) == 1)
    }
}

@Suite("Counts of connections")
struct ConnectionCountsTests {
    private static func budget(_ limits: BrokerLimits) throws -> SocketBudget {
        try #require(SocketBudget(openFilesMax: 100_000, inUse: 20, limits: limits))
    }

    @Test func limitsInAllByAddressAndByPrincipal() throws {
        var limits = BrokerLimits()
        limits.connectionsMax = 3
        limits.connectionsPerAddressMax = 2
        let budget = try Self.budget(limits)
        var counts = ConnectionCounts()
        func connected(_ address: String) -> Bool { counts.connected(from: address, limits: limits, budget: budget) == nil }
        #expect(connected("a"))
        #expect(connected("a"))
        #expect(!connected("a"), "the third of one address")
        counts.disconnected(from: "a", .refused)
        #expect(connected("b"))
        #expect(!connected("c"), "the fourth in all")
        counts.disconnected(from: "c", .refused)

        func authenticated(_ name: String, _ address: String, max: Int) -> Bool { counts.authenticated(name, from: address, max: max) }
        #expect(authenticated("p", "a", max: 1))
        #expect(!authenticated("p", "a", max: 1), "the second of one principal")
        counts.disconnected(from: "a", .principal("p"))
        #expect(authenticated("p", "a", max: 1))
        #expect(authenticated("q", "b", max: 5))
        #expect(counts.total == 2)
        #expect(counts.unauthenticated == 0)
    }

    @Test func thoseThatHaveNotSaidWhoTheyAreHaveLimitsOfTheirOwn() throws {
        var limits = BrokerLimits()
        limits.unauthenticatedMax = 3
        limits.unauthenticatedPerAddressMax = 2
        let budget = try Self.budget(limits)
        var counts = ConnectionCounts()
        func connected(_ address: String) -> Bool { counts.connected(from: address, limits: limits, budget: budget) == nil }
        #expect(connected("a"))
        #expect(connected("a"))
        #expect(!connected("a"), "the third of one address")
        #expect(connected("b"))
        #expect(!connected("c"), "the fourth in all")
        counts.disconnected(from: "a", .refused)
        counts.disconnected(from: "c", .refused)
        #expect(!connected("c"), "who is refused frees nothing as it goes")
        counts.disconnected(from: "c", .refused)
        let isIn = counts.authenticated("p", from: "a", max: 10)
        #expect(isIn)
        #expect(connected("a"), "who has said it counts no more")
        #expect(!connected("a"))
        counts.disconnected(from: "a", .refused)
        counts.disconnected(from: "b", .unauthenticated)
        #expect(connected("c"))
        #expect(counts.total == 4 && counts.unauthenticated == 3)
    }

    struct BudgetCase: Sendable, CustomTestStringConvertible {
        var name: String
        var openFilesMax: Int
        var connectionsMax: Int
        var sockets: Int?
        var unauthenticated: Int?
        var testDescription: String { name }
    }

    @Test(arguments: [
        BudgetCase(name: "files for all", openFilesMax: 20_000, connectionsMax: 10_000, sockets: 11_250, unauthenticated: 1_000),
        BudgetCase(name: "few files", openFilesMax: 300, connectionsMax: 10_000, sockets: 168, unauthenticated: 84),
        BudgetCase(name: "few connections allowed", openFilesMax: 20_000, connectionsMax: 8, sockets: 24, unauthenticated: 12),
        BudgetCase(name: "hardly enough", openFilesMax: 148, connectionsMax: 10_000, sockets: 16, unauthenticated: 8),
        BudgetCase(name: "too few", openFilesMax: 147, connectionsMax: 10_000, sockets: nil, unauthenticated: nil),
    ])
    func socketsLeaveFilesForTheLog(_ test: BudgetCase) {
        var limits = BrokerLimits()
        limits.connectionsMax = test.connectionsMax
        let budget = SocketBudget(openFilesMax: test.openFilesMax, inUse: 20, limits: limits)
        #expect(budget?.socketsMax == test.sockets)
        #expect(budget?.unauthenticatedMax == test.unauthenticated)
    }

    @Test func theLimitOfOpenFilesIsRaised() {
        let limit = OpenFiles.raiseLimit()
        #expect(limit.now >= limit.before)
        #expect(OpenFiles.raiseLimit().before == limit.now, "it stays raised")
        #expect(OpenFiles.inUse().map { $0 > 2 } == true)
    }
}

@Suite("Repeated log lines")
struct LogThrottleTests {
    @Test func oneOfAKindPerIntervalWithTheNumberOfTheOthers() {
        var throttle = LogThrottle()
        let interval = LogThrottle.intervalMilliseconds
        #expect(throttle.admit("cut", now: 1_000) == 0)
        for _ in 0..<500 { #expect(throttle.admit("cut", now: 1_000 + interval - 1) == nil) }
        #expect(throttle.admit("refused", now: 1_001) == 0, "another kind")
        #expect(throttle.admit("cut", now: 1_000 + interval) == 500)
        #expect(throttle.admit("cut", now: 1_001 + interval) == nil)
    }

    @Test func whatIsNotFollowedByAnotherIsToldAllTheSame() {
        var throttle = LogThrottle()
        let interval = LogThrottle.intervalMilliseconds
        _ = throttle.admit("cut", now: 1_000)
        _ = throttle.admit("cut", now: 1_001)
        _ = throttle.admit("once", now: 1_000)
        #expect(throttle.takeLeftOut(now: 999 + interval).isEmpty)
        let leftOut = throttle.takeLeftOut(now: 1_000 + interval)
        #expect(leftOut.map(\.kind) == ["cut"] && leftOut.map(\.count) == [1])
        #expect(throttle.takeLeftOut(now: 1_000 + interval).isEmpty)
        #expect(throttle.admit("cut", now: 1_001 + interval) == 0)
    }
}

@Suite("Eviction of output")
struct OutputEvictionTests {
    typealias Holder = OutputEviction.Holder<String>

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Bytes that each connection holds, and for how long it has taken nothing.
        var holders: [(name: String, byteCount: Int, stalled: UInt64)]
        var missing: Int
        var evicted: [String]
    }

    static let cases = [
        Case(testDescription: "nobody while nothing is missing", holders: [("a", 900, 9_000)], missing: 0, evicted: []),
        Case(testDescription: "the largest first, and no more than needed", holders: [("a", 100, 5_000), ("b", 900, 5_000)], missing: 900, evicted: ["b"]),
        Case(
            testDescription: "several where one is not enough", holders: [("a", 100, 5_000), ("b", 900, 5_000), ("c", 200, 5_000)], missing: 901,
            evicted: ["b", "c"]),
        Case(testDescription: "nobody who takes something", holders: [("a", 100, 4_999), ("b", 900, 0)], missing: 900, evicted: []),
        Case(testDescription: "nobody who holds nothing", holders: [("a", 0, 60_000)], missing: 900, evicted: []),
    ]

    @Test(arguments: cases)
    func evicts(_ test: Case) {
        let holders = test.holders.map { Holder(connection: $0.name, byteCount: $0.byteCount, stalledMilliseconds: $0.stalled) }
        #expect(OutputEviction.connections(of: holders, missing: test.missing, stalledMin: 5_000) == test.evicted)
    }
}
