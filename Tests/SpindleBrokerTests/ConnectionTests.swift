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

@Suite("Counts of connections")
struct ConnectionCountsTests {
    @Test func limitsInAllByAddressAndByPrincipal() {
        var limits = BrokerLimits()
        limits.connectionsMax = 3
        limits.connectionsPerAddressMax = 2
        var counts = ConnectionCounts()
        func connected(_ address: String) -> Bool { counts.connected(from: address, limits: limits) == nil }
        func authenticated(_ name: String, max: Int?) -> Bool { counts.authenticated(name, max: max) }
        #expect(connected("a"))
        #expect(connected("a"))
        #expect(!connected("a"), "the third of one address")
        counts.disconnected(from: "a", principal: nil)
        #expect(connected("b"))
        #expect(!connected("c"), "the fourth in all")
        counts.disconnected(from: "c", principal: nil)

        #expect(authenticated("p", max: 1))
        #expect(!authenticated("p", max: 1), "the second of one principal")
        counts.disconnected(from: "a", principal: "p")
        #expect(authenticated("p", max: 1))
        #expect(authenticated("q", max: nil))
        #expect(counts.total == 2)
    }
}
