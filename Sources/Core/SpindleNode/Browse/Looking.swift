internal import SpindleQueue
internal import SpindleWire

// What BROWSE and jobs have in common: they walk over a queue in steps, and see the records' headers where the filter asks for them.

/// Some messages of a queue that were looked at.
struct Look: Sendable {
    /// Those that may be meant, by rising id.
    var messages: [MessageView] = []
    /// The last one that was looked at: the next step goes on behind it.
    var cursor: UInt64
    /// There is none behind it.
    var isEnd = false
    /// What the looking took.
    var units = 0
}

/// Messages whose headers are fetched.
struct HeadFetch: Equatable, Sendable {
    var ids: [UInt64] = []
    var ranges: [Effect.Range] = []
    var byteCount = 0
    var cursor: UInt64
    var isEnd: Bool

    /// What it takes to search through them.
    var units = 0

    /// As many of the messages as may be fetched at once, and searched through in one step.
    init(_ look: Look, for matcher: MessageMatcher, bytesMax: Int) {
        let searches = max(1, matcher.headerSearches)
        let bytesMax = min(bytesMax, NodeWork.unitsPerStepMax * NodeWork.bytesSearchedPerUnit / searches)
        cursor = look.cursor
        isEnd = look.isEnd
        for message in look.messages {
            let count = min(Int(message.byteCount), RecordHead.byteCountMax)
            guard ids.isEmpty || byteCount + count <= bytesMax else {
                cursor = ids.last ?? cursor
                isEnd = false
                break
            }
            ids.append(message.id)
            ranges.append(.init(address: message.address, count: count))
            byteCount += count
        }
        units = ids.count + byteCount * searches / NodeWork.bytesSearchedPerUnit
    }

    /// The ids of those whose headers match. `bytes`: all ranges', one behind the other.
    func matching(_ matcher: MessageMatcher, in bytes: RawSpan) -> [UInt64] {
        guard bytes.byteCount == byteCount else { return [] }
        var matching: [UInt64] = []
        var offset = 0
        for (id, range) in zip(ids, ranges) {
            if matcher.matches(head: bytes.extracting(offset..<(offset + range.count))) { matching.append(id) }
            offset += range.count
        }
        return matching
    }
}

extension Node {
    /// The next messages of `queue` behind `cursor` that match, as far as can be told without their records; at most `max` are looked at.
    mutating func look(_ queue: UInt32, after cursor: UInt64, _ matcher: MessageMatcher, max: Int) -> Look {
        var look = Look(cursor: cursor)
        let messages: [MessageView]
        let overhead = state.engine.browseOverhead(of: queue)
        if let ids = matcher.ids {
            // Named ones are found one by one, however long the queue is; in a queue with many groups each in all of them.
            let unitsEach = 1 + overhead.groups / 16
            let max = min(max, Swift.max(1, NodeWork.unitsPerStepMax / unitsEach))
            let named = ids.drop { $0 <= cursor }.prefix(max)
            messages = named.compactMap { state.engine.view($0, in: queue) }
            look.isEnd = named.count < max
            look.cursor = named.last ?? cursor
            look.units = named.count * unitsEach
        } else {
            messages = state.engine.browse(queue, after: cursor, max: max)
            look.isEnd = messages.count < max
            look.cursor = messages.last?.id ?? cursor
            look.units = messages.count + (overhead.groups + overhead.held) / 16
        }
        if matcher.filter.lastReasonContains != nil { look.units += 8 * messages.count }
        work.charge(look.units)
        look.messages = messages.filter { matcher.matches($0, history: state.engine.history(of: $0.id)) }
        return look
    }
}
