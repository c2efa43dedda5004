/// Fields that the tail of every request may have, whichever operation it is. Their numbers begin at ``commonTagMin``, far from those of single
/// operations. Source: `protocol/README.md`, "Tagged tail".
package enum RequestTail {
    /// Tags from here to 0x7FFF mean the same in every request.
    package static let commonTagMin: UInt16 = 0x7F00
    /// In whose name the principal makes the request: UTF-8, 1 to ``WireLimits/nameBytesMax`` bytes.
    package static let actorTag: UInt16 = 0x7F01

    /// The tags of this kind that this version knows.
    static func isKnown(_ tag: UInt16) -> Bool { tag == actorTag }

    /// In whose name the request with this body is made; nil where it says nothing. A body that is no such request has no actor: its own
    /// decoder says what is wrong with it.
    package static func actor(in body: RawSpan, of opcode: Opcode) throws(WireError) -> String? {
        guard let start = start(in: body, of: opcode), start < body.byteCount else { return nil }
        var reader = WireReader(body.extracting(start..<body.byteCount))
        var actor: String?
        while reader.remaining >= TaggedTail.headByteCount {
            guard let raw = try? reader.u16("tag"), let count = try? reader.u32("tag length"), Int(clamping: count) <= reader.remaining else { return nil }
            if raw & ~TaggedTail.criticalBit == actorTag {
                guard (1...WireLimits.nameBytesMax).contains(Int(count)) else {
                    throw WireError(.invalidArgument, "actor: \(count) bytes, 1 to \(WireLimits.nameBytesMax) are allowed")
                }
                actor = try reader.utf8(Int(count), "actor")
            } else {
                _ = try? reader.span(Int(count), "tagged field")
            }
        }
        return actor
    }

    /// Appends the field to a request's body.
    package static func encode(actor: String, into writer: inout WireWriter) { writer.tag(actorTag, text: actor) }

    // MARK: Where a tail begins

    /// A part of a request's positional fields, as far as its length goes.
    private enum Part {
        case fixed(Int)
        /// `u16 length · bytes`
        case text
        /// `u32 length · bytes`
        case block
        /// `u32 count × (fixed bytes)`
        case items(Int)
        /// `u32 count × (fixed bytes · u16 length · bytes)`
        case textItems(Int)
        /// `u16 groups × (u8 kind · string name · u32 count · u32 length · bytes)`
        case groups
    }

    /// Where the tail of the request begins; nil where its fields don't fit.
    static func start(in body: RawSpan, of opcode: Opcode) -> Int? {
        guard let parts = parts(of: opcode) else { return nil }
        var reader = WireReader(body)
        for part in parts {
            guard (try? skip(part, &reader)) != nil else { return nil }
        }
        return reader.offset
    }

    private static func skip(_ part: Part, _ reader: inout WireReader) throws(WireError) {
        switch part {
        case .fixed(let count): _ = try reader.span(count, "fields")
        case .text: _ = try reader.span(Int(try reader.u16("length")), "text")
        case .block: _ = try reader.span(Int(clamping: try reader.u32("length")), "block")
        case .items(let each):
            let (count, overflow) = Int(try reader.u32("count")).multipliedReportingOverflow(by: each)
            guard !overflow else { throw .malformed("too many items") }
            _ = try reader.span(count, "items")
        case .textItems(let each):
            let count = Int(try reader.u32("count"))
            guard count <= reader.remaining / (each + 2) else { throw .malformed("too many items") }
            for _ in 0..<count {
                _ = try reader.span(each, "item")
                _ = try reader.span(Int(try reader.u16("length")), "text")
            }
        case .groups:
            for _ in 0..<(try reader.u16("groups")) {
                _ = try reader.u8("kind")
                _ = try reader.span(Int(try reader.u16("length")), "name")
                _ = try reader.u32("records")
                _ = try reader.span(Int(clamping: try reader.u32("length")), "records")
            }
        }
    }

    private static let token = DeliveryToken.byteCount
    private static let publish: [Part] = [.fixed(16), .text, .fixed(4), .block]
    private static let lease: [Part] = [.text, .fixed(16)]
    private static let ack: [Part] = [.items(token)]
    private static let nack: [Part] = [.textItems(token + 9)]
    private static let extend: [Part] = [.fixed(4), .textItems(token + 1)]
    private static let settle: [Part] = [.items(token), .textItems(token + 9), .groups]
    private static let named: [Part] = [.text]
    private static let namedWithByte: [Part] = [.text, .fixed(1)]
    private static let pause: [Part] = [.text, .fixed(1), .text]
    private static let stats: [Part] = [.text, .text, .fixed(4)]
    private static let browse: [Part] = [.text, .fixed(17), .block]
    private static let get: [Part] = [.text, .fixed(9)]
    private static let cancel: [Part] = [.text, .text, .items(8)]
    private static let reschedule: [Part] = [.text, .fixed(8), .items(8)]
    private static let redrive: [Part] = [.text, .text, .fixed(8), .block]
    private static let bulk: [Part] = [.fixed(9), .text, .text, .fixed(16), .text, .block]
    private static let awaiting: [Part] = [.text, .items(8), .fixed(4)]
    private static let subscribe: [Part] = [.fixed(4), .text, .fixed(21)]
    private static let unsubscribe: [Part] = [.fixed(4)]
    private static let withdraw: [Part] = [.fixed(4)]
    private static let credit: [Part] = [.fixed(8)]
    private static let workers: [Part] = [.text, .fixed(13)]
    private static let why: [Part] = [.text, .fixed(8)]
    private static let workerControl: [Part] = [.fixed(8), .text, .text, .fixed(5), .text]

    private static func parts(of opcode: Opcode) -> [Part]? {
        switch opcode {
        case .publish, .topicPublish: publish
        case .lease: lease
        case .ack: ack
        case .nack: nack
        case .extend: extend
        case .settle: settle
        case .await: awaiting
        case .withdraw: withdraw
        case .declare, .resume, .topicDeclare: named
        case .delete, .purge: namedWithByte
        case .pause: pause
        case .stats, .topicStats: stats
        case .browse: browse
        case .get: get
        case .cancel: cancel
        case .reschedule: reschedule
        case .redrive: redrive
        case .bulk: bulk
        case .topicSubscribe: subscribe
        case .topicUnsubscribe: unsubscribe
        case .topicCredit: credit
        case .workers: workers
        case .workerControl: workerControl
        case .why: why
        case .hello, .auth, .ping, .goingAway, .quiet, .cancelled, .topicEvents, .topicGap: nil
        }
    }
}
