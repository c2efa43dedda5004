import SpindleNode
import SpindleWire
import Testing

/// LEASEs and AWAITs that wait: who is first, and what is left of those that went.
@Suite struct WaitingTests {
    private static func waiter(_ session: UInt64, queue: UInt32 = 0, others: [UInt32] = [], until deadline: UInt64 = 1_000) -> Waiter {
        Waiter(
            session: SessionID(rawValue: session), correlationID: UInt32(session), first: .init(queue: queue, leaseMilliseconds: 1),
            others: others.map { .init(queue: $0, leaseMilliseconds: 1) }, messagesMax: 1, bytesMax: 1, deadline: deadline)
    }

    private static func line(_ leases: inout WaitingLeases, queue: UInt32 = 0) -> [UInt64] {
        var copy = leases
        var sessions: [UInt64] = []
        while let first = copy.first(inLineFor: queue) {
            sessions.append(first.session.rawValue)
            copy.remove(first.number)
        }
        return sessions
    }

    @Test func aConnectionThatGoesTakesItsWaitersAlong() {
        var leases = WaitingLeases()
        for session in [1, 2, 1, 3] as [UInt64] { leases.add(Self.waiter(session)) }
        leases.add(Self.waiter(2, queue: 5), parkedFor: .quiet)
        #expect(leases.removeAll(of: SessionID(rawValue: 1)).count == 2)
        #expect(Self.line(&leases) == [2, 3])
        #expect(leases.count == 3)
        #expect(leases.count(on: 5) == 1)
        #expect(leases.count(inLineFor: 5) == 0)
        #expect(leases.removeAll(of: SessionID(rawValue: 2)).count == 2)
        #expect(leases.count(on: 5) == 0)
        #expect(leases.removeAll(of: SessionID(rawValue: 2)).isEmpty)
    }

    @Test func whoWasParkedComesBackToItsPlace() {
        var leases = WaitingLeases()
        for session in [1, 2, 3] as [UInt64] { leases.add(Self.waiter(session)) }
        leases.parkAll(of: SessionID(rawValue: 1), for: .quiet)
        leases.parkAll(of: SessionID(rawValue: 2), for: .quiet)
        #expect(Self.line(&leases) == [3])
        // Looking at the line drops the places of those that are parked: they are found again all the same.
        #expect(leases.first(inLineFor: 0)?.session.rawValue == 3)
        leases.add(Self.waiter(4))
        #expect(leases.resumeAll(of: SessionID(rawValue: 2), from: .quiet) == [0])
        #expect(Self.line(&leases) == [2, 3, 4])
        #expect(leases.resumeAll(of: SessionID(rawValue: 1), from: .quiet) == [0])
        #expect(leases.resumeAll(of: SessionID(rawValue: 1), from: .quiet).isEmpty)
        #expect(Self.line(&leases) == [1, 2, 3, 4])
        leases.parkAll(of: SessionID(rawValue: 3), for: [.quiet, .noRoom])
        #expect(leases.resumeAll(of: SessionID(rawValue: 3), from: .quiet).isEmpty, "it has no room yet")
        #expect(leases.removeAll(on: 0).map(\.session.rawValue) == [1, 2, 3, 4])
        #expect(leases.count == 0)
    }

    @Test func aWaiterForSeveralQueuesStandsInTheLineOfEach() {
        var leases = WaitingLeases()
        leases.add(Self.waiter(1))
        leases.add(Self.waiter(2, queue: 3, others: [0, 5]))
        leases.add(Self.waiter(3, queue: 5))
        #expect(Self.line(&leases) == [1, 2] && Self.line(&leases, queue: 3) == [2] && Self.line(&leases, queue: 5) == [2, 3])
        leases.parkAll(of: SessionID(rawValue: 2), for: .quiet)
        #expect(Self.line(&leases) == [1] && Self.line(&leases, queue: 5) == [3])
        #expect(leases.resumeAll(of: SessionID(rawValue: 2), from: .quiet) == [3, 0, 5])
        #expect(Self.line(&leases, queue: 5) == [2, 3], "it is where it was in each")
        #expect(leases.removeAll(on: 0).map(\.session.rawValue) == [1, 2])
        #expect(leases.count(on: 3) == 0 && Self.line(&leases, queue: 5) == [3] && leases.count == 1)
    }

    @Test func waitsEndInTheOrderOfTheirDeadlines() {
        var leases = WaitingLeases()
        for (session, deadline) in [(1, 30), (2, 10), (3, 20), (4, 10)] as [(UInt64, UInt64)] {
            leases.add(Self.waiter(session, until: deadline), parkedFor: session == 4 ? .quiet : [])
        }
        leases.removeAll(of: SessionID(rawValue: 3))
        #expect(leases.removeNextDue(now: 9) == nil)
        #expect(leases.removeNextDue(now: 25)?.session.rawValue == 2)
        #expect(leases.removeNextDue(now: 25)?.session.rawValue == 4)
        #expect(leases.removeNextDue(now: 25) == nil)
        #expect(leases.nextDeadline == 30)
    }

