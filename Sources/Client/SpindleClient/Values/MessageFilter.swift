internal import SpindleWire

/// Where a message of a queue stands.
public enum MessageState: Sendable, Hashable, CaseIterable {
    /// May be leased.
    case ready
    /// Somebody works on it.
    case leased
    /// Waits for its time.
    case delayed
    /// Leased, and gone with the end of its lease: somebody cancelled it.
    case cancelled
}

/// Which messages of a queue are meant: all that meet every condition that is set. None set: every message.
///
/// ```swift
/// var filter = MessageFilter()
/// filter.olderThan = .seconds(3600)
/// filter.headers = [.init(name: "taskType", value: "PackOrder")]
/// ```
/// Source: `protocol/queues.md`, "Filters".
public struct MessageFilter: Sendable, Equatable {
    /// A header's name and a text. Names are `correlationId`, `contentType`, `taskType`, `group`, `dedupKey`, else a user header's.
    public struct Header: Sendable, Equatable {
        /// 1 to 255 bytes of UTF-8; empty in ``MessageFilter/headersContaining`` for any header.
        public var name: String
        /// Up to 255 bytes of UTF-8.
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// One of these; a cancelled message counts as leased. nil: any.
    public var states: Set<MessageState>?
    /// Stored at least so long ago, to the millisecond.
    public var olderThan: Duration?
    /// Stored at most so long ago, to the millisecond.
    public var newerThan: Duration?
    /// Delivered at least so often.
    public var attemptsMin: Int?
    /// Delivered at most so often.
    public var attemptsMax: Int?
    public var group: String?
    /// Headers with exactly this value. At most 32 together with ``headersContaining``.
    public var headers: [Header] = []
    /// Headers whose value contains this text; case matters.
    public var headersContaining: [Header] = []
    /// Where a dead letter came from.
    public var originQueue: String?
    /// In the reason that the latest attempt left; case matters.
    public var lastReasonContains: String?
    /// One of these, 1 to 10,000; nil: any.
    public var ids: [MessageID]?

    /// Every message.
    public init() {}

    /// No condition is set.
    public var isEmpty: Bool { self == MessageFilter() }

    var wire: SpindleWire.MessageFilter {
        var filter = SpindleWire.MessageFilter()
        filter.states = states.map { states in
            var bits: SpindleWire.MessageFilter.States = []
            if states.contains(.ready) { bits.insert(.ready) }
            if states.contains(.leased) || states.contains(.cancelled) { bits.insert(.leased) }
            if states.contains(.delayed) { bits.insert(.delayed) }
            return bits
        }
        filter.ageMillisecondsMin = olderThan.map { $0.milliseconds(max: WireLimits.durationMillisecondsMax) }
        filter.ageMillisecondsMax = newerThan.map { $0.milliseconds(max: WireLimits.durationMillisecondsMax) }
        filter.attemptsMin = attemptsMin.map { UInt64(clamping: $0) }
        filter.attemptsMax = attemptsMax.map { UInt64(clamping: $0) }
        filter.group = group
        filter.headersEqual = headers.map { .init(name: $0.name, text: $0.value) }
        filter.headersContaining = headersContaining.map { .init(name: $0.name, text: $0.value) }
        filter.originQueue = originQueue
        filter.lastReasonContains = lastReasonContains
        filter.ids = ids?.map(\.rawValue)
        return filter
    }
}
