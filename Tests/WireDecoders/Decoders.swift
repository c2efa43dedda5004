package import SpindleWire

/// A decoder, and the largest capacity of any list in what it gave back.
package struct Decoder: Sendable {
    package var name: String
    package var opcode: Opcode?
    package var decode: @Sendable (RawSpan) throws -> Int
}

/// Every decoder of the wire, for the tests that feed them damaged bytes and for the fuzzer.
package enum Decoders {
    /// The decoders of the frame's own opcode, and two others.
    package static func chosen(for frame: [UInt8], _ random: inout some RandomNumberGenerator) -> [Decoder] {
        var chosen: [Decoder] = []
        if let header = try? FrameHeader(frame.span.bytes, frameBytesMax: WireLimits.frameBytesMax), let opcode = Opcode(rawValue: header.opcode) {
            chosen = all.filter { $0.opcode == opcode }
        }
        for _ in 0..<2 { chosen.append(all[Int.random(in: 0..<all.count, using: &random)]) }
        return chosen
    }

    package static let all: [Decoder] = connection + messages + queues + lifecycle + looking + jobs + topics + workers + records

    private static var connection: [Decoder] {
        [
            Decoder(name: "HelloRequest", opcode: .hello) { try HelloRequest($0).labels.capacity },
            Decoder(name: "HelloReply", opcode: .hello) { try HelloReply($0).opcodes.capacity },
            Decoder(name: "AuthRequest", opcode: .auth) { try AuthRequest($0).credential.utf8.count },
            Decoder(name: "AuthReply", opcode: .auth) { try AuthReply($0).principal.utf8.count },
            Decoder(name: "GoingAwayNotice", opcode: .goingAway) { try GoingAwayNotice($0).reason.utf8.count },
            Decoder(name: "ErrorReply", opcode: nil) { try ErrorReply($0).message.utf8.count },
            Decoder(name: "TaggedTail", opcode: nil) { try TaggedTail.fields(in: $0, known: [1, 2, 3]).capacity },
        ]
    }

    private static var messages: [Decoder] {
        [
            Decoder(name: "PublishRequest", opcode: .publish) { body in
                let request = try PublishRequest(body)
                return try walk(request.records, count: request.count)
            },
            Decoder(name: "PublishReply", opcode: .publish) { try PublishReply($0).runs.capacity },
            Decoder(name: "LeaseRequest", opcode: .lease) { try LeaseRequest($0).queue.utf8.count },
            Decoder(name: "LeaseReplyHead", opcode: .lease) { body in
                var reader = WireReader(body)
                let head = try LeaseReplyHead(&reader)
                for item in head.items { _ = try? RecordView.decode(try reader.span(Int(item.recordByteCount), "record")) }
                return max(head.items.capacity, try LeaseReplyTail(&reader).deadLetters.capacity)
            },
            Decoder(name: "AckRequest", opcode: .ack) { try AckRequest($0).tokens.capacity },
            Decoder(name: "NackRequest", opcode: .nack) { try NackRequest($0).items.capacity },
            Decoder(name: "StatusReply", opcode: .ack) { body in
                let reply = try StatusReply(body)
                _ = try? reply.statuses(expected: 100)
                return reply.runs.capacity
            },
            Decoder(name: "ExtendRequest", opcode: .extend) { try ExtendRequest($0).items.capacity },
            Decoder(name: "ExtendReply", opcode: .extend) { try ExtendReply($0).items.capacity },
            Decoder(name: "SettleRequest", opcode: .settle) { body in
                let request = try SettleRequest(body)
                for group in request.groups { _ = try? walk(request.body.extracting(group.records), count: group.count) }
                return max(request.acks.capacity, request.nacks.capacity, request.groups.capacity)
            },
            Decoder(name: "AckResults", opcode: .ack) { try AckRequest($0).results.capacity },
            Decoder(name: "AwaitRequest", opcode: .await) { try AwaitRequest($0).ids.capacity },
            Decoder(name: "AwaitReply", opcode: .await) { try AwaitReply($0).items.capacity },
            Decoder(name: "WithdrawRequest", opcode: .withdraw) { _ = try WithdrawRequest($0); return 0 },
            Decoder(name: "WithdrawReply", opcode: .withdraw) { _ = try WithdrawReply($0); return 0 },
            Decoder(name: "CancelledNotice", opcode: .cancelled) { try CancelledNotice($0).tokens.capacity },
            Decoder(name: "SettleReply", opcode: .settle) { try SettleReply($0).firstIDs.capacity },
        ]
    }

    private static var queues: [Decoder] {
        [
            Decoder(name: "DeclareRequest", opcode: .declare) { try DeclareRequest($0).queue.utf8.count },
            Decoder(name: "DeclareReply", opcode: .declare) { body in
                _ = try DeclareReply(body)
                return 0
            },
            Decoder(name: "StatsRequest", opcode: .stats) { try StatsRequest($0).pattern.utf8.count },
            Decoder(name: "StatsReply", opcode: .stats) { try StatsReply($0).queues.capacity },
        ]
    }

    private static var lifecycle: [Decoder] {
        [
            Decoder(name: "DeleteRequest", opcode: .delete) { try DeleteRequest($0).queue.utf8.count },
            Decoder(name: "PurgeRequest", opcode: .purge) { try PurgeRequest($0).queue.utf8.count },
            Decoder(name: "RemovedReply", opcode: .purge) { body in
                _ = try RemovedReply(body)
                return 0
            },
            Decoder(name: "PauseRequest", opcode: .pause) { try PauseRequest($0).reason.utf8.count },
            Decoder(name: "ResumeRequest", opcode: .resume) { try ResumeRequest($0).queue.utf8.count },
        ]
    }

    private static func reserved(_ filter: MessageFilter) -> Int {
        max(filter.headersEqual.capacity, filter.headersContaining.capacity, filter.ids?.capacity ?? 0)
    }

    private static var looking: [Decoder] {
        [
            Decoder(name: "MessageFilter", opcode: nil) { reserved(try MessageFilter(fields: $0)) },
            Decoder(name: "BrowseRequest", opcode: .browse) { reserved(try BrowseRequest($0).filter) },
            Decoder(name: "GetRequest", opcode: .get) { try GetRequest($0).queue.utf8.count },
            Decoder(name: "WhyRequest", opcode: .why) { try WhyRequest($0).queue.utf8.count },
            Decoder(name: "WhyReply", opcode: .why) { body in
                let reply = try WhyReply(body)
                return max(reply.subject.utf8.count, reply.reason.utf8.count)
            },
            Decoder(name: "BrowseReplyHead", opcode: .browse) { body in
                var reader = WireReader(body)
                let head = try BrowseReplyHead(&reader)
                for item in head.items { _ = try? RecordView.decode(try reader.span(Int(item.recordByteCount), "record")) }
                return head.items.capacity
            },
        ]
    }

    private static var jobs: [Decoder] {
        [
            Decoder(name: "CancelRequest", opcode: .cancel) { try CancelRequest($0).ids.capacity },
            Decoder(name: "CancelReply", opcode: .cancel) { try CancelReply($0).items.capacity },
            Decoder(name: "RescheduleRequest", opcode: .reschedule) { try RescheduleRequest($0).ids.capacity },
            Decoder(name: "RedriveRequest", opcode: .redrive) { reserved(try RedriveRequest($0).filter) },
            Decoder(name: "BulkRequest", opcode: .bulk) { reserved(try BulkRequest($0).filter) },
            Decoder(name: "JobReply", opcode: .bulk) { try JobReply($0).lastFailure.utf8.count },
        ]
    }

    private static var workers: [Decoder] {
        [
            Decoder(name: "QuietNotice", opcode: .quiet) { try QuietNotice($0).reason.utf8.count },
            Decoder(name: "WorkersRequest", opcode: .workers) { try WorkersRequest($0).pattern.utf8.count },
            Decoder(name: "WorkersReply", opcode: .workers) { body in
                let sessions = try WorkersReply(body).sessions
                return sessions.reduce(sessions.capacity) { max($0, $1.labels.capacity, $1.leases.capacity) }
            },
            Decoder(name: "WorkerControlRequest", opcode: .workerControl) { try WorkerControlRequest($0).reason.utf8.count },
            Decoder(name: "WorkerControlReply", opcode: .workerControl) { body in
                _ = try WorkerControlReply(body)
                return 0
            },
        ]
    }

    private static var topics: [Decoder] {
        [
            Decoder(name: "TopicDeclareRequest", opcode: .topicDeclare) { try TopicDeclareRequest($0).pattern.utf8.count },
            Decoder(name: "TopicStatsRequest", opcode: .topicStats) { try TopicStatsRequest($0).pattern.utf8.count },
            Decoder(name: "TopicStatsReply", opcode: .topicStats) { try TopicStatsReply($0).topics.capacity },
            Decoder(name: "TopicPublishReply", opcode: .topicPublish) { try TopicPublishReply($0).runs.capacity },
            Decoder(name: "TopicPublishRequest", opcode: .topicPublish) { body in
                let request = try PublishRequest(body)
                return try walk(request.records, count: request.count)
            },
            Decoder(name: "TopicSubscribeRequest", opcode: .topicSubscribe) { try TopicSubscribeRequest($0).pattern.utf8.count },
            Decoder(name: "TopicSubscribeReply", opcode: .topicSubscribe) { body in
                _ = try TopicSubscribeReply(body)
                return 0
            },
            Decoder(name: "TopicUnsubscribeRequest", opcode: .topicUnsubscribe) { body in
                _ = try TopicUnsubscribeRequest(body)
                return 0
            },
            Decoder(name: "TopicCreditRequest", opcode: .topicCredit) { body in
                _ = try TopicCreditRequest(body)
                return 0
            },
            Decoder(name: "TopicEventsHead", opcode: .topicEvents) { body in
                var reader = WireReader(body)
                return try TopicEventsHead(&reader).items.capacity
            },
            Decoder(name: "TopicGapNotice", opcode: .topicGap) { try TopicGapNotice($0).reason.utf8.count },
        ]
    }

    private static var records: [Decoder] {
        [
            Decoder(name: "record behind a frame header's worth of bytes", opcode: nil) { body in
                try walk(body, count: 8)
            },
            Decoder(name: "one record", opcode: nil) { body in
                // What the broker accepts, every consumer can decode.
                let attributes = try RecordView.attributes(of: body)
                return max(attributes.group?.utf8.count ?? 0, try RecordView.decode(body).userHeaders.capacity)
            },
        ]
    }

    /// Reads up to `count` records, as a broker and as a consumer.
    private static func walk(_ records: RawSpan, count: Int) throws(WireError) -> Int {
        var at = 0
        var largest = 0
        for _ in 0..<count where at < records.byteCount {
            let length = try RecordView.length(in: records, at: at)
            let record = records.extracting(at..<(at + length))
            at += length
            guard (try? RecordView.attributes(of: record)) != nil else { continue }
            largest = max(largest, try RecordView.decode(record).userHeaders.capacity)
        }
        return largest
    }
}
