package import SpindleQueue
package import SpindleWire

/// A filter made ready to judge messages, one after the other. Pure. Source: `protocol/queues.md`, "Filters".
package struct MessageMatcher: Sendable {
    package let filter: MessageFilter
    /// The time that ages are counted from, milliseconds.
    private let now: UInt64
    /// Rising, each once; nil: any.
    package let ids: [UInt64]?
    private let conditions: [Condition]

    /// What one condition asks of a record's headers.
    fileprivate struct Condition: Sendable {
        enum Name: Sendable {
            case any
            case known(UInt8)
            case user([UInt8])
        }

        var name: Name
        var text: [UInt8]
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
        if let group = filter.group { conditions.append(Condition(name: .known(RecordHeaderID.group), text: Array(group.utf8), isWhole: true)) }
        for header in filter.headersEqual { conditions.append(Condition(header, isWhole: true)) }
        for header in filter.headersContaining { conditions.append(Condition(header, isWhole: false)) }
        self.conditions = conditions
    }

    /// Whether ``matches(head:)`` must be asked too.
    package var readsHeaders: Bool { !conditions.isEmpty }

    /// Whether everything holds that can be judged without the record.
    package func matches(_ message: MessageView, history: MessageHistory?) -> Bool {
        if let states = filter.states, !states.contains(Self.state(message.state)) { return false }
        let age = now - min(now, message.storedAt)
        if let least = filter.ageMillisecondsMin, age < least { return false }
        if let most = filter.ageMillisecondsMax, age > most { return false }
        if let least = filter.attemptsMin, UInt64(message.attempts) < least { return false }
        if let most = filter.attemptsMax, UInt64(message.attempts) > most { return false }
        if let ids, !Self.contains(ids, message.id) { return false }
        if let origin = filter.originQueue, history?.death?.originQueue != origin { return false }
        if let text = filter.lastReasonContains {
            let text = Array(text.utf8)
            // A message that nobody tried (its time to live ended) has only the reason of its death.
            let reasons = [history?.attempts.last?.reason, history?.death?.reason]
            guard reasons.contains(where: { reason in reason.map { Self.contains(Array($0.utf8).span.bytes, text) } ?? false }) else { return false }
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

    /// Whether `text` stands anywhere in `bytes`; the empty one does.
    fileprivate static func contains(_ bytes: RawSpan, _ text: [UInt8]) -> Bool {
        guard text.count <= bytes.byteCount else { return false }
        for start in 0...(bytes.byteCount - text.count) where equals(bytes, text, from: start) { return true }
        return false
    }

    fileprivate static func equals(_ bytes: RawSpan, _ text: [UInt8], from start: Int) -> Bool {
        for index in text.indices where unsafe bytes.unsafeLoad(fromByteOffset: start + index, as: UInt8.self) != text[index] {
            return false
        }
        return true
    }
}

extension MessageMatcher.Condition {
    init(_ header: MessageFilter.HeaderCondition, isWhole: Bool) {
        switch header.name {
        case "": name = .any
        case "correlationId": name = .known(RecordHeaderID.correlationID)
        case "contentType": name = .known(RecordHeaderID.contentType)
        case "taskType": name = .known(RecordHeaderID.taskType)
        case "group": name = .known(RecordHeaderID.group)
        case "dedupKey": name = .known(RecordHeaderID.deduplicationKey)
        default: name = .user(Array(header.name.utf8))
        }
        text = Array(header.text.utf8)
        self.isWhole = isWhole
    }

    func holds(_ header: borrowing RecordHead.Header) -> Bool {
        switch name {
        case .any: break
        case .known(let id): guard header.id == id else { return false }
        case .user(let name):
            guard header.id == RecordHeaderID.user, header.name.byteCount == name.count, MessageMatcher.equals(header.name, name, from: 0) else { return false }
        }
        if isWhole { return header.value.byteCount == text.count && MessageMatcher.equals(header.value, text, from: 0) }
        return MessageMatcher.contains(header.value, text)
    }
}
