import SpindleNode
import SpindleWire
import Testing

// What WHY says, in the language of the scripts: `state cause subject count/limit first=NAME "reason" since=-2s next=leaseEnds+28s`. What is
// absent is left out; times count from now on.
extension Script {
    func why(_ words: [String]) throws -> String {
        let id = ids[words[2]] ?? 7
        return try reply(broker.ask(session(operatorName), .why) { WhyRequest(queue: words[1], id: id).encode(into: &$0) }) { body in
            text(of: try WhyReply(body.span.bytes))
        }
    }

    private func text(of reply: WhyReply) -> String {
        var texts = ["\(reply.state)", "\(reply.cause)"]
        if !reply.subject.isEmpty { texts.append(reply.subject) }
        switch (reply.count, reply.limit) {
        case (let count?, let limit?): texts.append("\(count)/\(limit)")
        case (let count?, nil): texts.append("count=\(count)")
        case (nil, let limit?): texts.append("limit=\(limit)")
        case (nil, nil): break
        }
        if let other = reply.otherID { texts.append("first=\(ids.first { $0.value == other }?.key ?? "?")") }
        if !reply.reason.isEmpty { texts.append("“\(reply.reason)”") }
        if reply.sinceMilliseconds != broker.now { texts.append("since=\(span(reply.sinceMilliseconds))") }
        if reply.next != .none { texts.append("next=\(reply.next)\(span(reply.nextAtMilliseconds))") }
        return texts.joined(separator: " ")
    }

    private func span(_ at: UInt64) -> String {
        let (sign, milliseconds) = at < broker.now ? ("-", broker.now - at) : ("+", at - broker.now)
        return milliseconds.isMultiple(of: 1000) ? "\(sign)\(milliseconds / 1000)s" : "\(sign)\(milliseconds)ms"
    }
}
