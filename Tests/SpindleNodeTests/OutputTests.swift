import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// Flow control: what is made for a session that takes nothing, a little at a time, or all.
///
/// The window is 64 KiB, the budget 1 MiB and the largest frame 256 KiB; messages of 100,000 bytes are larger than a window.
@Suite struct OutputTests {
    static let window = 64 << 10
    static let budget = 1 << 20
    static let frame = 256 << 10

    let broker: TestBroker
    let admin: SessionID

    init() throws {
        broker = try TestBroker(configuration: NodeConfiguration(
            serverVersion: "t", serverID: Array(1...16), frameBytesMax: Self.frame, outputWindowBytes: Self.window, outputBudgetBytes: Self.budget))
        admin = broker.connect(Principal.everything)
        declare("q") { $0.resultRetentionMilliseconds = 60_000 }
    }

    private func declare(_ name: String, _ change: (inout QueuePolicyFields) -> Void = { _ in }) {
        var policy = QueuePolicyFields()
        change(&policy)
        let frame = broker.ask(admin, .declare) { DeclareRequest(queue: name, policy: policy).encode(into: &$0) }
        #expect(frame?.isError == false)
    }

    private func publish(_ opcode: Opcode = .publish, _ name: String = "q", count: Int, byteCount: Int) throws {
        for _ in 0..<count {
            var record = WireWriter()
            try MessageRecord(body: Array(repeating: 7, count: byteCount)).encode(into: &record)
            let frame = broker.ask(admin, opcode) { writer in
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: name, count: 1, recordsByteCount: record.count, into: &writer)
                writer.bytes(record.span)
            }
            #expect(frame?.isError == false)
            if opcode == .publish, let frame { #expect(try PublishReply(frame.body.span.bytes).runs.map(\.status) == [.ok]) }
        }
    }

    private func lease(_ session: SessionID, max: UInt32 = 1, wait: UInt32 = 0) {
        broker.request(session, .lease) {
            LeaseRequest(queue: "q", messagesMax: max, bytesMax: 1 << 20, leaseMilliseconds: 600_000, waitMilliseconds: wait).encode(into: &$0)
        }
    }

    private func leased(_ frames: [TestBroker.Frame]) throws -> [LeaseReplyHead.Item] {
        try frames.filter { $0.header.opcode == Opcode.lease.rawValue && !$0.isError }.flatMap { frame in
            var reader = WireReader(frame.body.span.bytes)
            return try LeaseReplyHead(&reader).items
        }
    }

    private func events(_ frames: [TestBroker.Frame]) throws -> [TopicEventsHead.Item] {
        try frames.filter { $0.header.opcode == Opcode.topicEvents.rawValue }.flatMap { frame in
            var reader = WireReader(frame.body.span.bytes)
            return try TopicEventsHead(&reader).items
        }
    }

    /// Takes what the session has, portion by portion, until there is nothing.
    private func takeAll(_ session: SessionID, by byteCount: Int) { while broker.take(session, byteCount) {} }

    // MARK: One frame of any size

    @Test(arguments: [1, 1000, .max])
    func messagesLargerThanTheWindowComeOneAfterTheOther(portion: Int) throws {
        try publish(count: 3, byteCount: portion == 1 ? 70_000 : 180_000)
        let session = broker.connect()
        broker.slow(session)
        for _ in 0..<3 { lease(session, max: 3) }
        broker.turn()
        #expect(try leased(broker.frames(session)).count == 1, "the second waits until the first has left")
        takeAll(session, by: portion)
        let rest = try leased(broker.frames(session))
        #expect(rest.map(\.attempt) == [1, 1], "nothing was granted that could not be sent")
        #expect(broker.outputPeak.session <= Self.frame)
    }

    @Test func aLeaseIsGivenWhatFitsTheWindow() throws {
        try publish(count: 10, byteCount: 10_000)
        let session = broker.connect()
        broker.slow(session)
        lease(session, max: 10)
        broker.turn()
        #expect(try leased(broker.frames(session)).count == 6)
        #expect(!broker.takesRequests(session) || broker.outputPeak.session < Self.window)
    }

