import SpindleNode
import SpindleWire
import Testing

/// A table test in a tiny language: a line does one thing, and what follows `->` is what must come back.
///
/// ```
/// queue q attempts=3 backoff=1s          declare; what is not named stays as it is
/// publish q a b c       -> a b c         publish bodies; "=a" for a duplicate, "!QUEUE_FULL" for a refusal
/// lease w1 q 2 30s      -> a#1 b#1       body#attempt of what is delivered; "wait" while there is none
/// lease w1 q,r 2 30s    -> a#1 of r      of the first of several queues that has one
/// take w1               -> c#1           what has come for a waiting lease
/// ack w1 a              -> ok            ack, nack (delay or "policy"), dead, release, extend
/// tick 30s                               time passes
/// restart | crash | checkpoint | reconnect w1
/// move                  -> 3             live records are appended again at the log's end
/// withdraw w1           -> !CANCELLED withdrawn      takes back its last LEASE ("await": its last AWAIT); what comes, in its order
/// stats q               -> ready=1 leased=2 delayed=0
/// ```
final class Script {
    let broker: TestBroker
    var sessions: [String: SessionID] = [:]
    /// Messages by name, as they were stored.
    var ids: [String: UInt64] = [:]
    /// Who does what operators do.
    var operatorName = "admin"
    var tokens: [String: DeliveryToken] = [:]
    /// By client: its last LEASE.
    var waiting: [String: UInt32] = [:]
    /// By client: the queues of its last LEASE.
    private var asked: [String: [String]] = [:]
    /// By client: its last AWAIT.
    var awaiting: [String: UInt32] = [:]
    /// First ids of the last SETTLE.
    var settledIDs: [UInt64] = []
    /// The last WITHDRAW.
    var withdrawal: UInt32?
    private var producerSequence: UInt64 = 0
    private var previousToken: [String: DeliveryToken] = [:]

    init(_ broker: TestBroker) { self.broker = broker }

