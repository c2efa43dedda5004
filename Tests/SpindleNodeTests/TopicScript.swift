import SpindleNode
import SpindleWire
import Testing

/// A table test of topics in a tiny language: a line does one thing, and what follows `->` is what must come back.
///
/// ```
/// retention a.* age=10s bytes=900 events=2 -> created
/// event a.x 1 2 3                          publishes three events
/// mark before                              names the present end of the log
/// subscribe s a.*,b earliest 10 -> a.x:2 a.x:3 b:1     pattern, from (latest, earliest, before: behind a mark), credit; what comes
/// credit s 5 -> gap b:2                    what comes for it
/// take s                                   what has come
/// stats a.* -> a.x=2/900                   events held / published in all
/// move -> 3                                all that is held is appended again at the log's end
/// tick 30s | crash | restart | checkpoint | disconnect s
/// ```
final class TopicScript {
    let broker: TestBroker
    private var sessions: [String: SessionID] = [:]
    private var marks: [String: TopicCursor] = [:]
    private lazy var admin = broker.connect()

    init(_ broker: TestBroker) { self.broker = broker }

    @discardableResult
    static func run(
        _ text: String, configuration: NodeConfiguration? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> TopicScript {
        let script = TopicScript(try TestBroker(configuration: configuration))
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            let parts = String(line).split(separator: "->", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.split(separator: " ").joined(separator: " ") }
            guard let command = parts.first, !command.isEmpty else { continue }
            let result = try script.perform(command.split(separator: " ").map(String.init))
            if parts.count == 2 { #expect(result == parts[1], "\(command)", sourceLocation: sourceLocation) }
        }
        script.broker.turn()
        #expect(try script.broker.recoveredState() == script.broker.encodedState(), "replay equals live state", sourceLocation: sourceLocation)
        return script
    }

    func perform(_ words: [String]) throws -> String {
        switch words[0] {
        case "retention": return try retention(words)
        case "event": return try words.dropFirst(2).map { try publish(words[1], $0) }.joined(separator: " ")
        case "mark":
            marks[words[1]] = try subscribe(broker.connect(), "*", .latest, credit: 0).cursor
            return "ok"
        case "subscribe":
            let session = broker.connect()
            sessions[words[1]] = session
            let start: TopicSubscribeRequest.Start = switch words[3] {
            case "latest": .latest
            case "earliest": .earliest
            default: .after(try #require(marks[words[3]]))
            }
            return try subscribe(session, words[2], start, credit: UInt32(words[4]) ?? 0).texts
        case "credit":
            let session = try #require(sessions[words[1]])
            broker.request(session, .topicCredit) { TopicCreditRequest(subscriptionID: 1, more: UInt32(words[2]) ?? 0).encode(into: &$0) }
            broker.turn()
            return try Self.texts(broker.frames(session))
        case "take": return try Self.texts(broker.frames(try #require(sessions[words[1]])))
        case "stats": return try stats(words[1])
        case "tick":
            broker.advance(Script.milliseconds(words[1]))
            return "ok"
        case "crash", "restart":
            try broker.restart(crash: words[0] == "crash")
            sessions = [:]
            admin = broker.connect()
            return "ok"
        case "checkpoint":
            try broker.checkpoint()
            return "ok"
        case "disconnect":
            if let session = sessions.removeValue(forKey: words[1]) { broker.disconnect(session) }
            return "ok"
        case "move": return "\(try broker.move())"
        default: throw WireError(.invalidArgument, "no such command: \(words)")
        }
    }

    private static func error(_ frame: TestBroker.Frame) -> String? {
        frame.error.map { "!" + (ErrorCode(rawValue: $0.code)?.name ?? "\($0.code)") }
    }

    private func retention(_ words: [String]) throws -> String {
        var fields = TopicRetentionFields()
        for option in words.dropFirst(2) {
            let pair = option.split(separator: "=").map(String.init)
            switch pair[0] {
            case "age": fields.ageMillisecondsMax = Script.milliseconds(pair[1])
            case "bytes": fields.bytesMax = UInt64(pair[1])
            case "events": fields.eventsMax = UInt64(pair[1])
            default: throw WireError(.invalidArgument, "no such option: \(option)")
            }
        }
        let frame = try #require(broker.ask(admin, .topicDeclare) { TopicDeclareRequest(pattern: words[1], retention: fields).encode(into: &$0) })
        return try Self.error(frame) ?? "\(DeclareReply(frame.body.span.bytes).outcome)"
    }

    private func publish(_ topic: String, _ text: String) throws -> String {
        var writer = WireWriter()
        try MessageRecord(body: Array(text.utf8)).encode(into: &writer)
        let record = writer.array()
        let frame = try #require(broker.ask(admin, .topicPublish) {
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: topic, count: 1, recordsByteCount: record.count, into: &$0)
            $0.bytes(record)
        })
        return Self.error(frame) ?? "ok"
    }

    private func subscribe(
        _ session: SessionID, _ pattern: String, _ start: TopicSubscribeRequest.Start, credit: UInt32
    ) throws -> (cursor: TopicCursor, texts: String) {
        broker.request(session, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: pattern, start: start, credit: credit).encode(into: &$0) }
        broker.turn()
        let frames = broker.frames(session)
        let reply = try #require(frames.first { $0.header.opcode == Opcode.topicSubscribe.rawValue })
        return (try TopicSubscribeReply(reply.body.span.bytes).cursor, try Self.texts(frames))
    }

    private static func texts(_ frames: [TestBroker.Frame]) throws -> String {
        try frames.flatMap { frame -> [String] in
            if frame.header.opcode == Opcode.topicGap.rawValue { return ["gap"] }
            guard frame.header.opcode == Opcode.topicEvents.rawValue else { return [] }
            let bytes = frame.body.span.bytes
            var reader = WireReader(bytes)
            let head = try TopicEventsHead(&reader)
            var texts: [String] = []
            for item in head.items {
                let record = try RecordView.decode(try reader.span(Int(item.recordByteCount), "record"))
                texts.append("\(item.topic):\(String(decoding: record.body, as: UTF8.self))")
            }
            return texts
        }.joined(separator: " ")
    }

    private func stats(_ pattern: String) throws -> String {
        var texts: [String] = []
        var after = ""
        while true {
            let frame = try #require(broker.ask(admin, .topicStats) { TopicStatsRequest(pattern: pattern, after: after, max: 2).encode(into: &$0) })
            if let error = Self.error(frame) { return error }
            let reply = try TopicStatsReply(frame.body.span.bytes)
            texts += reply.topics.map { "\($0.name)=\($0.events)/\($0.published)" }
            guard reply.moreFollow, let last = reply.topics.last else { return texts.joined(separator: " ") }
            after = last.name
        }
    }
}
