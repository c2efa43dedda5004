// SETTLEs that are sent again: they happened once, or not at all.
extension Oracle {
    /// The SETTLE of which no answer came was answered when it was sent again: it happened, then or now.
    mutating func settledOnce(_ sent: SentSettle, _ ids: [UInt64], now: UInt64, _ arrival: Arrival) {
        checks += 1
        for token in sent.tokens {
            if messages[token.tag].epoch > token.epoch {
                fail(2, "a SETTLE of \(name(token.tag)) with epoch \(token.epoch) was accepted when it was sent again: it is at epoch \(messages[token.tag].epoch)")
            }
            if isUnanswered(sent, at: token.tag) { resolveSettle(token.tag, happened: true) }
            messages[token.tag].fate = .gone
            messages[token.tag].lease = .over
        }
        forEachItem(of: sent, ids) { oracle, tag, id in
            if oracle.messages[tag].id != 0, oracle.messages[tag].id != id {
                oracle.fail(6, "\(oracle.name(tag)) was stored twice by a SETTLE that was sent twice, as \(oracle.messages[tag].id) and \(id)")
            }
            if oracle.messages[tag].fate == .absent {
                oracle.maybeStored(tag, at: sent.sentAt, arrival)
            }
            oracle.idMax = max(oracle.idMax, id)
            oracle.messages[tag].id = id
            oracle.messages[tag].fate.remove(.absent)
            oracle.messages[tag].storedUntil = max(oracle.messages[tag].storedUntil, now)
        } event: { oracle, event, offset in
            oracle.topics.maybeStored(event)
            oracle.topics.duplicate(event, offset: offset, now: now)
        }
    }

    /// It was answered before, with these ids.
    mutating func settledAgain(_ sent: SentSettle, _ ids: [UInt64]) {
        checks += 1
        if let before = sent.firstIDs, before != ids { fail(6, "a SETTLE was answered with \(before), and when it was sent again with \(ids)") }
    }

    /// It was refused when it was sent again: so it did not happen before.
    mutating func neverSettled(_ sent: SentSettle, code: UInt16) {
        checks += 1
        if sent.firstIDs != nil {
            fail(6, "a SETTLE of \(sent.tokens.map { name($0.tag) }) was done, and was refused with error \(code) when it was sent again")
            return
        }
        for tag in sent.tokens.map(\.tag) + Array(sent.tags) where isUnanswered(sent, at: tag) { resolveSettle(tag, happened: false) }
        for tag in sent.tags where messages[tag].id != 0 && !messages[tag].fate.contains(.absent) {
            fail(6, "\(name(tag)) was stored by a SETTLE that was refused with error \(code) when it was sent again")
        }
    }

    /// Whether the SETTLE without an answer that concerns the message is this one: another one may have come of a later lease.
    private func isUnanswered(_ sent: SentSettle, at tag: Int) -> Bool {
        let number = Int(messages[tag].settle)
        guard number != 0, settles[number].published == sent.tags, settles[number].events == sent.events else { return false }
        return settles[number].acknowledged == sent.tokens.map(\.tag) && sent.tokens.allSatisfy { messages[$0.tag].epoch == $0.epoch }
    }

    private mutating func forEachItem(
        of sent: SentSettle, _ ids: [UInt64], message: (inout Oracle, Int, UInt64) -> Void, event: (inout Oracle, Int, UInt64) -> Void
    ) {
        var ids = ids[...]
        if !sent.tags.isEmpty, var id = ids.popFirst() {
            for tag in sent.tags {
                message(&self, tag, id)
                id += UInt64(messages[tag].recordByteCount)
            }
        }
        if !sent.events.isEmpty, var offset = ids.popFirst() {
            for number in sent.events {
                event(&self, number, offset)
                offset += UInt64(topics.events[number].recordByteCount)
            }
        }
    }
}
