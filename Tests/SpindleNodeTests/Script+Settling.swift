import Foundation
import SpindleNode
import SpindleWire
import Testing

// SETTLE and topics, in the language of the scripts:
//
// ```
// settle w ack=a publish=q:x publish=q:y/k:key event=t:z    -> ok      all of it, or an error and nothing
// settle w id=7:1 ack=a publish=q:x                         -> ok      names itself: settler 7, sequence 1; "again" shows the ids
// event t x                 -> ok           an event, by who speaks
// subscribe a.*             -> ok
// retain a.*                -> created      a retention of topics
// topics *                  -> a.x a.y      those that STATS shows
// deaths t                  -> q:a#3(boom)>q.dead    what a dead-letter topic was told: queue, message, attempts, reason, where it is now
// ```
extension Script {
    func settleOrTell(_ words: [String]) throws -> String {
        let speaker = session(operatorName)
        switch words[0] {
        case "settle": return try settle(words)
        case "event":
            let record = try Self.record(words[2])
            let frame = broker.ask(speaker, .topicPublish) {
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: words[1], count: 1, recordsByteCount: record.count, into: &$0)
                $0.bytes(record)
            }
            return try reply(frame) { _ in "ok" }
        case "subscribe":
            let frame = broker.ask(speaker, .topicSubscribe) {
                TopicSubscribeRequest(subscriptionID: 1, pattern: words[1], start: .latest, credit: 1).encode(into: &$0)
            }
            return try reply(frame) { _ in "ok" }
        case "deaths": return try deaths(words[1])
        case "retain":
            let retention = TopicRetentionFields(eventsMax: 5)
            return try reply(broker.ask(speaker, .topicDeclare) { TopicDeclareRequest(pattern: words[1], retention: retention).encode(into: &$0) }) {
                "\(try DeclareReply($0.span.bytes).outcome)"
            }
        default:
            return try reply(broker.ask(speaker, .topicStats) { TopicStatsRequest(pattern: words[1]).encode(into: &$0) }) {
                let names = try TopicStatsReply($0.span.bytes).topics.map(\.name)
                return names.isEmpty ? "none" : names.joined(separator: " ")
            }
        }
    }

    private struct Death: Decodable {
        var queue: String
        var messageId: String
        var ending: String
        var reason: String
        var deadLetterQueue: String?
        var diedAt: String
        var attempts: Int
    }

    /// All that a dead-letter topic holds.
    private func deaths(_ topic: String) throws -> String {
        let reader = broker.connect()
        broker.request(reader, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: topic, start: .earliest, credit: 1000).encode(into: &$0) }
        broker.turn()
        var told: [String] = []
        for frame in broker.frames(reader) where frame.header.opcode == Opcode.topicEvents.rawValue {
            var bytes = WireReader(frame.body.span.bytes)
            for item in try TopicEventsHead(&bytes).items {
                let record = try RecordView.decode(try bytes.span(Int(item.recordByteCount), "record"))
                #expect(record.contentType == "application/json")
                let death = try JSONDecoder().decode(Death.self, from: Data(record.body))
                let name = ids.first { String($0.value, radix: 16) == death.messageId }?.key ?? "?"
                let state = death.ending == "dead" ? "" : "-"
                told.append("\(death.queue):\(state)\(name)#\(death.attempts)(\(death.reason))" + (death.deadLetterQueue.map { ">\($0)" } ?? ""))
            }
        }
        broker.disconnect(reader)
        return told.isEmpty ? "none" : told.joined(separator: " ")
    }

    /// A message written `body`, `body/k:key`, `body/g:group`.
    private static func record(_ word: String) throws -> [UInt8] {
        let parts = word.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        var record = MessageRecord(body: Array(parts[0].utf8))
        for option in parts.dropFirst() {
            if option.hasPrefix("k:") { record.deduplicationKey = String(option.dropFirst(2)) }
            if option.hasPrefix("g:") { record.group = String(option.dropFirst(2)) }
        }
        var writer = WireWriter()
        try record.encode(into: &writer)
        return writer.array()
    }

    private func settle(_ words: [String]) throws -> String {
        var acks: [DeliveryToken] = []
        var nacks: [NackItem] = []
        var groups: [(kind: SettleRequest.Group.Kind, name: String, record: [UInt8])] = []
        var identity: SettleIdentity?
        for word in words.dropFirst(2) where word != "again" {
            let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
            switch pair[0] {
            case "id":
                let numbers = pair[1].split(separator: ":").compactMap { UInt64($0) }
                identity = SettleIdentity(settler: numbers[0], sequence: numbers[1])
            case "ack": acks.append(try #require(tokens[pair[1]], "\(pair[1]) was never delivered"))
            case "dead": nacks.append(NackItem(token: try #require(tokens[pair[1]]), disposition: .dead, reason: "no"))
            default:
                let target = pair[1].split(separator: ":", maxSplits: 1).map(String.init)
                groups.append((pair[0] == "event" ? .topic : .queue, target[0], try Self.record(target[1])))
            }
        }
        let frame = broker.ask(session(words[1]), .settle) {
            SettleRequest.encode(acks: acks, nacks: nacks, groupCount: groups.count, into: &$0)
            for group in groups { SettleRequest.encodeGroup(group.kind, name: group.name, count: 1, records: group.record.span.bytes, into: &$0) }
            identity?.encode(into: &$0, isCritical: true)
        }
        return try reply(frame) { body in
            let ids = try SettleReply(body.span.bytes).firstIDs
            if words.contains("again") { return ids == settledIDs ? "same" : "other" }
            settledIDs = ids
            return "ok"
        }
    }
}
