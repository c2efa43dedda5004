import SpindleNode
import SpindleWire
import Testing

/// Requests that need much work are done in steps, between which others come. Counted in steps and units, not in time.
@Suite struct WorkTests {
    private static func declare(_ broker: TestBroker, _ session: SessionID, _ names: some Sequence<String>) {
        var policy = QueuePolicyFields()
        policy.deadLetterQueue = ""
        for name in names { _ = broker.ask(session, .declare) { DeclareRequest(queue: name, policy: policy).encode(into: &$0) } }
    }

    /// Messages with 200 bytes in a header each.
    private static func publish(_ broker: TestBroker, _ session: SessionID, _ count: Int) throws {
        var left = count
        while left > 0 {
            let batch = min(1_000, left)
            left -= batch
            var records = WireWriter()
            for _ in 0..<batch {
                var record = MessageRecord(body: [1])
                record.userHeaders = [.init(name: "part", value: String(repeating: "ab", count: 100))]
                try record.encode(into: &records)
            }
            let reply = broker.ask(session, .publish) { writer in
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: batch, recordsByteCount: records.count, into: &writer)
                writer.bytes(records.span)
            }
            try #require(reply?.isError == false)
        }
    }

    /// 32 conditions that nearly hold, of 255 bytes each.
    private static func browse(_ broker: TestBroker, _ session: SessionID, conditions: Int = 32) -> UInt32 {
        var filter = MessageFilter()
        let text = String(repeating: "ab", count: 99) + "c"
        filter.headersContaining = Array(repeating: .init(name: "part", text: text), count: conditions)
        return broker.request(session, .browse) {
            BrowseRequest(queue: "q", after: 0, messagesMax: 100, bytesMax: 1 << 20, parts: [], filter: filter).encode(into: &$0)
        }
    }

    private static func ping(_ broker: TestBroker, _ session: SessionID) { _ = broker.request(session, .ping) { _ in } }

    @Test func othersAreAnsweredBetweenTheStepsOfABrowse() throws {
        let broker = try TestBroker()
        let hostile = broker.connect()
        let good = broker.connect()
        Self.declare(broker, hostile, ["q"])
        try Self.publish(broker, hostile, 5_000)
        let correlation = Self.browse(broker, hostile)
        var steps = 0
        var replies: [TestBroker.Frame] = []
        repeat {
            let before = broker.workUnits
            Self.ping(broker, good)
            broker.step()
            #expect(broker.frames(good).count == 1, "the PING of this step is answered in it")
            #expect(broker.workUnits - before < 4 * NodeWork.unitsPerStepMax, "a step has its limit")
            replies += broker.frames(hostile)
            #expect(replies.isEmpty == broker.isWorking(for: hostile))
            steps += 1
        } while replies.isEmpty && steps < 1_000
        #expect((20..<1_000).contains(steps), "\(steps) steps")
        #expect(replies.map(\.header.correlationID) == [correlation])
        let body = try #require(replies.first).body
        var reader = WireReader(body.span.bytes)
        let head = try BrowseReplyHead(&reader)
        #expect(head.items.isEmpty && head.next > 0, "it looked at a mebibyte of headers, and says where to go on")
    }

    @Test func theSameWorkIsCountedTheSame() throws {
        var units: Set<UInt64> = []
        for _ in 0..<2 {
            let broker = try TestBroker()
            let session = broker.connect()
            Self.declare(broker, session, ["q"])
            try Self.publish(broker, session, 1_000)
            _ = Self.browse(broker, session)
            broker.turn()
            units.insert(broker.workUnits)
        }
        #expect(units.count == 1)
    }

    @Test func requestsThatTakeStepsTakeThemAlternately() throws {
        let broker = try TestBroker()
        let sessions = (0..<3).map { _ in broker.connect() }
        Self.declare(broker, sessions[0], ["q"])
        try Self.publish(broker, sessions[0], 3_000)
        for session in sessions { _ = Self.browse(broker, session) }
        var doneAt: [SessionID: Int] = [:]
        for step in 0..<1_000 where doneAt.count < 3 {
            broker.step()
            for session in sessions where doneAt[session] == nil && !broker.frames(session).isEmpty { doneAt[session] = step }
        }
        let steps = doneAt.values.sorted()
        #expect(steps.count == 3)
        #expect(steps[2] - steps[0] <= 2, "they end nearly at once: \(steps)")
    }

    @Test func whatASessionLeftUndoneEndsWithIt() throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        Self.declare(broker, admin, ["q"])
        try Self.publish(broker, admin, 3_000)
        for isCut in [true, false] {
            let hostile = broker.connect()
            for _ in 0..<5 { _ = Self.browse(broker, hostile) }
            broker.step()
            #expect(broker.isWorking(for: hostile))
            if isCut { broker.cutForTest(hostile) } else { broker.disconnect(hostile) }
            broker.step()
            #expect(!broker.isWorking(for: hostile))
            #expect(!broker.hasWorkLeft)
            #expect(broker.frames(hostile).allSatisfy { $0.header.opcode != Opcode.browse.rawValue })
        }
    }

    @Test func figuresOfManyQueuesComeInStepsAndPages() throws {
        // A page of 600 queues is larger than the frames of other tests.
        let broker = try TestBroker(configuration: NodeConfiguration(serverVersion: "t", serverID: Array(1...16), frameBytesMax: 1 << 20))
        let admin = broker.connect()
        let good = broker.connect()
        let names = (0..<1_500).map { "n\(1_000_000 + $0 * 7 % 1_500)" }
        Self.declare(broker, admin, names)
        _ = broker.ask(admin, .delete) { DeleteRequest(queue: names[3], mode: .ifEmpty).encode(into: &$0) }
        var expected = names.sorted()
        expected.removeAll { $0 == names[3] }
        var seen: [String] = []
        var after = ""
        var steps = 0
        while true {
            _ = broker.request(admin, .stats) { StatsRequest(pattern: "n*", after: after, max: 600).encode(into: &$0) }
            if seen.isEmpty { #expect(broker.isWorking(for: admin), "a page of 600 takes more than a step") }
            var reply: TestBroker.Frame?
            while reply == nil, steps < 100 {
                steps += 1
                Self.ping(broker, good)
                broker.step()
                #expect(broker.frames(good).count == 1)
                reply = broker.frames(admin).first
            }
            let body = try #require(reply).body
            let page = try StatsReply(body.span.bytes)
            seen += page.queues.map(\.name)
            guard page.moreFollow, let last = page.queues.last else { break }
            after = last.name
        }
        #expect(seen == expected)
        #expect(steps >= 3, "\(steps) steps")
    }

    @Test func workersAreListedOnceWhateverComesAndGoes() throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        let workers = (0..<900).map { broker.connect(client: "w\($0)") }
        _ = broker.request(admin, .workers) { WorkersRequest(pattern: "w*", withLeases: false).encode(into: &$0) }
        #expect(broker.isWorking(for: admin))
        broker.disconnect(workers[899])
        for worker in workers[0..<400] { broker.disconnect(worker) }
        broker.turn()
        let reply = try #require(broker.frames(admin).first)
        let names = try WorkersReply(reply.body.span.bytes).sessions.map(\.clientName)
        #expect(Set(names).count == names.count)
        #expect(Set((400..<899).map { "w\($0)" }).isSubset(of: names))
        #expect(!names.contains("w899"))
    }

    @Test func manyWaitersAreServedOverSeveralTurns() throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        Self.declare(broker, admin, ["q"])
        let waiting = broker.connect()
        for _ in 0..<8_000 {
            broker.request(waiting, .lease) {
                LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1 << 20, leaseMilliseconds: 0, waitMilliseconds: 60_000).encode(into: &$0)
            }
        }
        for _ in 0..<8 {
            var records = WireWriter()
            for _ in 0..<1_000 { try MessageRecord(body: [1]).encode(into: &records) }
            broker.request(admin, .publish) { writer in
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1_000, recordsByteCount: records.count, into: &writer)
                writer.bytes(records.span)
            }
        }
        let before = broker.workUnits
        broker.endOfTickOnly()
        #expect(broker.workUnits - before <= UInt64(NodeWork.unitsPerTurnMax) + 16)
        #expect(broker.nextDeadline == 0, "there is more to do")
        broker.turn()
        broker.turn()
        #expect(broker.frames(waiting).count == 8_000)
    }

    // MARK: A stop

    @Test func connectionsWithoutANameAreClosedByAStop() throws {
        let broker = try TestBroker()
        let mute = broker.connectOnly()
        let half = broker.connectOnly()
        broker.request(half, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        let known = broker.connect()
        broker.drain()
        #expect(broker.closed == [mute, half])
        #expect(broker.frames(mute).last?.error.flatMap { ErrorCode(rawValue: $0.code) } == .goingAway)
        #expect(broker.frames(known).map(\.header.opcode) == [Opcode.goingAway.rawValue])
    }
}
