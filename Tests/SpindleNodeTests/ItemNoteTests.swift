import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// What replies say of items beside their statuses: why, and when to try again.
@Suite struct ItemNoteTests {
    private let broker: TestBroker
    private let admin: SessionID

    init() throws {
        broker = try TestBroker()
        admin = broker.connect()
    }

    private func declare(_ queue: String, _ change: (inout QueuePolicyFields) -> Void = { _ in }) throws {
        var policy = QueuePolicyFields()
        change(&policy)
        try broker.configure(queue, policy)
    }

    private func record(_ text: String, priority: UInt8 = 4) throws -> [UInt8] {
        var writer = WireWriter()
        try MessageRecord(body: Array(text.utf8)).encode(into: &writer)
        var bytes = writer.array()
        bytes[10] = priority
        let crc = CRC32C.extend(with: bytes.span.bytes.extracting(8..<bytes.count))
        withUnsafeBytes(of: crc.littleEndian) { bytes.replaceSubrange(4..<8, with: $0) }
        return bytes
    }

    private func publish(_ queue: String, _ records: [[UInt8]], _ opcode: Opcode = .publish) throws -> ItemNotes {
        let frame = try #require(broker.ask(admin, opcode) { writer in
            PublishRequest.encodeHead(
                producerID: 0, firstSequence: 0, queue: queue, count: records.count, recordsByteCount: records.reduce(0) { $0 + $1.count }, into: &writer)
            for record in records { writer.bytes(record) }
        })
        return opcode == .publish ? try PublishReply(frame.body.span.bytes).notes : try TopicPublishReply(frame.body.span.bytes).notes
    }

    private func lease(_ session: SessionID, _ queue: String, max: UInt32 = 10, milliseconds: UInt32 = 1_000) throws -> [DeliveryToken] {
        let frame = try #require(broker.ask(session, .lease) {
            LeaseRequest(queue: queue, messagesMax: max, bytesMax: 1 << 16, leaseMilliseconds: milliseconds, waitMilliseconds: 0).encode(into: &$0)
        })
        var reader = WireReader(frame.body.span.bytes)
        return try LeaseReplyHead(&reader).items.map(\.token)
    }

    private func acknowledge(_ session: SessionID, _ tokens: [DeliveryToken]) throws -> StatusReply {
        let frame = try #require(broker.ask(session, .ack) { AckRequest(tokens: tokens).encode(into: &$0) })
        return try StatusReply(frame.body.span.bytes)
    }

    private func text(_ reply: StatusReply) -> String { reply.notes[0]?.text ?? "nothing" }

    // MARK: Publishing

    @Test func aFullQueueSaysHowFullAndWhen() throws {
        try declare("q") { $0.lengthMax = 2 }
        let notes = try publish("q", (0..<5).map { try record("\($0)") })
        #expect(notes.notes == [.init(
            first: 2, count: 3, retryAfterMilliseconds: 1_000,
            text: "the queue 'q' is full: it holds 2 of at most 2 messages; publish again when workers have taken some, or raise the limit")])
    }

    @Test func aFullQueueWhoseDeliveriesArePausedSaysSo() throws {
        try declare("q") { $0.bytesMax = 30 }
        _ = broker.ask(admin, .pause) { PauseRequest(queue: "q", what: .deliveries, reason: "").encode(into: &$0) }
        let note = try #require(try publish("q", [record("one"), record("two")])[1])
        #expect(note.retryAfterMilliseconds == 10_000)
        #expect(note.text.contains("23 of at most 30 bytes"))
        #expect(note.text.contains("resume them"))
    }

    @Test func anInvalidRecordSaysWhichRuleItBreaks() throws {
        try declare("q")
        for (opcode, name) in [(Opcode.publish, "q"), (.topicPublish, "t")] {
            let notes = try publish(name, [record("good"), record("bad", priority: 10), record("good")], opcode)
            #expect(notes.notes.map(\.first) == [1])
            #expect(notes[1]?.text == "priority 10: 0 to 9 are allowed")
            #expect(notes[0] == nil && notes[2] == nil)
        }
    }

    @Test func aRecordThatIsTooLargeSaysTheLimit() throws {
        try declare("q")
        let notes = try publish("q", [record(String(repeating: "x", count: 200_000))])
        #expect(notes[0]?.text.contains("at most \((256 << 10) - WireLimits.recordOverheadBytesMax) are allowed") == true)
    }

    @Test func whatIsAllStoredHasNoNotes() throws {
        try declare("q")
        #expect(try publish("q", [record("a"), record("b")]).isEmpty)
    }

    // MARK: Leases

    @Test func aLostLeaseSaysHowItEnded() throws {
        try declare("q") { $0.backoffInitialMilliseconds = 0 }
        _ = try publish("q", [record("a")])
        let first = try lease(admin, "q")[0]
        broker.advance(3_000)
        let id = String(first.messageID, radix: 16)
        // Leases are rounded up by at most an eighth.
        #expect(text(try acknowledge(admin, [first])).hasPrefix("the lease of message \(id) (epoch 1) expired "))
        let other = broker.connect(client: "other")
        let second = try lease(other, "q", milliseconds: 60_000)[0]
        broker.advance(250)
        #expect(
            text(try acknowledge(admin, [first]))
                == "the lease of message \(id) (epoch 1) ended; 'admin/other' leased it 250 ms ago (epoch 2)")
        #expect(try acknowledge(other, [second]).runs.map(\.status) == [.ok])
        #expect(text(try acknowledge(admin, [first])).hasSuffix("it was settled, or it never was"))
    }

    @Test func aMessageThatWasGivenBackSaysSo() throws {
        try declare("q") { $0.backoffInitialMilliseconds = 0 }
        _ = try publish("q", [record("a")])
        for disposition in [NackItem.Disposition.retry, .release] {
            let token = try lease(admin, "q")[0]
            _ = broker.ask(admin, .nack) { NackRequest(items: [NackItem(token: token, disposition: disposition, delayMilliseconds: 0, reason: "")]).encode(into: &$0) }
            #expect(text(try acknowledge(admin, [token])).contains("was given back"))
        }
    }

    /// Another principal's token is answered as if there were no such lease, in the note as in the status.
    @Test func aStrangerLearnsNothing() throws {
        try declare("q")
        _ = try publish("q", [record("a"), record("b")])
        let held = try lease(admin, "q", max: 1)[0]
        let never = DeliveryToken(messageID: held.messageID, epoch: 9)
        let colleague = broker.connect(Principal(name: "colleague", lease: [.init("q")]))
        let stranger = broker.connect(Principal(name: "stranger", lease: [.init("other")]))
        for session in [colleague, stranger] {
            for token in [held, never, DeliveryToken(messageID: 7, epoch: held.epoch)] {
                let id = String(token.messageID, radix: 16)
                #expect(text(try acknowledge(session, [token])) == "message \(id) has no lease of epoch \(token.epoch) here: it was settled, or it never was")
            }
        }
        broker.advance(5_000)
        #expect(text(try acknowledge(stranger, [held])).contains("has no lease"))
        #expect(text(try acknowledge(colleague, [held])).contains("expired"), "one who may lease from the queue may know")
    }

    @Test func anExtensionThatIsTooLongSaysTheLimit() throws {
        try declare("q") { $0.leaseMaxMilliseconds = 40_000 }
        _ = try publish("q", [record("a")])
        let token = try lease(admin, "q")[0]
        let frame = try #require(broker.ask(admin, .extend) {
            ExtendRequest(leaseMilliseconds: 60_000, items: [.init(token: .init(messageID: 1, epoch: 1)), .init(token: token)]).encode(into: &$0)
        })
        let reply = try ExtendReply(frame.body.span.bytes)
        #expect(reply.items.map(\.status) == [ItemStatus(.leaseLost), ItemStatus(.invalidArgument)])
        #expect(reply.notes[0]?.text.contains("has no lease") == true)
        #expect(reply.notes[1]?.text == "a lease of 60000 ms is longer than the 40000 ms that 'q' allows")
    }

    @Test func aSettleSaysWhichLeaseIsLostAndHow() throws {
        try declare("q")
        _ = try publish("q", [record("a")])
        let token = try lease(admin, "q")[0]
        broker.advance(5_000)
        for (acks, words) in [([token], "expired"), ([DeliveryToken(messageID: 5, epoch: 1)], "has no lease")] {
            let frame = broker.ask(admin, .settle) { SettleRequest.encode(acks: acks, nacks: [], groupCount: 0, into: &$0) }
            let error = try #require(frame?.error)
            #expect(ErrorCode(rawValue: error.code) == .leaseLost)
            #expect(error.message.contains(words))
            #expect(error.message.hasSuffix("; nothing of this SETTLE was done"))
        }
    }

    /// Notes are bounded, statuses are not.
    @Test func manyLostLeasesHaveSomeNotes() throws {
        let tokens = (1...1_000).map { DeliveryToken(messageID: UInt64($0), epoch: 1) }
        let reply = try acknowledge(admin, tokens)
        #expect(try reply.statuses(expected: 1_000).allSatisfy { $0 == ItemStatus(.leaseLost) })
        #expect((1...WireLimits.itemNotesMax).contains(reply.notes.notes.count))
        #expect(reply.notes.byteCount <= WireLimits.itemNotesBytesMax)
    }

    // MARK: Operators

    @Test func aLeasedMessageThatCannotBeRescheduledSaysForHowLong() throws {
        try declare("q")
        _ = try publish("q", [record("a")])
        let token = try lease(broker.connect(client: "cam-03"), "q", milliseconds: 1_024)[0]
        broker.advance(24)
        let frame = try #require(broker.ask(admin, .reschedule) {
            RescheduleRequest(queue: "q", delayMilliseconds: 0, ids: [token.messageID, 7]).encode(into: &$0)
        })
        let reply = try StatusReply(frame.body.span.bytes)
        #expect(try reply.statuses(expected: 2) == [ItemStatus(.conflict), ItemStatus(.noSuchMessage)])
        #expect(reply.notes[0]?.retryAfterMilliseconds == 1_000)
        #expect(reply.notes[0]?.text.contains("is leased by 'admin/cam-03' for another 1000 ms") == true)
        #expect(reply.notes[1]?.text == "'q' has no message 7: it ended, or never was here")
    }

    @Test func aMessageThatIsNotThereCannotBeCancelled() throws {
        try declare("q")
        let frame = try #require(broker.ask(admin, .cancel) { CancelRequest(queue: "q", reason: "", ids: [7]).encode(into: &$0) })
        let reply = try CancelReply(frame.body.span.bytes)
        #expect(reply.notes[0]?.text == "'q' has no message 7: it ended, or never was here")
    }
}
