/// Which messages BROWSE, REDRIVE and BULK mean: `u32 filter bytes`, then tagged fields, all of which must hold; no field means
/// every message. Every field is critical: one that is left out would choose too many. Source: `protocol/queues.md`, "Filters".
package struct MessageFilter: Equatable, Sendable {
    package struct States: OptionSet, Equatable, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        package static let ready = States(rawValue: 1)
        package static let leased = States(rawValue: 2)
        package static let delayed = States(rawValue: 4)
        package static let all: States = [.ready, .leased, .delayed]
    }

    /// A header's name (`correlationId`, `contentType`, `taskType`, `group`, `dedupKey`, else a user header's) and a text.
    package struct HeaderCondition: Equatable, Sendable {
        package var name: String
        package var text: String
        package init(name: String, text: String) {
            self.name = name
            self.text = text
        }
    }

    package var states: States?
    /// Stored at least so long ago.
    package var ageMillisecondsMin: UInt64?
    /// Stored at most so long ago.
    package var ageMillisecondsMax: UInt64?
    package var attemptsMin: UInt64?
    package var attemptsMax: UInt64?
    package var group: String?
    /// Headers that have this value.
    package var headersEqual: [HeaderCondition] = []
    /// Headers whose value contains this text; an empty name means any header.
    package var headersContaining: [HeaderCondition] = []
    /// Of a dead letter.
    package var originQueue: String?
    package var lastReasonContains: String?
    /// One of these; rising order is not needed.
    package var ids: [UInt64]?

    package init() {}

    /// Chooses every message.
    package var isEmpty: Bool { self == MessageFilter() }

    /// Whether it can be judged only with the message's headers at hand.
    package var readsHeaders: Bool { group != nil || !headersEqual.isEmpty || !headersContaining.isEmpty }

    private enum Tag {
        static let states: UInt16 = 1
        static let ageMin: UInt16 = 2
        static let ageMax: UInt16 = 3
        static let attemptsMin: UInt16 = 4
        static let attemptsMax: UInt16 = 5
        static let group: UInt16 = 6
        static let headerEqual: UInt16 = 7
        static let headerContaining: UInt16 = 8
        static let originQueue: UInt16 = 9
        static let lastReason: UInt16 = 10
        static let ids: UInt16 = 11
    }

    /// With its length before it.
    package func encode(into writer: inout WireWriter) {
        let start = writer.count
        writer.u32(0)
        if let states { writer.tag(Tag.states, u64: states.rawValue) }
        if let ageMillisecondsMin { writer.tag(Tag.ageMin, u64: ageMillisecondsMin) }
        if let ageMillisecondsMax { writer.tag(Tag.ageMax, u64: ageMillisecondsMax) }
        if let attemptsMin { writer.tag(Tag.attemptsMin, u64: attemptsMin) }
        if let attemptsMax { writer.tag(Tag.attemptsMax, u64: attemptsMax) }
        if let group { writer.tag(Tag.group, text: group) }
        for condition in headersEqual { condition.encode(Tag.headerEqual, into: &writer) }
        for condition in headersContaining { condition.encode(Tag.headerContaining, into: &writer) }
        if let originQueue { writer.tag(Tag.originQueue, text: originQueue) }
        if let lastReasonContains { writer.tag(Tag.lastReason, text: lastReasonContains) }
        if let ids {
            let field = writer.beginTag(Tag.ids)
            for id in ids { writer.u64(id) }
            writer.endTag(field)
        }
        writer.patch(u32: UInt32(writer.count - start - 4), at: start)
    }

    /// Reads `u32 filter bytes` and the filter.
    package init(_ reader: inout WireReader) throws(WireError) {
        try self.init(fields: try reader.span(Int(clamping: try reader.u32("filter bytes")), "filter"))
    }

    /// The fields alone.
    package init(fields: RawSpan) throws(WireError) {
        var reader = WireReader(fields)
        while !reader.isAtEnd {
            let tag = try reader.u16("filter tag") & ~TaggedTail.criticalBit
            let field = try reader.span(Int(clamping: try reader.u32("filter tag's length")), "filter field")
            try take(tag, field)
        }
    }

    private mutating func take(_ tag: UInt16, _ field: RawSpan) throws(WireError) {
        var reader = WireReader(field)
        switch tag {
        case Tag.states:
            let bits = try reader.u64("filter's states")
            guard bits != 0, bits & ~States.all.rawValue == 0 else {
                throw WireError(.invalidArgument, "filter's states \(bits): 1 (ready), 2 (leased), 4 (delayed) and sums of them are known")
            }
            states = States(rawValue: bits)
        case Tag.ageMin: ageMillisecondsMin = try reader.u64("filter's least age")
        case Tag.ageMax: ageMillisecondsMax = try reader.u64("filter's greatest age")
        case Tag.attemptsMin: attemptsMin = try reader.u64("filter's least attempts")
        case Tag.attemptsMax: attemptsMax = try reader.u64("filter's most attempts")
        case Tag.group: group = try Self.text(&reader, "filter's group", bytesMax: WireLimits.nameBytesMax)
        case Tag.headerEqual:
            try checkHeaders()
            headersEqual.append(HeaderCondition(name: try reader.string("filter's header name"), text: try reader.string("filter's header value")))
            guard headersEqual[headersEqual.count - 1].name != "" else { throw WireError(.invalidArgument, "filter's header: its name is empty") }
        case Tag.headerContaining:
            try checkHeaders()
            headersContaining.append(HeaderCondition(name: try reader.string("filter's header name"), text: try reader.string("filter's text")))
        case Tag.originQueue: originQueue = try Self.text(&reader, "filter's origin queue", bytesMax: WireLimits.nameBytesMax)
        case Tag.lastReason: lastReasonContains = try Self.text(&reader, "filter's reason", bytesMax: WireLimits.sentenceBytesMax)
        case Tag.ids: ids = try Self.ids(&reader)
        default:
            throw WireError(.unknownCriticalTag, "filter tag \(tag) is not known to this version: leaving it out would choose too many messages")
        }
        try reader.expectEnd("filter field")
    }

    private func checkHeaders() throws(WireError) {
        guard headersEqual.count + headersContaining.count < WireLimits.filterHeadersMax else {
            throw WireError(.invalidArgument, "the filter has more than \(WireLimits.filterHeadersMax) conditions on headers")
        }
    }

    private static func text(_ reader: inout WireReader, _ field: StaticString, bytesMax: Int) throws(WireError) -> String {
        guard reader.remaining <= bytesMax else {
            throw WireError(.invalidArgument, "\(field): \(reader.remaining) bytes, at most \(bytesMax) are allowed")
        }
        return try reader.utf8(reader.remaining, field)
    }

    private static func ids(_ reader: inout WireReader) throws(WireError) -> [UInt64] {
        guard reader.remaining.isMultiple(of: 8) else { throw .malformed("filter's ids: \(reader.remaining) bytes are no whole ids") }
        let count = reader.remaining / 8
        guard (1...WireLimits.filterIDsMax).contains(count) else {
            throw WireError(.invalidArgument, "filter's ids: \(count) are named, 1 to \(WireLimits.filterIDsMax) are allowed")
        }
        return try reader.idList(count, "filter's ids")
    }
}

extension MessageFilter.HeaderCondition {
    fileprivate func encode(_ tag: UInt16, into writer: inout WireWriter) {
        let field = writer.beginTag(tag)
        writer.string(name)
        writer.string(text)
        writer.endTag(field)
    }
}
