import SpindleNode
import SpindleText
import SpindleWire
import Testing

// What operators do, in the language of the scripts:
//
// ```
// principal bob publish=q,r admin=*     connects bob, who may do that; `by bob …` does the rest of the line as bob
// delete q | delete q all   -> removed 3
// purge q ready|delayed|both -> removed 3
// pause q deliveries|publishes|both reason…     resume q
// browse q FILTER… max=2 after=a bytes=100 -> a:ready#0 b:leased#1 …   "…" where more follow
// records q FILTER…         -> a b          the same with their records: what stands in them
// history q NAME            -> q: no; nacked no, expired the lease ended
// get q NAME                -> leased#1 admin/w 40% half
// why q NAME                -> leased leased admin/w count=1 since=-2s next=leaseEnds+28s     times from now on
// cancel q a b              -> ready leased NO_SUCH_MESSAGE
// pushed w                  -> a b: reason       what came with CANCELLED
// reschedule q 5s a b       -> ok CONFLICT
// redrive q.dead to=r max=5 rate=10 FILTER… -> job 1
// bulk cancel|redrive|move|reschedule q to=r delay=5s reason=why FILTER… -> job 1
// look q 1 | stop q 1       -> running matched=3 done=2 failed=1: why
// progress w a 40 half      what an EXTEND tells; 255 for nothing
// unreadable on             what the node asks to see of the log can't be read
// work 5                    five turns, a millisecond apart
// ```
//
// FILTER: `states=ready,leased` `older=5s` `newer=5s` `tried=2` (at least) `triedmost=2` `group=g` `header=name:value`
// `contains=name:text` `origin=q` `reason=text` `ids=a,b`
extension Script {
    func operate(_ words: [String]) throws -> String {
        switch words[0] {
        case "principal":
            sessions[words[1]] = broker.connect(Self.principal(words[1], words.dropFirst(2)), client: "")
            return "ok"
        case "by":
            operatorName = words[1]
            defer { operatorName = "admin" }
            return try perform(Array(words.dropFirst(2)))
        case "delete":
            return try removed(.delete) {
                DeleteRequest(queue: words[1], mode: words.count > 2 ? .withMessages : .ifEmpty).encode(into: &$0)
            }
        case "purge":
            return try removed(.purge) {
                PurgeRequest(queue: words[1], ready: words[2] != "delayed", delayed: words[2] != "ready").encode(into: &$0)
            }
        case "pause":
            let what: QueuePause = words[2] == "both" ? [.deliveries, .publishes] : words[2] == "deliveries" ? .deliveries : .publishes
            return try reply(ask(.pause) { PauseRequest(queue: words[1], what: what, reason: words.dropFirst(3).joined(separator: " ")).encode(into: &$0) }) { _ in "ok" }
        case "resume":
            return try reply(ask(.resume) { ResumeRequest(queue: words[1]).encode(into: &$0) }) { _ in "ok" }
        case "browse", "records": return try browse(words)
        case "get", "history": return try get(words)
        case "why": return try why(words)
        case "cancel": return try cancel(words)
        case "pushed": return try pushed(words[1])
        case "reschedule": return try reschedule(words)
        case "redrive", "bulk": return try begin(words)
        case "look", "stop":
            let action: BulkRequest.Action = words[0] == "look" ? .look : .stop
            return try job(ask(.bulk) { BulkRequest(action, job: UInt64(words[2]) ?? 0, queue: words[1]).encode(into: &$0) })
        case "progress":
            let token = try #require(tokens[words[2]])
            let item = ExtendRequest.Item(token: token, percent: UInt8(words[3]) ?? 255, note: words.dropFirst(4).joined(separator: " "))
            return try reply(broker.ask(session(words[1]), .extend) { ExtendRequest(leaseMilliseconds: 10_000, items: [item]).encode(into: &$0) }) { _ in "ok" }
        case "work":
            for _ in 0..<(Int(words[1]) ?? 1) { broker.advance(1) }
            return "ok"
        case "unreadable":
            broker.isLogUnreadable = words[1] == "on"
            return "ok"
        case "settle", "event", "subscribe", "retain", "topics", "deaths": return try settleOrTell(words)
        default: return try attend(words)
        }
    }

