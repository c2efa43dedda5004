import SpindleWire
import Testing

/// Every golden frame, both ways: decoding its bytes gives its meaning, and encoding its meaning gives its bytes.
@Suite struct FrameVectorTests {
    @Test func vectorsAreThere() {
        #expect(FrameVector.all.count > 140)
        #expect(RecordVector.all.count >= 6)
        #expect(RejectedVector.all.count > 170)
        let codes = Set(FrameVector.all.filter { $0.direction == .error }.compactMap { try? $0.meaning.text("name") })
        #expect(codes == Set(ErrorCode.allCases.map(\.name)), "there is a vector for every error")
    }

    @Test(arguments: FrameVector.all) func frame(vector: FrameVector) throws {
        let (frame, encoded) = try checkWhole(vector)
        #expect(encoded == frame)
    }

    /// What later versions may send, and what the text leaves free, means what it says.
    @Test(arguments: FrameVector.tolerated) func tolerated(vector: FrameVector) throws {
        let (frame, encoded) = try checkWhole(vector)
        let isWrittenToday = encoded == frame && frame[7] & 0xF8 == 0
        #expect(!isWrittenToday || vector.opcode == "ACK", "a frame that is written today belongs to the other vectors")
    }

    @Test(arguments: RecordVector.tolerated) func toleratedRecord(vector: RecordVector) throws {
        let stored = try bytes(vector.hex)
        let meant = try MessageRecord(vector.meaning)
        #expect(try RecordView.decode(stored.span.bytes) == meant)
        let attributes = try RecordView.attributes(of: stored.span.bytes)
        #expect(attributes.group == meant.group)
        if let group = meant.group {
            let isFound = try RecordHead.containsHeader(stored.span.bytes) { header in
                header.id == RecordHeaderID.group && header.value.withUnsafeBytes { $0.elementsEqual(group.utf8) }
            }
            #expect(isFound, "filters see what consumers see")
        }
    }

    /// Checks header and meaning; returns the frame, and what encoding its meaning gives.
    private func checkWhole(_ vector: FrameVector) throws -> (frame: [UInt8], encoded: [UInt8]) {
        let frame = try bytes(vector.hex)
        let header = try FrameHeader(frame.span.bytes, frameBytesMax: WireLimits.frameBytesMax)
        let opcode = try opcode(named: vector.opcode)
        #expect(Int(header.length) == frame.count)
        #expect(header.opcode == opcode.rawValue)
        #expect(header.version == 1)
        #expect(header.flags.rawValue & 7 == vector.direction.flags)
        #expect((header.correlationID == 0) == (vector.direction == .push))

        var writer = WireWriter()
        let start = writer.beginFrame(opcode, flags: header.flags, correlationID: header.correlationID)
        try check(opcode, vector.direction, vector.meaning, frame.span.bytes.extracting(FrameHeader.byteCount..<frame.count), &writer)
        writer.endFrame(start)
        return (frame, writer.array())
    }

    @Test(arguments: RecordVector.all) func record(vector: RecordVector) throws {
        let encoded = try bytes(vector.hex)
        let meant = try MessageRecord(vector.meaning)
        #expect(try meant.encoded() == encoded)
        #expect(try RecordView.decode(encoded.span.bytes) == meant)
        let attributes = try RecordView.attributes(of: encoded.span.bytes)
        #expect(attributes.byteCount == encoded.count)
        #expect(attributes.priority == meant.priority)
        #expect(attributes.delayMilliseconds == meant.delayMilliseconds)
        #expect(attributes.timeToLiveMilliseconds == meant.timeToLiveMilliseconds)
        #expect(attributes.group == meant.group)
        #expect(attributes.deduplicationKey == meant.deduplicationKey)
        #expect(try RecordView.length(in: encoded.span.bytes, at: 0) == encoded.count)
    }

    private func check(_ opcode: Opcode, _ direction: Direction, _ m: JSONValue, _ body: RawSpan, _ writer: inout WireWriter) throws {
        switch direction {
        case .request: try checkRequest(opcode, m, body, &writer)
        case .reply: try checkReply(opcode, m, body, &writer)
        case .push: try checkPush(opcode, m, body, &writer)
        case .error: try checkError(m, body, &writer)
        }
    }