    @Test func whatWaitsForTheDiskCounts() throws {
        try publish(count: 10, byteCount: 60_000)
        let session = broker.connect()
        broker.isDiskStalled = true
        for _ in 0..<10 { lease(session) }
        broker.turn()
        #expect(broker.frames(session).isEmpty)
        broker.slow(session)
        broker.isDiskStalled = false
        broker.turn()
        #expect(try leased(broker.frames(session)).count == 1)
        takeAll(session, by: .max)
        #expect(try leased(broker.frames(session)).count == 9)
    }

    @Test func smallRequestsDoNotKeepALargeMessageWaiting() throws {
        try publish(count: 1, byteCount: 180_000)
        let session = broker.connect()
        broker.slow(session)
        // More than it reads, all the time: its output is never empty while its requests are taken.
        var asked = 0
        func ping() { while broker.takesRequests(session), asked < 100_000 { broker.request(session, .ping) { _ in }; asked += 1 } }
        broker.request(session, .ping) { _ in }
        broker.turn()
        lease(session)
        var rounds = 0
        while try leased(broker.frames(session)).isEmpty, rounds < 1_000 {
            rounds += 1
            ping()
            broker.turn()
            broker.take(session, 1_000)
        }
        #expect(rounds < 1_000)
    }

    // MARK: Waiting LEASEs

    @Test func aWaiterWithoutRoomDoesNotBlockThoseBehindIt() throws {
        try publish(count: 1, byteCount: 60_000)
        let full = broker.connect(client: "full")
        let other = broker.connect(client: "other")
        broker.slow(full)
        lease(full)
        lease(full, wait: 60_000)
        broker.turn()
        lease(other, wait: 60_000)
        #expect(try leased(broker.frames(full)).count == 1)
        try publish(count: 1, byteCount: 60_000)
        #expect(try leased(broker.frames(other)).count == 1)
        takeAll(full, by: .max)
        #expect(try leased(broker.frames(full)).isEmpty)
        try publish(count: 1, byteCount: 60_000)
        #expect(try leased(broker.frames(full)).count == 1, "back in line when its output has left")
    }

    @Test func aWaitThatEndsWithoutRoomIsAnsweredWhenThereIsRoom() throws {
        try publish(count: 2, byteCount: 60_000)
        let session = broker.connect()
        broker.slow(session)
        lease(session)
        lease(session, wait: 1_000)
        lease(session, wait: 1_000)
        broker.turn()
        broker.advance(5_000)
        #expect(broker.frames(session).count == 1)
        takeAll(session, by: .max)
        broker.turn()
        let frames = broker.frames(session)
        #expect(frames.count == 2)
        #expect(try leased(frames).count == 1)
    }

    @Test func aDeletedQueueAnswersThoseWhoWaitForRoom() throws {
        try publish(count: 2, byteCount: 60_000)
        let session = broker.connect()
        broker.slow(session)
        lease(session)
        lease(session)
        broker.turn()
        _ = broker.frames(session)
        _ = broker.ask(admin, .delete) { DeleteRequest(queue: "q", mode: .withMessages).encode(into: &$0) }
        #expect(broker.frames(session).map { $0.error?.code } == [ErrorCode.noSuchQueue.rawValue])
        takeAll(session, by: .max)
        #expect(broker.takesRequests(session))
    }

    // MARK: Topics

