import SpindleWire
import Testing

/// Every frame that must be refused is, with its error and nothing more spoilt than it says.
@Suite struct RejectedVectorTests {
    @Test(arguments: RejectedVector.all.filter { $0.judge == nil }) func refused(vector: RejectedVector) throws {
        let code = try #require(ErrorCode(rawValue: vector.error))
        #expect(code.name == vector.errorName)
        let frame = try bytes(vector.hex)
        if let item = vector.item {
            let outcomes = try itemOutcomes(frame.span.bytes, frameBytesMax: vector.frameBytesMax)
            #expect(outcomes.enumerated().allSatisfy { ($0.offset == item) == ($0.element != nil) }, "only item \(item) is refused")
            #expect(outcomes[item] == code)
        } else {
            do throws(WireError) {
                try decode(frame.span.bytes, vector.direction, frameBytesMax: vector.frameBytesMax)
                Issue.record("accepted")
            } catch {
                #expect(error.code == code, "\(error.message)")
                #expect(!error.message.isEmpty)
            }
        }
    }

    /// What became of each record of a PUBLISH: nil where it is good.
    private func itemOutcomes(_ frame: RawSpan, frameBytesMax: Int) throws(WireError) -> [ErrorCode?] {
        _ = try FrameHeader(frame, frameBytesMax: frameBytesMax)
        let request = try PublishRequest(frame.extracting(FrameHeader.byteCount..<frame.byteCount))
        return try outcomes(request.records, count: request.count)
    }

    private func outcomes(_ records: RawSpan, count: Int) throws(WireError) -> [ErrorCode?] {
        var reader = WireReader(records)
        var outcomes: [ErrorCode?] = []
        for _ in 0..<count {
            let record = try reader.span(try RecordView.length(in: records, at: reader.offset), "record")
            outcomes.append(verdict(record))
        }
        try reader.expectEnd("records")
        return outcomes
    }

    /// Broker and consumer must agree on every record.
    private func verdict(_ record: RawSpan) -> ErrorCode? {
        var broker: ErrorCode?
        var consumer: ErrorCode?
        do throws(WireError) { _ = try RecordView.attributes(of: record) } catch { broker = error.code }
        do throws(WireError) { _ = try RecordView.decode(record) } catch { consumer = error.code }
        // A stand-in is the broker's word to a consumer, and nobody else's.
        #expect(broker == consumer || consumer == .recordDamaged || consumer == .recordCompressed)
        return broker
    }

    private func decode(_ frame: RawSpan, _ direction: Direction, frameBytesMax: Int) throws(WireError) {
        let header = try FrameHeader(frame, frameBytesMax: frameBytesMax)
        let body = frame.extracting(FrameHeader.byteCount..<frame.byteCount)
        guard let opcode = Opcode(rawValue: header.opcode) else { throw WireError(.unsupported, "opcode \(header.opcode) is not known") }
        switch direction {
        case .error: _ = try ErrorReply(body)
        case .reply, .push: try decodeForClient(opcode, body)
        case .request:
            try header.checkIsRequest(of: opcode)
            try header.checkCorrelationID()
            try decodeForBroker(opcode, body)
        }
    }

    private func decodeForBroker(_ opcode: Opcode, _ body: RawSpan) throws(WireError) {
        switch opcode {
        case .hello: _ = try HelloRequest(body)
        case .auth: _ = try AuthRequest(body)
        case .publish, .topicPublish:
            let request = try PublishRequest(body)
            _ = try outcomes(request.records, count: request.count)
        case .lease: _ = try LeaseRequest(body)
        case .ack: _ = try AckRequest(body)
        case .nack: _ = try NackRequest(body)
        case .extend: _ = try ExtendRequest(body)
        case .settle: _ = try SettleRequest(body)
        case .declare: _ = try DeclareRequest(body)
        case .stats: _ = try StatsRequest(body)
        case .topicSubscribe: _ = try TopicSubscribeRequest(body)
        case .topicUnsubscribe: _ = try TopicUnsubscribeRequest(body)
        case .topicCredit: _ = try TopicCreditRequest(body)
        case .await: _ = try AwaitRequest(body)
        case .withdraw: _ = try WithdrawRequest(body)
        case .delete: _ = try DeleteRequest(body)
        case .purge: _ = try PurgeRequest(body)
        case .pause: _ = try PauseRequest(body)
        case .resume: _ = try ResumeRequest(body)
        case .browse: _ = try BrowseRequest(body)
        case .get: _ = try GetRequest(body)
        case .cancel: _ = try CancelRequest(body)
        case .reschedule: _ = try RescheduleRequest(body)
        case .redrive: _ = try RedriveRequest(body)
        case .bulk: _ = try BulkRequest(body)
        case .topicDeclare: _ = try TopicDeclareRequest(body)
        case .topicStats: _ = try TopicStatsRequest(body)
        case .workers: _ = try WorkersRequest(body)
        case .workerControl: _ = try WorkerControlRequest(body)
        case .why: _ = try WhyRequest(body)
        case .ping: try PingBody.check(body)
        case .goingAway, .quiet, .cancelled, .topicEvents, .topicGap: break
        }
    }

    private func decodeForClient(_ opcode: Opcode, _ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        switch opcode {
        case .lease:
            _ = try LeaseReplyHead(&reader)
            try reader.skipTail()
        case .auth: _ = try AuthReply(body)
        case .settle: _ = try SettleReply(body)
        case .publish: _ = try PublishReply(body)
        case .ack, .nack, .reschedule: _ = try StatusReply(body)
        case .extend: _ = try ExtendReply(body)
        case .stats: _ = try StatsReply(body)
        case .topicEvents: _ = try TopicEventsHead(&reader)
        case .await: _ = try AwaitReply(body)
        case .withdraw: _ = try WithdrawReply(body)
        case .cancel: _ = try CancelReply(body)
        case .browse, .get: _ = try BrowseReplyHead(&reader)
        case .redrive, .bulk: _ = try JobReply(body)
        case .topicStats: _ = try TopicStatsReply(body)
        case .workers: _ = try WorkersReply(body)
        case .why: _ = try WhyReply(body)
        case .cancelled: _ = try CancelledNotice(body)
        case .quiet: _ = try QuietNotice(body)
        default: break
        }
    }
}