    static func run(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let script = Script(try TestBroker())
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            let parts = String(line).split(separator: "->", maxSplits: 1).map { $0.split(separator: " ").joined(separator: " ") }
            guard let command = parts.first, !command.isEmpty else { continue }
            let result = try script.perform(command.split(separator: " ").map(String.init))
            if parts.count == 2 {
                #expect(result == parts[1], "\(command)", sourceLocation: sourceLocation)
            }
        }
        // Whatever a script does: replaying the log gives the state that is live.
        script.broker.turn()
        #expect(try script.broker.recoveredState() == script.broker.encodedState(), "replay equals live state", sourceLocation: sourceLocation)
    }

    func session(_ name: String) -> SessionID {
        if let session = sessions[name] { return session }
        let session = broker.connect(client: name)
        sessions[name] = session
        return session
    }

    static func milliseconds(_ text: String) -> UInt64 {
        let number = UInt64(text.filter(\.isNumber)) ?? 0
        let units: [(String, UInt64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("d", 86_400_000), ("y", 365 * 86_400_000)]
        return number * (units.first { text.hasSuffix($0.0) }?.1 ?? 1)
    }

    func perform(_ words: [String]) throws -> String {
        switch words[0] {
        case "queue": return try declare(words)
        case "publish": return try publish(words, producer: 0, sequence: 0)
        case "produce": return try publish([words[0], words[2]] + words[3...], producer: 7, sequence: UInt64(words[1]) ?? 0)
        case "flood":
            let names = (1...(Int(words[3]) ?? 1)).map { "\(words[2])\($0)" + (words.count > 4 ? words[4] : "") }
            return try publish([words[0], words[1]] + names, producer: 0, sequence: 0) == names.map { String($0.split(separator: "/")[0]) }.joined(separator: " ") ? "ok" : "refused"
        case "lease": return try lease(words)
        case "count": return try countLeased(words)
        case "take": return try take(words[1])
        case "ack", "nack", "dead", "release", "extend": return try settle(words)
        case "tick":
            broker.advance(Self.milliseconds(words[1]))
            return "ok"
        case "restart", "crash":
            try broker.restart(crash: words[0] == "crash")
            sessions = [:]
            waiting = [:]
            return "ok"
        case "checkpoint":
            try broker.checkpoint()
            return "ok"
        case "reconnect":
            if let session = sessions.removeValue(forKey: words[1]) { broker.disconnect(session) }
            return "ok"
        case "move": return "\(try broker.move())"
        case "stall":
            broker.isDiskStalled = words[1] == "on"
            if !broker.isDiskStalled { broker.turn() }
            return "ok"
        case "withdrawn": return try withdrawn(words[1])
        case "withdraw": return try withdraw(words)
        case "stats": return try stats(words[1])
        case "duplicates": return try duplicates(words[1])
        default: return try operate(words)
        }
    }

    func reply(_ frame: TestBroker.Frame?, _ decode: ([UInt8]) throws -> String) throws -> String {
        guard let frame else { return "wait" }
        if let error = frame.error { return "!" + (ErrorCode(rawValue: error.code)?.name ?? "\(error.code)") }
        return try decode(frame.body)
    }

    private func declare(_ words: [String]) throws -> String {
        var policy = QueuePolicyFields()
        for option in words.dropFirst(2) {
            let pair = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch pair[0] {
            case "attempts": policy.attemptsMax = UInt64(pair[1])
            case "backoff":
                policy.backoffInitialMilliseconds = Self.milliseconds(pair[1])
                policy.backoffJitterPercent = 0
            case "lease": policy.leaseMilliseconds = Self.milliseconds(pair[1])
            case "length": policy.lengthMax = UInt64(pair[1])
            case "bytes": policy.bytesMax = UInt64(pair[1])
            case "window": policy.deduplicationWindowMilliseconds = Self.milliseconds(pair[1])
            case "delay": policy.delayMilliseconds = Self.milliseconds(pair[1])
            case "dead": policy.deadLetterQueue = pair[1]
            case "tell": policy.deadLetterTopic = pair[1]
            case "results": policy.resultRetentionMilliseconds = Self.milliseconds(pair[1])
            case "groups": policy.orderedGroups = UInt64(pair[1])
            case "fair": policy.fairGroups = UInt64(pair[1])
            case "priorities": policy.priorities = UInt64(pair[1])
            case "concurrency": policy.concurrency = UInt64(pair[1])
            case "keyconcurrency": policy.concurrencyPerGroup = UInt64(pair[1])
            case "rate": policy.ratePerSecond = UInt64(pair[1])
            case "keyrate": policy.ratePerSecondPerGroup = UInt64(pair[1])
            case "ttl": policy.timeToLiveMilliseconds = Self.milliseconds(pair[1])
            default: throw WireError(.invalidArgument, "no such option: \(option)")
            }
        }
        return try reply(broker.ask(session(operatorName), .declare) { DeclareRequest(queue: words[1], policy: policy).encode(into: &$0) }) {
            "\(try DeclareReply($0.span.bytes).outcome)"
        }
    }

    /// Messages are written `body`, `body/p9` (priority), `body/d5s` (delay), `body/l5s` (time to live), `body/g:key` (group),
    /// `body/k:key` (deduplication key).
    private func publish(_ words: [String], producer: UInt64, sequence: UInt64) throws -> String {
        let bodies = words.dropFirst(2)
        var records = WireWriter()
        var sizes: [String: Int] = [:]
        for word in bodies {
            let parts = word.split(separator: "/").map(String.init)
            var record = MessageRecord(body: Array(parts[0].utf8))
            for option in parts.dropFirst() {
                if option.hasPrefix("p") { record.priority = UInt8(option.dropFirst()) ?? 4 }
                if option.hasPrefix("d") { record.delayMilliseconds = Self.milliseconds(String(option.dropFirst())) }
                if option.hasPrefix("l") { record.timeToLiveMilliseconds = Self.milliseconds(String(option.dropFirst())) }
                if option.hasPrefix("g:") { record.group = String(option.dropFirst(2)) }
                if option.hasPrefix("t:") { record.taskType = String(option.dropFirst(2)) }
                if option.hasPrefix("h:") {
                    let pair = option.dropFirst(2).split(separator: ":", maxSplits: 1).map(String.init)
                    record.userHeaders.append(.init(name: pair[0], value: pair[1]))
                }
                if option.hasPrefix("k:") { record.deduplicationKey = String(option.dropFirst(2)) }
            }
            let start = records.count
            try record.encode(into: &records)
            sizes[parts[0]] = records.count - start
        }
        let bytes = records.array()
        let frame = broker.ask(session(operatorName == "admin" ? "producer" : operatorName), .publish) {
            PublishRequest.encodeHead(
                producerID: producer, firstSequence: sequence, queue: words[1], count: bodies.count, recordsByteCount: bytes.count, into: &$0)
            $0.bytes(bytes)
        }
        return try reply(frame) { body in
            var names = bodies.map { String($0.split(separator: "/")[0]) }
            return try PublishReply(body.span.bytes).runs.flatMap { run in
                var id = run.firstID
                return (0..<run.count).map { _ in
                    let name = names.removeFirst()
                    if run.status == .ok {
                        ids[name] = id
                        id += UInt64(sizes[name] ?? 0)
                        return name
                    }
                    return run.status == .duplicate ? "=\(name)" : "!\(run.status.error?.name ?? "?")"
                }
            }.joined(separator: " ")
        }
    }

    /// `lease WORKER QUEUE MAX DURATION [WAIT]`
    private func lease(_ words: [String]) throws -> String {
        let worker = session(words[1])
        let wait = words.count > 5 ? Self.milliseconds(words[5]) : 0
        let queues = words[2].split(separator: ",").map(String.init)
        asked[words[1]] = queues
        waiting[words[1]] = broker.request(worker, .lease) {
            LeaseRequest(
                queue: queues[0], messagesMax: UInt32(words[3]) ?? 1, bytesMax: 1 << 20, leaseMilliseconds: UInt32(Self.milliseconds(words[4])),
                waitMilliseconds: UInt32(wait), others: Array(queues.dropFirst())
            ).encode(into: &$0)
        }
        broker.turn()
        return try take(words[1])
    }

    /// `count WORKER QUEUE MAX DURATION`
    private func countLeased(_ words: [String]) throws -> String {
        var counts: [(letter: Character, count: Int)] = []
        for _ in 0..<(Int(words[3]) ?? 0) {
            let text = try lease(["lease", words[1], words[2], "1", words[4]])
            guard text != "none", let letter = text.first else { break }
            if let known = counts.firstIndex(where: { $0.letter == letter }) { counts[known].count += 1 } else { counts.append((letter, 1)) }
        }
        return counts.map { "\($0.letter):\($0.count)" }.joined(separator: " ")
    }

    private func take(_ worker: String) throws -> String {
        try delivered(broker.frames(session(worker)).first { $0.header.correlationID == waiting[worker] }, to: worker)
    }

    /// What a LEASE reply delivers.
    func delivered(_ frame: TestBroker.Frame?, to worker: String) throws -> String {
        try reply(frame) { body in
            let bytes = body.span.bytes
            var reader = WireReader(bytes)
            let head = try LeaseReplyHead(&reader)
            var texts: [String] = []
            for item in head.items {
                let record = try RecordView.decode(try reader.span(Int(item.recordByteCount), "record"))
                let name = String(decoding: record.body, as: UTF8.self)
                if let before = tokens[name] { previousToken[name] = before }
                tokens[name] = item.token
                texts.append("\(name)#\(item.attempt)")
            }
            if let index = try LeaseReplyTail(&reader).queueIndex { texts.append("of \(asked[worker]?[Int(index)] ?? "?")") }
            return texts.isEmpty ? "none" : texts.joined(separator: " ")
        }
    }

    /// `ack WORKER MESSAGE…`; a message written `~a` is shown with its former token. `nack WORKER DELAY MESSAGE…`.
    private func settle(_ words: [String]) throws -> String {
        var names = words.dropFirst(2)
        var delay = NackItem.delayByPolicy
        if words[0] == "nack" || words[0] == "extend" {
            let first = names.removeFirst()
            if first != "policy" { delay = Self.milliseconds(first) }
        }
        let shown = try names.map { name in
            let token = name.hasPrefix("~") ? previousToken[String(name.dropFirst())] : tokens[name]
            return try #require(token, "\(name) was never delivered")
        }
        let worker = session(words[1])
        if words[0] == "extend" {
            let frame = broker.ask(worker, .extend) {
                ExtendRequest(leaseMilliseconds: UInt32(delay), items: shown.map { .init(token: $0) }).encode(into: &$0)
            }
            return try reply(frame) { body in
                try ExtendReply(body.span.bytes).items.map { ($0.status.error?.name ?? "ok") + ($0.isCancelled ? "+cancelled" : "") }.joined(separator: " ")
            }
        }
        let frame = words[0] == "ack"
            ? broker.ask(worker, .ack) { AckRequest(tokens: shown).encode(into: &$0) }
            : broker.ask(worker, .nack) {
                let disposition: NackItem.Disposition = words[0] == "dead" ? .dead : words[0] == "release" ? .release : .retry
                NackRequest(items: shown.map { .init(token: $0, disposition: disposition, delayMilliseconds: delay, reason: "no") }).encode(into: &$0)
            }
        return try reply(frame) { body in
            try StatusReply(body.span.bytes).statuses(expected: shown.count).map { $0.error?.name ?? "ok" }.joined(separator: " ")
        }
    }

    private func duplicates(_ queue: String) throws -> String {
        try reply(broker.ask(session("admin"), .stats) { StatsRequest(pattern: queue).encode(into: &$0) }) { body in
            "\(try StatsReply(body.span.bytes).queues.first?.duplicates ?? 0)"
        }
    }

    private func stats(_ queue: String) throws -> String {
        try reply(broker.ask(session(operatorName), .stats) { StatsRequest(pattern: queue).encode(into: &$0) }) { body in
            guard let stats = try StatsReply(body.span.bytes).queues.first else { return "none" }
            return "ready=\(stats.ready) leased=\(stats.leased) delayed=\(stats.delayed)"
        }
    }
}
