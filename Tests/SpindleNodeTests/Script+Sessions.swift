import SpindleNode
import SpindleWire
import Testing

// Results, and who holds what, in the language of the scripts:
//
// ```
// done w a=r1 b             -> ok ok        acks; what stands behind `=` is the result (`=4096*` is so many bytes)
// await s q 10s a b         -> a:acknowledged(r1) b:pending      "wait" while it waits
// taken s                   -> …            what has come for a waiting AWAIT
// workers                   -> admin w(2,waits) v(0,quiet) gone(1)   those who hold, wait or are quiet; admin asks
// leases w                  -> a b          what a client holds; "gone": what those hold who are not there
// control quiet w           -> 1            quiet, resume, terminate; "*" for all
// wished w                  -> quiet        what came with QUIET
// drain                                     the broker is about to stop
// ```
extension Script {
    func attend(_ words: [String]) throws -> String {
        switch words[0] {
        case "done": return try done(words)
        case "await":
            awaiting[words[1]] = broker.request(session(words[1]), .await) {
                AwaitRequest(queue: words[2], ids: words.dropFirst(4).map { ids[$0] ?? 7 }, waitMilliseconds: UInt32(Self.milliseconds(words[3]))).encode(into: &$0)
            }
            broker.turn()
            return try taken(words[1])
        case "taken": return try taken(words[1])
        case "workers": return try workers()
        case "leases": return try leases(words[1])
        case "control":
            let action: WorkerAction = words[1] == "quiet" ? .quiet : words[1] == "resume" ? .resume : .terminate
            let target = words[2] == "*" ? 0 : session(words[2]).rawValue
            let request = WorkerControlRequest(sessionID: target, action: action, graceMilliseconds: 5000, reason: "why")
            return try reply(broker.ask(session(operatorName), .workerControl) { request.encode(into: &$0) }) {
                "\(try WorkerControlReply($0.span.bytes).sessionsReached)"
            }
        case "wished":
            let notices = try broker.frames(session(words[1])).filter { $0.header.opcode == Opcode.quiet.rawValue }.map { try QuietNotice($0.body.span.bytes) }
            return notices.isEmpty ? "none" : notices.map { "\($0.action.map { "\($0)" } ?? "?"): \($0.reason)" }.joined(separator: ", ")
        case "drain":
            broker.drain()
            return "ok"
        default:
            throw WireError(.invalidArgument, "no such command: \(words)")
        }
    }

    private func done(_ words: [String]) throws -> String {
        var shown: [DeliveryToken] = []
        var results: [AckResult] = []
        for (index, word) in words.dropFirst(2).enumerated() {
            let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
            shown.append(try #require(tokens[pair[0]], "\(pair[0]) was never delivered"))
            guard pair.count > 1 else { continue }
            let bytes = pair[1].hasSuffix("*") ? [UInt8](repeating: 0x2A, count: Int(pair[1].dropLast()) ?? 0) : Array(pair[1].utf8)
            results.append(AckResult(index: UInt32(index), bytes: bytes))
        }
        let frame = broker.ask(session(words[1]), .ack) { AckRequest(tokens: shown, results: results).encode(into: &$0) }
        return try reply(frame) { body in
            try StatusReply(body.span.bytes).statuses(expected: shown.count).map { $0.error?.name ?? "ok" }.joined(separator: " ")
        }
    }

    private func taken(_ name: String) throws -> String {
        let frame = broker.frames(session(name)).first { $0.header.correlationID == awaiting[name] }
        return try reply(frame) { body in
            try AwaitReply(body.span.bytes).items.map { item in
                let result = item.result.count > 32 ? "(\(item.result.count) bytes)" : item.result.isEmpty ? "" : "(\(String(decoding: item.result, as: UTF8.self)))"
                return (item.status == .ok ? "\(item.state)" : "!\(item.status.error?.name ?? "?")") + result
            }.joined(separator: " ")
        }
    }

    private func rows(_ visit: (WorkersReply.Session) -> String?) throws -> String {
        try reply(broker.ask(session(operatorName), .workers) { WorkersRequest(withLeases: true).encode(into: &$0) }) { body in
            try WorkersReply(body.span.bytes).sessions.compactMap(visit).joined(separator: " ")
        }
    }

    private func workers() throws -> String {
        try rows { row in
            let facts = [row.held > 0 ? "\(row.held)" : nil, row.waits ? "waits" : nil, row.isQuiet ? "quiet" : nil].compactMap(\.self)
            return facts.isEmpty ? nil : "\(row.id == 0 ? "gone" : row.clientName)(\(facts.joined(separator: ",")))"
        }.orNone
    }

    private func leases(_ name: String) throws -> String {
        let found = try rows { row in
            guard (row.id == 0 ? "gone" : row.clientName) == name else { return nil }
            return row.leases.map { lease in
                let message = ids.first { $0.value == lease.token.messageID }?.key ?? "?"
                return message + (lease.percent == ExtendRequest.Item.noPercent ? "" : "@\(lease.percent)")
            }.sorted().joined(separator: " ")
        }
        return found.orNone
    }
}

extension String {
    fileprivate var orNone: String { isEmpty ? "none" : self }
}