    private func ask(_ opcode: Opcode, _ body: (inout WireWriter) throws -> Void) rethrows -> TestBroker.Frame? {
        try broker.ask(session(operatorName), opcode, body)
    }

    static func principal(_ name: String, _ rights: ArraySlice<String>) -> Principal {
        var principal = Principal(name: name)
        for right in rights {
            let pair = right.split(separator: "=").map(String.init)
            let patterns = pair[1].split(separator: ",").map { NamePattern(String($0)) }
            switch pair[0] {
            case "publish": principal.publish = patterns
            case "lease": principal.lease = patterns
            case "read": principal.read = patterns
            case "events": principal.topicPublish = patterns
            case "subscribe": principal.topicSubscribe = patterns
            default: principal.admin = patterns
            }
        }
        return principal
    }

    private func removed(_ opcode: Opcode, _ body: (inout WireWriter) -> Void) throws -> String {
        try reply(ask(opcode, body)) { "removed \(try RemovedReply($0.span.bytes).messagesRemoved)" }
    }

    // MARK: Filters

    /// A message that was stored; else an id that none has.
    private func id(_ name: String) -> UInt64 { ids[name] ?? 7 }
    private func name(_ id: UInt64) -> String { ids.first { $0.value == id }?.key ?? "?" }

    private func filter(_ words: ArraySlice<String>) -> MessageFilter {
        var filter = MessageFilter()
        for word in words {
            let pair = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let parts = pair.count > 1 ? pair[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init) : []
            switch pair[0] {
            case "states":
                let known: [String: MessageFilter.States] = ["ready": .ready, "leased": .leased, "delayed": .delayed]
                filter.states = MessageFilter.States(pair[1].split(separator: ",").compactMap { known[String($0)] })
            case "older": filter.ageMillisecondsMin = Self.milliseconds(pair[1])
            case "newer": filter.ageMillisecondsMax = Self.milliseconds(pair[1])
            case "tried": filter.attemptsMin = UInt64(pair[1])
            case "triedmost": filter.attemptsMax = UInt64(pair[1])
            case "group": filter.group = pair[1]
            case "header": filter.headersEqual.append(.init(name: parts[0], text: parts[1]))
            case "contains": filter.headersContaining.append(.init(name: parts[0], text: parts[1]))
            case "origin": filter.originQueue = pair[1]
            case "reason": filter.lastReasonContains = pair[1]
            case "ids": filter.ids = pair[1].split(separator: ",").map { id(String($0)) }
            default: break // of the request itself
            }
        }
        return filter
    }

