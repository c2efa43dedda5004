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

    package static let all: [Decoder] = connection + messages + queues + topics + records

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
                let tail = try reader.span(reader.remaining, "tail")
                for field in try TaggedTail.fields(in: tail, known: [LeaseReplyHead.Tag.deadLetters]) {
                    var notes = WireReader(tail.extracting(field.range))
                    while !notes.isAtEnd { _ = try DeadLetterNote(&notes) }
                }
                return head.items.capacity
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

    private static var topics: [Decoder] {
        [
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