    @Test func aWaitThatEndsWithoutRoomEndsWhenThereIsRoom() {
        var leases = WaitingLeases()
        leases.add(Self.waiter(1, until: 10), parkedFor: .noRoom)
        #expect(leases.removeNextDue(now: 25) == nil, "what it asked for may be there")
        #expect(leases.resumeAll(of: SessionID(rawValue: 1), from: .noRoom) == [0])
        #expect(leases.removeNextDue(now: 25)?.session.rawValue == 1)
    }

    /// Each row: how they leave.
    @Test(arguments: ["served", "connection gone", "ended"])
    func nothingGrowsByThoseThatWent(_ how: String) {
        var leases = WaitingLeases()
        var awaits = WaitingAwaits()
        leases.add(Self.waiter(1, until: .max))
        for round in 0..<2_000 as Range<UInt64> {
            let session = SessionID(rawValue: 2 + round)
            for _ in 0..<3 { leases.add(Self.waiter(session.rawValue, until: 10_000_000 + round)) }
            let awaiter = Awaiter(session: session, correlationID: 1, queue: 0, ids: [7, 8], pending: [7, 8])
            awaits.add(awaiter, until: 10_000_000 + round)
            switch how {
            case "served":
                while leases.count > 1, let number = Self.last(of: leases, session) { leases.remove(number) }
                _ = awaits.ended(7)
                #expect(awaits.ended(8).count == 1)
            case "connection gone":
                leases.removeAll(of: session)
                #expect(awaits.removeAll(of: session).map(\.pending.count) == [2])
            default:
                leases.removeAll(of: session)
                while awaits.removeNextDue(now: .max) != nil {}
            }
            #expect(leases.count == 1)
            #expect(leases.entryCount < 300)
            #expect(awaits.messageCount == 0 && awaits.isEmpty)
            #expect(awaits.entryCount < 300)
        }
        #expect(leases.first(inLineFor: 0)?.session.rawValue == 1)
    }

    private static func last(of leases: WaitingLeases, _ session: SessionID) -> UInt64? {
        var copy = leases
        while let first = copy.first(inLineFor: 0) {
            if first.session == session { return first.number }
            copy.remove(first.number)
        }
        return nil
    }

    @Test func anAwaitEndsWithTheLastOfItsMessages() {
        var awaits = WaitingAwaits()
        let one = SessionID(rawValue: 1)
        let two = SessionID(rawValue: 2)
        awaits.add(Awaiter(session: one, correlationID: 1, queue: 0, ids: [5, 6, 5], pending: [5, 6]), until: 100)
        awaits.add(Awaiter(session: two, correlationID: 2, queue: 3, ids: [6], pending: [6]), until: 50)
        #expect(awaits.messageCount == 3)
        #expect(awaits.messages(of: 3).isEmpty, "the first of them is of another queue")
        #expect(awaits.ended(5).isEmpty)
        #expect(awaits.ended(6).map(\.correlationID) == [1, 2])
        #expect(awaits.isEmpty && awaits.messageCount == 0)
        // A message that ended came back, and is awaited by another: the first does not count for it.
        awaits.add(Awaiter(session: one, correlationID: 3, queue: 0, ids: [5, 6], pending: [5, 6]), until: 100)
        _ = awaits.ended(5)
        awaits.add(Awaiter(session: two, correlationID: 4, queue: 0, ids: [5], pending: [5]), until: 200)
        #expect(awaits.removeAll(of: one).map(\.remaining) == [1])
        #expect(awaits.messageCount == 1)
        #expect(awaits.ended(5).map(\.correlationID) == [4])
    }

    // MARK: Through the node

    private static func lease(_ broker: TestBroker, _ session: SessionID, wait: UInt32, max: UInt32 = 1) {
        broker.request(session, .lease) {
            LeaseRequest(queue: "q", messagesMax: max, bytesMax: 1 << 20, leaseMilliseconds: 0, waitMilliseconds: wait).encode(into: &$0)
        }
    }

    /// Ghost consumers: connections with long waits that went must leave room for those that live.
    @Test(arguments: [true, false])
    func leasesOfClosedConnectionsAreGone(isCutFirst: Bool) throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        for _ in 0..<150 {
            let ghost = broker.connect()
            for _ in 0..<1_000 { Self.lease(broker, ghost, wait: 3_600_000) }
            broker.turn()
            if isCutFirst { broker.cutForTest(ghost) } else { broker.disconnect(ghost) }
        }
        let stats = try #require(broker.ask(admin, .stats) { StatsRequest(pattern: "q").encode(into: &$0) })
        #expect(try StatsReply(stats.body.span.bytes).queues.first?.waiters == 0)
        let live = broker.connect()
        Self.lease(broker, live, wait: 60_000)
        broker.turn()
        #expect(broker.frames(live).isEmpty, "it waits")
        var record = WireWriter()
        try MessageRecord(body: [1]).encode(into: &record)
        _ = broker.ask(admin, .publish) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1, recordsByteCount: record.count, into: &writer)
            writer.bytes(record.span)
        }
        let delivered = try #require(broker.frames(live).first { $0.header.opcode == Opcode.lease.rawValue })
        var reader = WireReader(delivered.body.span.bytes)
        #expect(try LeaseReplyHead(&reader).items.map(\.attempt) == [1])
    }
}
