package import SpindleQueue
internal import SpindleText
package import SpindleWire

/// A filter made ready to judge messages, one after the other. Pure. Source: `protocol/queues.md`, "Filters".
package struct MessageMatcher: Sendable {
    package let filter: MessageFilter
    /// The time that ages are counted from, milliseconds.
    private let now: UInt64
    /// Rising, each once; nil: any.
    package let ids: [UInt64]?
    private let conditions: [Condition]
    private let reason: BytePattern?

    /// What one condition asks of a record's headers.
    fileprivate struct Condition: Sendable {
        enum Name: Sendable {
            case any
            case known(UInt8)
            case user(BytePattern)
        }

        var name: Name
        var text: BytePattern
        var isWhole: Bool
    }

    package init(_ filter: MessageFilter, now: UInt64) {
        self.filter = filter
        self.now = now
        ids = filter.ids.map { ids in
            var rising: [UInt64] = []
            for id in ids.sorted() where rising.last != id { rising.append(id) }
            return rising
        }
        var conditions: [Condition] = []
        if let group = filter.group { conditions.append(Condition(name: .known(RecordHeaderID.group), text: BytePattern(group), isWhole: true)) }
        for header in filter.headersEqual { conditions.append(Condition(header, isWhole: true)) }
        for header in filter.headersContaining { conditions.append(Condition(header, isWhole: false)) }
        self.conditions = conditions
        reason = filter.lastReasonContains.map { BytePattern($0) }
    }

    /// Whether ``matches(head:)`` must be asked too.
    package var readsHeaders: Bool { !conditions.isEmpty }

    /// How often a record's headers are searched through, at most.
    package var headerSearches: Int { conditions.count }

    /// Whether everything holds that can be judged without the record.
    package func matches(_ message: MessageView, history: MessageHistory?) -> Bool {
        if let states = filter.states, !states.contains(Self.state(message.state)) { return false }
        let age = now - min(now, message.storedAt)
        if let least = filter.ageMillisecondsMin, age < least { return false }
        if let most = filter.ageMillisecondsMax, age > most { return false }
        if let least = filter.attemptsMin, UInt64(message.attempts) < least { return false }
        if let most = filter.attemptsMax, UInt64(message.attempts) > most { return false }
        if let ids, !Self.contains(ids, message.id) { return false }
        if let origin = filter.originQueue {
            guard let known = history?.death?.originQueue, known.hasSameBytes(as: origin) else { return false }
        }
        if let reason {
            // A message that nobody tried (its time to live ended) has only the reason of its death.
            let reasons = [history?.attempts.last?.reason, history?.death?.reason]
            guard reasons.contains(where: { text in text.map { reason.isContained(in: Array($0.utf8).span.bytes) } ?? false }) else { return false }
        }
        return true
    }

    private static func state(_ state: HeldMessage.State) -> MessageFilter.States {
        switch state {
        case .ready: .ready
        case .leased: .leased
        case .delayed: .delayed
        }
    }

    private static func contains(_ rising: [UInt64], _ id: UInt64) -> Bool {
        var low = 0
        var high = rising.count
        while low < high {
            let middle = (low + high) / 2
            if rising[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < rising.count && rising[low] == id
    }

    /// Whether the conditions on headers hold. `head`: the record, or so many of its first bytes that they hold the headers. Bytes that
    /// are no record match nothing.
    package func matches(head: RawSpan) -> Bool {
        for condition in conditions {
            let holds = (try? RecordHead.containsHeader(head) { condition.holds($0) }) ?? false
            guard holds else { return false }
        }
        return true
    }
}

extension MessageMatcher.Condition {
    /// The names by which filters know the headers that are no user headers.
    private static let known: [(name: String, id: UInt8)] = [
        ("correlationId", RecordHeaderID.correlationID), ("contentType", RecordHeaderID.contentType), ("taskType", RecordHeaderID.taskType),
        ("group", RecordHeaderID.group), ("dedupKey", RecordHeaderID.deduplicationKey),
    ]

    init(_ header: MessageFilter.HeaderCondition, isWhole: Bool) {
        if header.name.isEmpty {
            name = .any
        } else if let known = Self.known.first(where: { $0.name.hasSameBytes(as: header.name) }) {
            name = .known(known.id)
        } else {
            name = .user(BytePattern(header.name))
        }
        text = BytePattern(header.text)
        self.isWhole = isWhole
    }

    func holds(_ header: borrowing RecordHead.Header) -> Bool {
        switch name {
        case .any: break
        case .known(let id): guard header.id == id else { return false }
        case .user(let name):
            guard header.id == RecordHeaderID.user, name.isEqual(to: header.name) else { return false }
        }
        return isWhole ? text.isEqual(to: header.value) : text.isContained(in: header.value)
    }
}