    /// Compares what was decoded with what was meant, and encodes the latter.
    private func match<T: Equatable>(_ decoded: T, _ meant: T, _ writer: inout WireWriter, _ encode: (T, inout WireWriter) -> Void) {
        #expect(decoded == meant)
        encode(meant, &writer)
    }

    /// Nothing but a tail of which no field is known.
    private func checkEmpty(_ body: RawSpan) throws {
        var reader = WireReader(body)
        try reader.skipTail()
    }

    private struct NoVectorExpected: Error { var opcode: Opcode }

    private func checkRequest(_ opcode: Opcode, _ m: JSONValue, _ body: RawSpan, _ writer: inout WireWriter) throws {
        switch opcode {
        case .hello: match(try HelloRequest(body), try HelloRequest(m), &writer) { $0.encode(into: &$1) }
        case .auth: match(try AuthRequest(body), try AuthRequest(m), &writer) { $0.encode(into: &$1) }
        case .ping: try PingBody.check(body)
        case .publish: try checkPublish(body, m, name: "queue", &writer)
        case .topicPublish: try checkPublish(body, m, name: "topic", &writer)
        case .lease: match(try LeaseRequest(body), try LeaseRequest(m), &writer) { $0.encode(into: &$1) }
        case .ack: match(try AckRequest(body), try AckRequest(m), &writer) { $0.encode(into: &$1) }
        case .nack: match(try NackRequest(body), NackRequest(items: try m.array("items").map { try NackItem($0) }), &writer) { $0.encode(into: &$1) }
        case .extend: match(try ExtendRequest(body), try ExtendRequest(m), &writer) { $0.encode(into: &$1) }
        case .settle: try checkSettle(body, m, &writer)
        case .declare: match(try DeclareRequest(body), try DeclareRequest(m), &writer) { $0.encode(into: &$1) }
        case .stats: match(try StatsRequest(body), try StatsRequest(m), &writer) { $0.encode(into: &$1) }
        case .topicSubscribe: match(try TopicSubscribeRequest(body), try TopicSubscribeRequest(m), &writer) { $0.encode(into: &$1) }
        case .topicUnsubscribe:
            match(try TopicUnsubscribeRequest(body), TopicUnsubscribeRequest(subscriptionID: try m.number("subscriptionId")), &writer) { $0.encode(into: &$1) }
        case .topicCredit:
            let meant = TopicCreditRequest(subscriptionID: try m.number("subscriptionId"), more: try m.number("more"))
            match(try TopicCreditRequest(body), meant, &writer) { $0.encode(into: &$1) }
        case .withdraw: match(try WithdrawRequest(body), WithdrawRequest(correlationID: try m.number("withdrawn")), &writer) { $0.encode(into: &$1) }
        case .await: match(try AwaitRequest(body), try AwaitRequest(m), &writer) { $0.encode(into: &$1) }
        case .delete: match(try DeleteRequest(body), try DeleteRequest(m), &writer) { $0.encode(into: &$1) }
        case .purge: match(try PurgeRequest(body), try PurgeRequest(m), &writer) { $0.encode(into: &$1) }
        case .pause: match(try PauseRequest(body), try PauseRequest(m), &writer) { $0.encode(into: &$1) }
        case .resume: match(try ResumeRequest(body), ResumeRequest(queue: try m.text("queue")), &writer) { $0.encode(into: &$1) }
        case .browse: match(try BrowseRequest(body), try BrowseRequest(m), &writer) { $0.encode(into: &$1) }
        case .get: match(try GetRequest(body), try GetRequest(m), &writer) { $0.encode(into: &$1) }
        case .cancel: match(try CancelRequest(body), try CancelRequest(m), &writer) { $0.encode(into: &$1) }
        case .reschedule: match(try RescheduleRequest(body), try RescheduleRequest(m), &writer) { $0.encode(into: &$1) }
        case .redrive: match(try RedriveRequest(body), try RedriveRequest(m), &writer) { $0.encode(into: &$1) }
        case .bulk: match(try BulkRequest(body), try BulkRequest(m), &writer) { $0.encode(into: &$1) }
        case .topicDeclare: match(try TopicDeclareRequest(body), try TopicDeclareRequest(m), &writer) { $0.encode(into: &$1) }
        case .topicStats: match(try TopicStatsRequest(body), try TopicStatsRequest(m), &writer) { $0.encode(into: &$1) }
        case .workers: match(try WorkersRequest(body), try WorkersRequest(m), &writer) { $0.encode(into: &$1) }
        case .workerControl: match(try WorkerControlRequest(body), try WorkerControlRequest(m), &writer) { $0.encode(into: &$1) }
        case .why: match(try WhyRequest(body), try WhyRequest(m), &writer) { $0.encode(into: &$1) }
        case .goingAway, .quiet, .cancelled, .topicEvents, .topicGap: throw NoVectorExpected(opcode: opcode)
        }
    }