    @Test(arguments: [1, 1000, .max])
    func eventsLargerThanTheWindowComeAtTheReadersPace(portion: Int) throws {
        try publish(.topicPublish, "t", count: 5, byteCount: portion == 1 ? 70_000 : 150_000)
        let session = broker.connect()
        broker.slow(session)
        broker.request(session, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: "*", start: .earliest, credit: 16).encode(into: &$0) }
        broker.turn()
        let first = broker.frames(session)
        #expect(first.first?.header.opcode == Opcode.topicSubscribe.rawValue)
        takeAll(session, by: portion)
        #expect(try events(first + broker.frames(session)).count == 5)
        #expect(broker.outputPeak.session <= Self.frame)
    }

    @Test func silentSubscribersStayWithinTheBudgetAndStarveNobody() throws {
        try publish(.topicPublish, "t", count: 30, byteCount: 40_000)
        let silent = (0..<50).map { _ in broker.connect(client: "silent") }
        for session in silent {
            broker.slow(session)
            broker.request(session, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: "*", start: .earliest, credit: 100).encode(into: &$0) }
        }
        broker.turn()
        #expect(broker.outputPeak.all <= Self.budget + Self.frame + 50 * Self.window)
        let reader = broker.connect(client: "reader")
        broker.request(reader, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: "*", start: .earliest, credit: 100).encode(into: &$0) }
        broker.turn()
        #expect(try events(broker.frames(reader)).count == 30)
    }

    @Test func theBudgetsLineIsServedInItsOrder() throws {
        try publish(count: 12, byteCount: 190_000)
        let sessions = (0..<8).map { broker.connect(client: "\($0)") }
        for session in sessions {
            broker.slow(session)
            lease(session)
            broker.turn()
        }
        let served = try sessions.filter { try leased(broker.frames($0)).count == 1 }
        #expect(!served.isEmpty && served.count < sessions.count)
        #expect(served == Array(sessions.prefix(served.count)))
        #expect(broker.outputPeak.all <= Self.budget)
        // Small ones are served all the same.
        #expect(broker.ask(admin, .ping) { _ in }?.isError == false)
        for session in served { takeAll(session, by: .max) }
        for session in sessions.dropFirst(served.count) { takeAll(session, by: .max) }
        let late = try sessions.dropFirst(served.count).filter { try leased(broker.frames($0)).count == 1 }
        #expect(late.count == sessions.count - served.count, "room came when the first ones had taken theirs")
    }

    @Test func aSessionThatGoesFreesItsShare() throws {
        try publish(count: 12, byteCount: 190_000)
        let sessions = (0..<8).map { broker.connect(client: "\($0)") }
        for session in sessions {
            broker.slow(session)
            lease(session)
        }
        broker.turn()
        let waiting = try sessions.filter { try leased(broker.frames($0)).isEmpty }
        #expect(!waiting.isEmpty)
        for session in sessions where !waiting.contains(session) { broker.disconnect(session) }
        broker.turn()
        for session in waiting { takeAll(session, by: .max) }
        #expect(try waiting.allSatisfy { try leased(broker.frames($0)).count == 1 })
        for session in waiting { broker.disconnect(session) }
        broker.disconnect(admin)
        broker.turn()
        #expect(broker.node.outputBytes == 0, "nothing is counted for those who are gone")
    }

    // MARK: Requests

    @Test func pipelinedRequestsStopBeingTakenAtTheWindow() throws {
        for index in 0..<300 { declare("queue-\(index)") }
        let session = broker.connect()
        broker.slow(session)
        var asked = 0
        while broker.takesRequests(session), asked < 1000 {
            broker.request(session, .stats) { StatsRequest().encode(into: &$0) }
            asked += 1
        }
        #expect(asked < 10)
        broker.turn()
        #expect(broker.outputPeak.session <= Self.window + Self.frame)
        takeAll(session, by: 1000)
        #expect(broker.frames(session).count == asked)
        #expect(broker.takesRequests(session))
    }

    @Test(arguments: [1000, .max])
    func browsedMessagesAndTheirHistoriesArePaced(portion: Int) throws {
        declare("q") { $0.attemptsMax = 6 }
        try publish(count: 12, byteCount: 20_000)
        let worker = broker.connect(client: "worker")
        let reason = String(repeating: "r", count: 1_500)
        for _ in 0..<6 {
            for _ in 0..<12 { lease(worker) }
            broker.turn()
            let items = try leased(broker.frames(worker))
            #expect(items.count == 12)
            _ = broker.ask(worker, .nack) {
                NackRequest(items: items.map { NackItem(token: $0.token, disposition: .retry, delayMilliseconds: 0, reason: reason) }).encode(into: &$0)
            }
        }
        let session = broker.connect()
        broker.slow(session)
        var seen = 0
        var after: UInt64 = 0
        repeat {
            broker.request(session, .browse) {
                BrowseRequest(queue: "q.dead", after: after, messagesMax: 1000, bytesMax: .max, parts: [.records, .histories]).encode(into: &$0)
            }
            broker.turn()
            takeAll(session, by: portion)
            let frame = try #require(broker.frames(session).last)
            var reader = WireReader(frame.body.span.bytes)
            let head = try BrowseReplyHead(&reader)
            #expect(!head.items.isEmpty)
            seen += head.items.count
            after = head.next
        } while after != 0
        #expect(seen == 12)
        #expect(broker.outputPeak.session <= Self.frame)
    }

    @Test func getsOfLargeMessagesWaitForRoom() throws {
        try publish(count: 2, byteCount: 150_000)
        lease(admin, max: 1)
        lease(admin, max: 1)
        broker.turn()
        let ids = try leased(broker.frames(admin)).map(\.token.messageID)
        #expect(ids.count == 2)
        let session = broker.connect()
        broker.slow(session)
        for id in ids { broker.request(session, .get) { GetRequest(queue: "q", id: id, parts: .records).encode(into: &$0) } }
        broker.turn()
        #expect(broker.frames(session).count == 1)
        takeAll(session, by: 7_777)
        #expect(broker.frames(session).count == 1)
        #expect(broker.outputPeak.session <= Self.frame)
    }

    @Test func awaitedResultsWaitForRoom() throws {
        try publish(count: 90, byteCount: 10)
        var ids: [UInt64] = []
        lease(admin, max: 90)
        broker.turn()
        let items = try leased(broker.frames(admin))
        ids = items.map(\.token.messageID)
        let session = broker.connect()
        broker.slow(session)
        for part in [ids.prefix(30), ids.dropFirst(30).prefix(30), ids.dropFirst(60)] {
            broker.request(session, .await) { AwaitRequest(queue: "q", ids: Array(part), waitMilliseconds: 60_000).encode(into: &$0) }
        }
        for item in items {
            let frame = broker.ask(admin, .ack) {
                AckRequest(tokens: [item.token], results: [AckResult(index: 0, bytes: Array(repeating: 1, count: 4_000))]).encode(into: &$0)
            }
            #expect(frame?.isError == false)
        }
        broker.turn()
        #expect(broker.frames(session).count == 1, "the window holds one reply of 120,000 bytes")
        takeAll(session, by: 10_000)
        #expect(broker.frames(session).count == 2)
        #expect(broker.outputPeak.session <= Self.frame)
    }

    // MARK: Grants that were never sent

    @Test func aGrantThatCouldNotBeSentIsTakenBackWithoutAnAttempt() throws {
        try publish(count: 2, byteCount: 60_000)
        let gone = broker.connect(client: "gone")
        broker.slow(gone)
        lease(gone)
        broker.turn()
        broker.disconnect(gone)
        broker.turn()
        let half = broker.connect(client: "half")
        broker.slow(half)
        lease(half)
        broker.turn()
        broker.take(half, 1)
        broker.disconnect(half)
        broker.turn()
        let next = broker.connect(client: "next")
        lease(next)
        broker.turn()
        #expect(try leased(broker.frames(next)).map(\.attempt) == [1], "not a byte of it was taken")
        broker.advance(700_000)
        lease(next)
        broker.turn()
        #expect(try leased(broker.frames(next)).map(\.attempt) == [2], "what was begun to be sent counts")
        #expect(try broker.recoveredState() == broker.encodedState(), "replay equals live state")
    }

    @Test func aGrantThatWaitsForTheDiskIsTakenBackWithItsConnection() throws {
        try publish(count: 1, byteCount: 1_000)
        let gone = broker.connect(client: "gone")
        broker.isDiskStalled = true
        lease(gone)
        broker.turn()
        broker.disconnect(gone)
        broker.isDiskStalled = false
        broker.turn()
        let next = broker.connect(client: "next")
        lease(next)
        broker.turn()
        #expect(try leased(broker.frames(next)).map(\.attempt) == [1])
        #expect(try broker.recoveredState() == broker.encodedState(), "replay equals live state")
    }

    @Test func theWindowIsAnnounced() throws {
        let session = broker.connectOnly()
        let reply = try #require(broker.ask(session, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) })
        #expect(try HelloReply(reply.body.span.bytes).outputWindowBytes == UInt64(Self.window))
    }
}

extension Principal {
    fileprivate static var everything: Principal {
        Principal(
            name: "admin", publish: [.init("*")], lease: [.init("*")], read: [.init("*")], admin: [.init("*")], topicPublish: [.init("*")],
            topicSubscribe: [.init("*")])
    }
}
