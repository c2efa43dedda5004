import SpindleNode
import SpindleWire
import Testing

/// A stored record that the disk gives out no more: its item says so, and the others are whole.
@Suite struct DamagedRecordTests {
    private static func publish(_ broker: TestBroker, _ session: SessionID, _ opcode: Opcode, _ name: String, _ bodies: [[UInt8]]) throws -> [UInt64] {
        var records = WireWriter()
        var sizes: [Int] = []
        for body in bodies {
            let start = records.count
            try MessageRecord(body: body).encode(into: &records)
            sizes.append(records.count - start)
        }
        let encoded = records.array()
        let frame = try #require(broker.ask(session, opcode) { writer in
            PublishRequest.encodeHead(
                producerID: 0, firstSequence: 0, queue: name, count: bodies.count, recordsByteCount: encoded.count, into: &writer)
            writer.bytes(encoded)
        })
        let runs = opcode == .publish ? try PublishReply(frame.body.span.bytes).runs : try TopicPublishReply(frame.body.span.bytes).runs
        var next = try #require(runs.first).firstID
        return sizes.map { size in
            defer { next += UInt64(size) }
            return next
        }
    }

    /// What a consumer makes of the records of `sizes` bytes that follow in `reader`.
    private static func decoded(_ sizes: [UInt32], _ reader: inout WireReader) throws -> [String] {
        var texts: [String] = []
        for size in sizes {
            let record = try reader.span(Int(size), "record")
            do throws(WireError) {
                texts.append(String(decoding: try RecordView.decode(record).body, as: UTF8.self))
            } catch {
                texts.append(error.code.name)
            }
        }
        return texts
    }

    private static let bodies: [[UInt8]] = [Array("one".utf8), Array("two".utf8), Array("three".utf8)]

    @Test func onlyTheDamagedItemOfALeaseIsSpoilt() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        try broker.configure("q", QueuePolicyFields())
        let ids = try Self.publish(broker, session, .publish, "q", Self.bodies)
        broker.damaged = [ids[1]]
        let frame = try #require(broker.ask(session, .lease) {
            LeaseRequest(queue: "q", messagesMax: 10, bytesMax: 1 << 16, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0)
        })
        var reader = WireReader(frame.body.span.bytes)
        let head = try LeaseReplyHead(&reader)
        #expect(head.items.map(\.token.messageID) == ids)
        #expect(try Self.decoded(head.items.map(\.recordByteCount), &reader) == ["one", "RECORD_DAMAGED", "three"])
        try reader.skipTail()
    }

    @Test(arguments: [Opcode.browse, .get]) func whoLooksSeesWhichIsDamaged(opcode: Opcode) throws {
        let broker = try TestBroker()
        let session = broker.connect()
        try broker.configure("q", QueuePolicyFields())
        let ids = try Self.publish(broker, session, .publish, "q", Self.bodies)
        broker.damaged = [ids[1]]
        let frame = try #require(broker.ask(session, opcode) { writer in
            if opcode == .get {
                GetRequest(queue: "q", id: ids[1], parts: .records).encode(into: &writer)
            } else {
                BrowseRequest(queue: "q", after: 0, messagesMax: 10, bytesMax: 1 << 16, parts: .records).encode(into: &writer)
            }
        })
        var reader = WireReader(frame.body.span.bytes)
        let head = try BrowseReplyHead(&reader)
        let texts = try Self.decoded(head.items.map(\.recordByteCount), &reader)
        #expect(texts == (opcode == .get ? ["RECORD_DAMAGED"] : ["one", "RECORD_DAMAGED", "three"]))
    }

    @Test func onlyTheDamagedEventIsSpoilt() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        let offsets = try Self.publish(broker, session, .topicPublish, "t", Self.bodies)
        broker.damaged = [offsets[0]]
        broker.request(session, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: "t", start: .earliest, credit: 10).encode(into: &$0) }
        broker.turn()
        let push = try #require(broker.frames(session).first { $0.header.opcode == Opcode.topicEvents.rawValue })
        var reader = WireReader(push.body.span.bytes)
        let head = try TopicEventsHead(&reader)
        #expect(try Self.decoded(head.items.map(\.recordByteCount), &reader) == ["RECORD_DAMAGED", "two", "three"])
    }

    @Test func aFilterSkipsWhatItCannotRead() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        try broker.configure("q", QueuePolicyFields())
        var records = WireWriter()
        for name in ["a", "b"] {
            var record = MessageRecord(body: [1])
            record.taskType = name
            try record.encode(into: &records)
        }
        let encoded = records.array()
        let stored = try #require(broker.ask(session, .publish) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 2, recordsByteCount: encoded.count, into: &writer)
            writer.bytes(encoded)
        })
        let first = try #require(try PublishReply(stored.body.span.bytes).runs.first).firstID
        broker.damaged = [first]
        let frame = try #require(broker.ask(session, .browse) { writer in
            var filter = MessageFilter()
            filter.headersContaining = [.init(name: "taskType", text: "")]
            BrowseRequest(queue: "q", after: 0, messagesMax: 10, bytesMax: 1 << 16, parts: [], filter: filter).encode(into: &writer)
        })
        var reader = WireReader(frame.body.span.bytes)
        let head = try BrowseReplyHead(&reader)
        #expect(head.items.map(\.id) == [first + UInt64(encoded.count / 2)])
    }

    @Test(arguments: [20, 21, 1000]) func aStandInFillsThePlaceAndNothingElse(size: Int) throws {
        var bytes = [UInt8](repeating: 0xAB, count: size)
        bytes.withUnsafeMutableBytes { StandIn.write(into: $0) }
        #expect(try RecordView.length(in: bytes.span.bytes, at: 0) == size)
        for (what, expected) in [("consumer", ErrorCode.recordDamaged), ("broker", .recordInvalid)] {
            do throws(WireError) {
                if what == "consumer" { _ = try RecordView.decode(bytes.span.bytes) } else { _ = try RecordView.attributes(of: bytes.span.bytes) }
                Issue.record("\(what) takes a stand-in for a message")
            } catch {
                #expect(error.code == expected, "\(what)")
            }
        }
    }
}