    private func checkReply(_ opcode: Opcode, _ m: JSONValue, _ body: RawSpan, _ writer: inout WireWriter) throws {
        switch opcode {
        case .hello: match(try HelloReply(body), try HelloReply(m), &writer) { $0.encode(into: &$1) }
        case .auth: match(try AuthReply(body), try AuthReply(m), &writer) { $0.encode(into: &$1) }
        case .ping: try PingBody.check(body)
        case .topicUnsubscribe, .pause, .resume: try checkEmpty(body)
        case .publish: match(try PublishReply(body), try PublishReply(m), &writer) { $0.encode(into: &$1) }
        case .topicPublish:
            let meant = TopicPublishReply(epoch: try m.identifier("epoch"), runs: try PublishReply(m).runs, notes: try ItemNotes(m))
            match(try TopicPublishReply(body), meant, &writer) { $0.encode(into: &$1) }
        case .lease: try checkLeaseReply(body, m, &writer)
        case .ack, .nack, .reschedule: match(try StatusReply(body), try StatusReply(m), &writer) { $0.encode(into: &$1) }
        case .extend: match(try ExtendReply(body), try ExtendReply(m), &writer) { $0.encode(into: &$1) }
        case .settle: match(try SettleReply(body), try SettleReply(m), &writer) { $0.encode(into: &$1) }
        case .declare, .topicDeclare: match(try DeclareReply(body), try DeclareReply(m), &writer) { $0.encode(into: &$1) }
        case .stats: match(try StatsReply(body), try StatsReply(m), &writer) { $0.encode(into: &$1) }
        case .topicSubscribe: match(try TopicSubscribeReply(body), TopicSubscribeReply(cursor: try TopicCursor(m)), &writer) { $0.encode(into: &$1) }
        case .withdraw:
            let meant = WithdrawReply(outcome: try m.text("outcome") == "withdrawn" ? .withdrawn : .answered)
            match(try WithdrawReply(body), meant, &writer) { $0.encode(into: &$1) }
        case .await: match(try AwaitReply(body), try AwaitReply(m), &writer) { $0.encode(into: &$1) }
        case .delete, .purge: match(try RemovedReply(body), RemovedReply(messagesRemoved: try m.number("messagesRemoved")), &writer) { $0.encode(into: &$1) }
        case .browse, .get: try checkBrowseReply(body, m, &writer)
        case .cancel: match(try CancelReply(body), try CancelReply(m), &writer) { $0.encode(into: &$1) }
        case .redrive, .bulk: match(try JobReply(body), try JobReply(m), &writer) { $0.encode(into: &$1) }
        case .topicStats: match(try TopicStatsReply(body), try TopicStatsReply(m), &writer) { $0.encode(into: &$1) }
        case .workers: match(try WorkersReply(body), try WorkersReply(m), &writer) { $0.encode(into: &$1) }
        case .why: match(try WhyReply(body), try WhyReply(m), &writer) { $0.encode(into: &$1) }
        case .workerControl:
            match(try WorkerControlReply(body), WorkerControlReply(sessionsReached: try m.number("sessionsReached")), &writer) { $0.encode(into: &$1) }
        case .goingAway, .quiet, .cancelled, .topicCredit, .topicEvents, .topicGap: throw NoVectorExpected(opcode: opcode)
        }
    }

