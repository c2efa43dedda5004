import SpindleNode
import SpindleWire
import Testing

/// Clients that declined LZ4: what they are given in place of compressed bodies, and what is taken from them.
@Suite struct CompressedRecordTests {
    /// The broker never expands: any bytes will do for a body.
    private static func record(_ text: String, isCompressed: Bool) throws -> [UInt8] {
        var record = MessageRecord(body: Array(text.utf8))
        record.taskType = "task of \(text)"
        if isCompressed {
            record.flags = .lz4
            record.expandedByteCount = 1_000
        }
        var writer = WireWriter()
        try record.encode(into: &writer)
        return writer.array()
    }

    private static let texts = ["plain", "compressed", "plain too"]

    private static func records() throws -> [[UInt8]] { try texts.map { try record($0, isCompressed: $0 == "compressed") } }

    private static func publish(_ broker: TestBroker, _ session: SessionID, _ opcode: Opcode, _ name: String, _ records: [[UInt8]]) throws -> [PublishReply.Run] {
        let frame = try #require(broker.ask(session, opcode) { writer in
            PublishRequest.encodeHead(
                producerID: 0, firstSequence: 0, queue: name, count: records.count, recordsByteCount: records.reduce(0) { $0 + $1.count }, into: &writer)
            for record in records { writer.bytes(record) }
        })
        return opcode == .publish ? try PublishReply(frame.body.span.bytes).runs : try TopicPublishReply(frame.body.span.bytes).runs
    }

    /// A queue `q` and a topic `t` with the three messages.
    private static func filled() throws -> TestBroker {
        let broker = try TestBroker()
        try broker.configure("q", QueuePolicyFields())
        let producer = broker.connect(capabilities: .lz4)
        for (opcode, name) in [(Opcode.publish, "q"), (.topicPublish, "t")] {
            #expect(try publish(broker, producer, opcode, name, try records()).map(\.status) == [.ok])
        }
        return broker
    }

    /// What a consumer makes of the records.
    private static func decoded(_ sizes: [UInt32], _ reader: inout WireReader) throws -> [String] {
        var texts: [String] = []
        for size in sizes {
            let record = try reader.span(Int(size), "record")
            do throws(WireError) {
                texts.append(String(decoding: try RecordView.decode(record).body, as: UTF8.self))
            } catch {
                texts.append(error.code.name)
                // Its headers are its own.
                var isThere = false
                try? isThere = RecordHead.containsHeader(record) { $0.id == RecordHeaderID.taskType && $0.value.byteCount == "task of compressed".utf8.count }
                #expect(isThere)
            }
        }
        return texts
    }

    private static func expected(_ capabilities: Capabilities) -> [String] {
        texts.map { $0 == "compressed" && capabilities.isEmpty ? "RECORD_COMPRESSED" : $0 }
    }

    @Test(arguments: [Capabilities.lz4, []]) func aLease(capabilities: Capabilities) throws {
        let broker = try Self.filled()
        let frame = try #require(broker.ask(broker.connect(capabilities: capabilities), .lease) {
            LeaseRequest(queue: "q", messagesMax: 10, bytesMax: 1 << 16, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0)
        })
        var reader = WireReader(frame.body.span.bytes)
        let head = try LeaseReplyHead(&reader)
        #expect(try Self.decoded(head.items.map(\.recordByteCount), &reader) == Self.expected(capabilities))
        try reader.skipTail()
    }

    @Test(arguments: [Capabilities.lz4, []]) func aBrowse(capabilities: Capabilities) throws {
        let broker = try Self.filled()
        let frame = try #require(broker.ask(broker.connect(capabilities: capabilities), .browse) {
            BrowseRequest(queue: "q", after: 0, messagesMax: 10, bytesMax: 1 << 16, parts: .records).encode(into: &$0)
        })
        var reader = WireReader(frame.body.span.bytes)
        let head = try BrowseReplyHead(&reader)
        #expect(try Self.decoded(head.items.map(\.recordByteCount), &reader) == Self.expected(capabilities))
    }

    @Test(arguments: [Capabilities.lz4, []]) func aSubscription(capabilities: Capabilities) throws {
        let broker = try Self.filled()
        let session = broker.connect(capabilities: capabilities)
        broker.request(session, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: "t", start: .earliest, credit: 10).encode(into: &$0) }
        broker.turn()
        let push = try #require(broker.frames(session).first { $0.header.opcode == Opcode.topicEvents.rawValue })
        var reader = WireReader(push.body.span.bytes)
        let head = try TopicEventsHead(&reader)
        #expect(try Self.decoded(head.items.map(\.recordByteCount), &reader) == Self.expected(capabilities))
    }

    /// What a capability bit says counts, not what a later version may add to it.
    @Test func otherCapabilitiesAreNoLZ4() throws {
        let broker = try Self.filled()
        let session = broker.connect(capabilities: Capabilities(rawValue: 1 << 63))
        let expands = broker.node.expands(session)
        #expect(!expands)
    }

    @Test(arguments: [(Opcode.publish, "q"), (.topicPublish, "t")]) func aCompressedBodyIsNotTakenFromThem(opcode: Opcode, name: String) throws {
        let broker = try Self.filled()
        let runs = try Self.publish(broker, broker.connect(), opcode, name, try Self.records())
        #expect(runs.map(\.status) == [.ok, ItemStatus(.recordCompressed), .ok], "the others are stored")
    }

    @Test func aSettleWithACompressedBodyDoesNothing() throws {
        let broker = try Self.filled()
        let record = try Self.record("compressed", isCompressed: true)
        let reply = broker.ask(broker.connect(), .settle) {
            SettleRequest.encode(acks: [], nacks: [], groupCount: 1, into: &$0)
            SettleRequest.encodeGroup(.queue, name: "q", count: 1, records: record.span.bytes, into: &$0)
        }
        let error = try #require(reply?.error)
        #expect(ErrorCode(rawValue: error.code) == .recordCompressed)
        #expect(error.message.contains("capability bit 0"))
    }

    /// Without the flag the value means nothing, whoever sends it.
    @Test func anExpandedSizeWithoutLZ4IsIgnored() throws {
        let broker = try Self.filled()
        var bytes = WireWriter()
        var record = MessageRecord(body: [1, 2, 3])
        record.flags = .lz4
        record.expandedByteCount = 9
        try record.encode(into: &bytes)
        var plain = bytes.array()
        plain[9] = 0
        let crc = CRC32C.extend(with: plain.span.bytes.extracting(8..<plain.count))
        withUnsafeBytes(of: crc.littleEndian) { plain.replaceSubrange(4..<8, with: $0) }
        #expect(try Self.publish(broker, broker.connect(), .publish, "q", [plain]).map(\.status) == [.ok])
    }

    @Test func aWithheldRecordFillsThePlaceOfTheStoredOne() throws {
        let stored = try Self.record("compressed", isCompressed: true)
        var withheld = stored
        withheld.withUnsafeMutableBytes { StandIn.withhold($0) }
        #expect(withheld.count == stored.count)
        #expect(withheld[9] == 0xC0)
        #expect(withheld.suffix("compressed".utf8.count).allSatisfy { $0 == 0 }, "nothing of the body leaves")
        try RecordView.checkWhole(stored.span.bytes)
        var plain = try Self.record("plain", isCompressed: false)
        let before = plain
        plain.withUnsafeMutableBytes { StandIn.withhold($0) }
        #expect(plain == before)
    }
}
