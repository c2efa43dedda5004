// Messages that are published: their ids, their deduplication keys, and what is answered to repetitions.
extension Oracle {
    // MARK: Publishing

    /// The message was confirmed, at `now` at the latest.
    mutating func stored(_ tag: Int, id: UInt64, arrivedAt: UInt64, _ arrival: Arrival, now: UInt64) {
        checks += 1
        if id <= idMax { fail(5, "\(name(tag)) got the id \(id), and \(idMax) was given out before: ids must rise") }
        idMax = max(idMax, id)
        if messages[tag].id != 0, messages[tag].id != id, messages[tag].fate != .absent, !messages[tag].fate.contains(.absent) {
            fail(6, "\(name(tag)) was stored twice, as \(messages[tag].id) and \(id)")
        }
        checkKey(tag, at: arrivedAt)
        resolveSettle(tag, happened: true)
        messages[tag].id = id
        messages[tag].fate = .home
        let queue = Int(messages[tag].queue)
        if let since = queues[queue].publishesPausedSince, arrival.order > since { fail(8, "\(name(tag)) was accepted while publishes were paused") }
        if mayBeRemoved(tag, isDead: false, after: arrival) { messages[tag].fate.insert(.gone) }
        messages[tag].storedFrom = arrivedAt
        messages[tag].storedUntil = now
        messages[tag].livesFromAtMost = now + messages[tag].delay
    }

    /// A message with a deduplication key was accepted: no other may have it within the window.
    mutating func checkKey(_ tag: Int, at: UInt64) {
        let key = messages[tag].key
        guard key != 0 else { return }
        let queue = Int(messages[tag].queue)
        var holders = queues[queue].holdersByKey[key] ?? []
        for holder in holders where holder != tag && !messages[holder].fate.contains(.absent) && messages[holder].id != 0 {
            let window = queues[queue].windowLow
            if window > 0, at < messages[holder].storedFrom + window, messages[holder].storedFrom > queues[queue].keysForgottenThrough {
                fail(6, "\(name(tag)) was accepted, and \(name(holder)) has its deduplication key since \(at - min(at, messages[holder].storedFrom)) ms")
            }
        }
        holders.removeAll { $0 == tag || (messages[$0].id != 0 && messages[$0].storedUntil + queues[queue].windowHigh <= at) }
        holders.append(tag)
        queues[queue].holdersByKey[key] = holders
    }

    /// This item of a publish was refused: it is not there, and was not before.
    mutating func refused(_ tag: Int) {
        checks += 1
        if !messages[tag].fate.contains(.absent) { fail(6, "\(name(tag)) was refused when it was sent again, and it had been stored") }
        messages[tag].fate = .absent
        resolveSettle(tag, happened: false)
    }

    /// Answered as a duplicate of `id` (0: of one that is not named).
    mutating func duplicate(_ tag: Int, id: UInt64, arrivedAt: UInt64) {
        checks += 1
        let key = messages[tag].key
        let queue = Int(messages[tag].queue)
        let holders = key == 0 ? [] : queues[queue].holdersByKey[key] ?? []
        let isOthers = id != 0 && holders.contains { $0 != tag && messages[$0].id == id }
        if messages[tag].fate != .absent, !isOthers {
            // The same batch again; or one of another, of whose publish no answer came either.
            if messages[tag].fate.contains(.absent), key != 0, !maybeHolders(of: key, queue, id, at: arrivedAt, except: tag).isEmpty { return }
            if messages[tag].fate.contains(.absent), id != 0, id <= messages[tag].idsBefore {
                fail(6, "\(name(tag)) was answered as a duplicate of \(id), which is older, and nobody's who has its key")
            }
            if messages[tag].fate.contains(.absent) {
                confirm(tag, id: id)
            } else if id != 0, messages[tag].id != id {
                fail(6, "\(name(tag)) has the id \(messages[tag].id), and was answered as a duplicate of \(id)")
            }
            return
        }
        guard key != 0 else {
            fail(6, "\(name(tag)) was answered as a duplicate of \(id), and it was never stored")
            return
        }
        if !messages[tag].fate.contains(.absent) { fail(6, "\(name(tag)) was stored, and then answered as a duplicate of another, \(id)") }
        messages[tag].fate = .absent
        let window = queues[queue].windowHigh
        // The one with this id, if it is known.
        if let holder = holders.last(where: { $0 != tag && messages[$0].id == id && id != 0 && messages[$0].fate != .absent }) {
            if arrivedAt >= messages[holder].storedUntil + window {
                fail(6, "\(name(tag)) was refused as a duplicate of \(name(holder)), whose window is over")
            }
            if messages[holder].fate.contains(.absent) { confirm(holder, id: id) }
            return
        }
        // Else one of those of whose publish no answer came.
        let candidates = maybeHolders(of: key, queue, id, at: arrivedAt, except: tag)
        if candidates.isEmpty { fail(6, "\(name(tag)) was answered as a duplicate of \(id), and no message whose window is open has its key") }
        if candidates.count == 1 { confirm(candidates[0], id: id) }
    }

    /// Messages with the deduplication key of whose publish no answer came, and that may be `id`.
    private func maybeHolders(of key: UInt16, _ queue: Int, _ id: UInt64, at time: UInt64, except tag: Int) -> [Int] {
        (queues[queue].holdersByKey[key] ?? []).filter {
            $0 != tag && messages[$0].id == 0 && messages[$0].fate != .absent && (id == 0 || id > messages[$0].idsBefore)
                && time < messages[$0].storedUntil + queues[queue].windowHigh
        }
    }

    /// It is known now that the message was stored.
    private mutating func confirm(_ tag: Int, id: UInt64) {
        if messages[tag].id != 0, id != 0, messages[tag].id != id { fail(1, "\(name(tag)) has the ids \(messages[tag].id) and \(id)") }
        if id != 0 { messages[tag].id = id }
        messages[tag].fate.remove(.absent)
        resolveSettle(tag, happened: true)
    }
}