    private func checkPush(_ opcode: Opcode, _ m: JSONValue, _ body: RawSpan, _ writer: inout WireWriter) throws {
        switch opcode {
        case .goingAway: match(try GoingAwayNotice(body), try GoingAwayNotice(m), &writer) { $0.encode(into: &$1) }
        case .quiet: match(try QuietNotice(body), try QuietNotice(m), &writer) { $0.encode(into: &$1) }
        case .ping: try PingBody.check(body)
        case .cancelled: match(try CancelledNotice(body), try CancelledNotice(m), &writer) { $0.encode(into: &$1) }
        case .topicGap:
            let meant = TopicGapNotice(subscriptionID: try m.number("subscriptionId"), cursor: try TopicCursor(m), reason: try m.text("reason"))
            match(try TopicGapNotice(body), meant, &writer) { $0.encode(into: &$1) }
        case .topicEvents:
            var reader = WireReader(body)
            match(try TopicEventsHead(&reader), try TopicEventsHead(m), &writer) { $0.encode(into: &$1) }
            try checkRecords(&reader, try m.array("events").map { try StoredRecord(in: $0) }, &writer)
            let isAtEnd = reader.isAtEnd
            #expect(isAtEnd)
        default: throw NoVectorExpected(opcode: opcode)
        }
    }

    /// Records one behind the other; leaves `reader` behind the last.
    private func checkRecords(_ reader: inout WireReader, _ meant: [StoredRecord], _ writer: inout WireWriter) throws {
        for record in meant {
            let bytes = try reader.span(record.bytes.count, "record")
            do throws(WireError) {
                #expect(try RecordView.decode(bytes) == record.record)
            } catch {
                #expect(error.code == record.status && record.record == nil, "\(error.message)")
            }
            writer.bytes(record.bytes)
        }
    }

    private func checkPublish(_ body: RawSpan, _ m: JSONValue, name: String, _ writer: inout WireWriter) throws {
        let request = try PublishRequest(body)
        let meant = try m.array("records").map { try MessageRecord($0) }
        let producerID = try m.identifier("producerId")
        let firstSequence: UInt64 = try m.number("firstSequence")
        let (producer, first, queue, count, byteCount) = (request.producerID, request.firstSequence, request.queue, request.count, request.records.byteCount)
        #expect(producer == producerID)
        #expect(first == firstSequence)
        #expect(try queue == m.text(name))
        #expect(count == meant.count)
        PublishRequest.encodeHead(
            producerID: producerID, firstSequence: firstSequence, queue: try m.text(name), count: meant.count,
            recordsByteCount: try meant.reduce(0) { try $0 + $1.encoded().count }, into: &writer)
        var reader = WireReader(request.records)
        try checkRecords(&reader, meant.map { try StoredRecord($0) }, &writer)
        let read = reader.offset
        #expect(read == byteCount)
    }

    private func checkSettle(_ body: RawSpan, _ m: JSONValue, _ writer: inout WireWriter) throws {
        let request = try SettleRequest(body)
        let acks = try m.array("acks").map { try DeliveryToken($0) }
        let nacks = try m.array("nacks").map { try NackItem($0) }
        let groups = try m.array("groups")
        let results = try AckResult.list(m)
        let (decodedAcks, decodedNacks, decodedGroups, decodedResults) = (request.acks, request.nacks, request.groups, request.results)
        #expect(decodedResults == results)
        #expect(decodedAcks == acks)
        #expect(decodedNacks == nacks)
        try #require(decodedGroups.count == groups.count)
        SettleRequest.encode(acks: acks, nacks: nacks, groupCount: groups.count, into: &writer)
        for (group, meant) in zip(decodedGroups, groups) {
            let records = try meant.array("records").map { try MessageRecord($0) }
            let kind: SettleRequest.Group.Kind = try meant.text("kind") == "queue" ? .queue : .topic
            #expect(group.kind == kind)
            #expect(try group.name == meant.text("name"))
            #expect(group.count == records.count)
            let encoded = try records.flatMap { try $0.encoded() }
            #expect(group.records.count == encoded.count)
            SettleRequest.encodeGroup(kind, name: try meant.text("name"), count: records.count, records: encoded.span.bytes, into: &writer)
            var reader = WireReader(request.body.extracting(group.records))
            var ignored = WireWriter()
            try checkRecords(&reader, records.map { try StoredRecord($0) }, &ignored)
        }
        AckResults.encode(results, into: &writer)
        let identity = try m["identity"].map { SettleIdentity(settler: try $0.identifier("settlerId"), sequence: try $0.number("sequence")) }
        let decodedIdentity = request.identity
        #expect(decodedIdentity == identity)
        identity?.encode(into: &writer, isCritical: try m["identity"]?.bool("critical") == true)
    }