    private static func value(_ key: String, _ words: ArraySlice<String>) -> String? {
        words.first { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.count + 1)) }
    }

    // MARK: Looking

    private static func text(_ item: BrowseReplyHead.Item) -> String { "\(item.state)#\(item.attempts)" }

    private func browse(_ words: [String]) throws -> String {
        let options = words.dropFirst(2)
        let withRecords = words[0] == "records"
        let frame = ask(.browse) {
            BrowseRequest(
                queue: words[1], after: Self.value("after", options).map(id) ?? 0, messagesMax: UInt32(Self.value("max", options) ?? "") ?? 1000,
                bytesMax: UInt32(Self.value("bytes", options) ?? "") ?? 1 << 20, parts: withRecords ? .records : [], filter: filter(options)
            ).encode(into: &$0)
        }
        return try reply(frame) { body in
            var reader = WireReader(body.span.bytes)
            let head = try BrowseReplyHead(&reader)
            var texts = try head.items.map { item in
                guard withRecords else { return "\(name(item.id)):\(Self.text(item))" }
                return String(decoding: try RecordView.decode(try reader.span(Int(item.recordByteCount), "record")).body, as: UTF8.self)
            }
            if head.next != 0 {
                if let last = head.items.last { #expect(head.next >= last.id) }
                texts.append("…")
            }
            return texts.isEmpty ? "none" : texts.joined(separator: " ")
        }
    }

    private func get(_ words: [String]) throws -> String {
        let parts: BrowseParts = words[0] == "history" ? [.histories, .records] : []
        return try reply(ask(.get) { GetRequest(queue: words[1], id: id(words[2]), parts: parts).encode(into: &$0) }) { body in
            var reader = WireReader(body.span.bytes)
            let head = try BrowseReplyHead(&reader)
            let item = try #require(head.items.first)
            if words[0] == "history" {
                _ = try reader.span(Int(item.recordByteCount), "record")
                guard !reader.isAtEnd else { return "none" }
                _ = try reader.u16("tag")
                _ = try reader.u32("length")
                let note = try DeadLetterNote(&reader)
                let attempts = note.attempts.map { "\($0.outcome) \($0.reason)" }.joined(separator: ", ")
                let death = note.originQueue.isEmpty ? "" : "\(note.originQueue): \(note.reason)"
            return [death, attempts].filter { !$0.isEmpty }.joined(separator: "; ")
            }
            var text = Self.text(item)
            if !item.holder.isEmpty { text += " \(item.holder)" }
            if item.percent <= 100 { text += " \(item.percent)%" }
            return item.note.isEmpty ? text : text + " \(item.note)"
        }
    }

    // MARK: Changing

    private func cancel(_ words: [String]) throws -> String {
        let frame = ask(.cancel) { CancelRequest(queue: words[1], reason: "enough", ids: words.dropFirst(2).map(id)).encode(into: &$0) }
        return try reply(frame) { body in
            try CancelReply(body.span.bytes).items.map { $0.status.error?.name ?? "\($0.was)" }.joined(separator: " ")
        }
    }

    private func pushed(_ worker: String) throws -> String {
        let notices = try broker.frames(session(worker)).filter { $0.header.opcode == Opcode.cancelled.rawValue }.map { frame in
            #expect(frame.header.flags == .push)
            let notice = try CancelledNotice(frame.body.span.bytes)
            return notice.tokens.map { name($0.messageID) }.joined(separator: " ") + ": " + notice.reason
        }
        return notices.isEmpty ? "none" : notices.joined(separator: ", ")
    }

    private func reschedule(_ words: [String]) throws -> String {
        let names = words.dropFirst(3)
        let frame = ask(.reschedule) {
            RescheduleRequest(queue: words[1], delayMilliseconds: Self.milliseconds(words[2]), ids: names.map(id)).encode(into: &$0)
        }
        return try reply(frame) { body in
            try StatusReply(body.span.bytes).statuses(expected: names.count).map { $0.error?.name ?? "ok" }.joined(separator: " ")
        }
    }

    private func begin(_ words: [String]) throws -> String {
        let isBulk = words[0] == "bulk"
        let options = words.dropFirst(isBulk ? 3 : 2)
        let target = Self.value("to", options) ?? ""
        let max = UInt32(Self.value("max", options) ?? "") ?? 0
        let rate = UInt32(Self.value("rate", options) ?? "") ?? 0
        let frame = isBulk
            ? ask(.bulk) {
                let actions: [String: BulkRequest.Action] = ["cancel": .cancel, "redrive": .redrive, "move": .move, "reschedule": .reschedule]
                BulkRequest(
                    actions[words[1]] ?? .cancel, queue: words[2], target: target,
                    delayMilliseconds: Self.milliseconds(Self.value("delay", options) ?? "0"), messagesMax: max, ratePerSecond: rate,
                    reason: Self.value("why", options) ?? "", filter: filter(options)
                ).encode(into: &$0)
            }
            : ask(.redrive) {
                RedriveRequest(queue: words[1], target: target, messagesMax: max, ratePerSecond: rate, filter: filter(options)).encode(into: &$0)
            }
        return try reply(frame) { body in
            let reply = try JobReply(body.span.bytes)
            #expect(reply.state == .running && reply.matched == 0)
            return "job \(reply.job)"
        }
    }

    private func job(_ frame: TestBroker.Frame?) throws -> String {
        try reply(frame) { body in
            let job = try JobReply(body.span.bytes)
            let counts = "\(job.state) matched=\(job.matched) done=\(job.done) failed=\(job.failed)"
            return job.lastFailure.isEmpty ? counts : "\(counts): \(job.lastFailure)"
        }
    }
}
