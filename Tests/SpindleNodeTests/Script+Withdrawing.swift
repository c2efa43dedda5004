import SpindleNode
import SpindleWire
import Testing

extension Script {
    /// `withdraw WORKER [await] [of WORKER]`; the last names another's request.
    func withdraw(_ words: [String]) throws -> String {
        let owner = words.last.flatMap { words.contains("of") ? $0 : nil } ?? words[1]
        let id = words.contains("await") ? awaiting[owner] : waiting[owner]
        let session = session(words[1])
        withdrawal = broker.request(session, .withdraw) { WithdrawRequest(correlationID: id ?? 0).encode(into: &$0) }
        broker.turn()
        return try withdrawn(words[1])
    }

    /// `withdrawn WORKER`: what has come since, in its order.
    func withdrawn(_ worker: String) throws -> String {
        let texts = try broker.frames(session(worker)).compactMap { frame -> String? in
            switch frame.header.correlationID {
            case withdrawal: try reply(frame) { "\(try WithdrawReply($0.span.bytes).outcome)" }
            case waiting[worker]: try delivered(frame, to: worker)
            case awaiting[worker]: try reply(frame) { "\(try AwaitReply($0.span.bytes).items.map { "\($0.state)" })" }
            default: nil
            }
        }
        return texts.isEmpty ? "wait" : texts.joined(separator: " ")
    }
}