    private func checkLeaseReply(_ body: RawSpan, _ m: JSONValue, _ writer: inout WireWriter) throws {
        var reader = WireReader(body)
        match(try LeaseReplyHead(&reader), try LeaseReplyHead(m), &writer) { $0.encode(into: &$1) }
        try checkRecords(&reader, try m.array("messages").map { try StoredRecord(in: $0) }, &writer)
        let notes = m["deadLetters"] == nil ? [] : try m.array("deadLetters").map { try DeadLetterNote($0) }
        let meant = LeaseReplyTail(deadLetters: notes, queueIndex: try m.optionalNumber("queueIndex").map { UInt16($0) })
        match(try LeaseReplyTail(&reader), meant, &writer) { $0.encode(into: &$1) }
    }

    private func checkBrowseReply(_ body: RawSpan, _ m: JSONValue, _ writer: inout WireWriter) throws {
        var reader = WireReader(body)
        match(try BrowseReplyHead(&reader), try BrowseReplyHead(m), &writer) { $0.encode(into: &$1) }
        try checkRecords(&reader, try m.array("messages").filter { $0["record"] != nil }.map { try StoredRecord(in: $0) }, &writer)
        try checkHistories(&reader, m, "histories", &writer)
    }

    /// The notes in the tail of a reply that carries messages.
    private func checkHistories(_ reader: inout WireReader, _ m: JSONValue, _ key: String, _ writer: inout WireWriter) throws {
        let tail = try reader.span(reader.remaining, "tail")
        let fields = try TaggedTail.fields(in: tail, known: [LeaseReplyHead.Tag.deadLetters])
        guard m[key] != nil else {
            #expect(fields.isEmpty)
            return
        }
        let meant = try m.array(key).map { try DeadLetterNote($0) }
        let field = try #require(fields.first)
        var notes = WireReader(tail.extracting(field.range))
        for note in meant { #expect(try DeadLetterNote(&notes) == note) }
        let isAtEnd = notes.isAtEnd
        #expect(isAtEnd)
        writer.u16(LeaseReplyHead.Tag.deadLetters)
        writer.u32(UInt32(field.range.count))
        for note in meant { note.encode(into: &writer) }
    }

    private func checkError(_ m: JSONValue, _ body: RawSpan, _ writer: inout WireWriter) throws {
        let decoded = try ErrorReply(body)
        let code = try #require(ErrorCode(rawValue: try m.number("code")))
        #expect(try code.name == m.text("name"))
        let radius = try m.named("blastRadius", ["item": BlastRadius.item, "request": .request, "connection": .connection])
        let meant = ErrorReply(WireError(code, try m.text("message"), retryAfterMilliseconds: try m.number("retryAfterMs")), blastRadius: radius)
        #expect(decoded == meant)
        #expect(try "\(decoded.blastRadius)" == m.text("blastRadius"))
        #expect(try decoded.isRetryable == m.bool("retryable"))
        if let window = m["acceptedVersions"] {
            #expect(try decoded.acceptedVersions == ErrorReply.AcceptedVersions(min: window.number("min"), max: window.number("max")))
        }
        meant.encode(into: &writer)
    }
}
