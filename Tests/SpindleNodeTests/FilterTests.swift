import SpindleNode
import SpindleQueue
import SpindleWire
import Testing

/// Filters over messages and their records, without a node.
@Suite struct FilterTests {
    private static func record(_ change: (inout MessageRecord) -> Void) throws -> [UInt8] {
        var record = MessageRecord(body: Array("body with part and 1234".utf8))
        change(&record)
        var writer = WireWriter()
        try record.encode(into: &writer)
        return writer.array()
    }

    private static func message() throws -> [UInt8] {
        try record {
            $0.correlationID = "corr-1"
            $0.contentType = "application/json"
            $0.taskType = "esprit.gen"
            $0.group = "machine 4"
            $0.deduplicationKey = "key"
            $0.delayMilliseconds = 5
            $0.userHeaders = [.init(name: "part", value: "1234"), .init(name: "part", value: "가나다"), .init(name: "group", value: "own")]
        }
    }

    private static func matches(_ filter: MessageFilter, _ record: [UInt8]) -> Bool {
        MessageMatcher(filter, now: 0).matches(head: record.span.bytes)
    }

    @Test(arguments: [
        ("correlationId", "corr-1", true, true), ("contentType", "application/json", true, true), ("taskType", "esprit.gen", true, true),
        ("group", "machine 4", true, true), ("dedupKey", "key", true, true), ("part", "1234", true, true), ("part", "가나다", true, true),
        ("part", "123", false, true), ("part", "나", false, true), ("part", "", false, true), ("Part", "1234", false, false),
        ("group", "own", false, false), ("taskType", "ESPRIT", false, false), ("taskType", "esprit.gen.x", false, false),
        ("nothing", "", false, false), ("par", "1234", false, false),
    ])
    func headers(name: String, text: String, isEqual: Bool, contains: Bool) throws {
        let record = try Self.message()
        var filter = MessageFilter()
        filter.headersEqual = [.init(name: name, text: text)]
        #expect(Self.matches(filter, record) == isEqual)
        filter.headersEqual = []
        filter.headersContaining = [.init(name: name, text: text)]
        #expect(Self.matches(filter, record) == contains)
    }

    @Test(arguments: [("machine", true), ("own", true), ("나다", true), ("body", false), ("1235", false), ("", true)])
    func anyHeader(text: String, expected: Bool) throws {
        var filter = MessageFilter()
        filter.headersContaining = [.init(name: "", text: text)]
        #expect(try Self.matches(filter, Self.message()) == expected)
    }

    @Test func allConditionsMustHold() throws {
        var filter = MessageFilter()
        filter.group = "machine 4"
        filter.headersEqual = [.init(name: "part", text: "1234"), .init(name: "part", text: "가나다")]
        let record = try Self.message()
        #expect(Self.matches(filter, record))
        filter.headersEqual.append(.init(name: "part", text: "5"))
        #expect(!Self.matches(filter, record))
    }

    /// The bodies of large records are not needed; what is cut or wild matches nothing, and nothing traps.
    @Test func onlyTheHeadIsNeeded() throws {
        var filter = MessageFilter()
        filter.headersContaining = [.init(name: "part", text: "12")]
        let matcher = MessageMatcher(filter, now: 0)
        let record = try Self.message()
        let needed = MessageRecord.fixedByteCount + Int(record[12]) + Int(record[13]) << 8
        #expect(RecordHead.byteCountMax == MessageRecord.fixedByteCount + WireLimits.recordHeaderBytesMax)
        for count in 0..<record.count {
            let holds = matcher.matches(head: record.span.bytes.extracting(0..<count))
            #expect(holds == (count >= needed), "\(count) of \(record.count)")
        }
        for index in record.indices {
            var wild = record
            wild[index] ^= 0xFF
            _ = matcher.matches(head: wild.span.bytes)
        }
    }

    @Test func withoutRecords() throws {
        var held = HeldMessage(id: 50, byteCount: 20, queue: 0, storedAt: 1000, priority: 4, state: .delayed(until: 9))
        held.attempts = 2
        let view = MessageView(held)
        var history = MessageHistory()
        history.append(.init(number: 1, leasedAt: 0, endedAt: 1, holder: "w", outcome: .nacked, reason: "first"))
        history.append(.init(number: 2, leasedAt: 0, endedAt: 1, holder: "w", outcome: .nacked, reason: "no such part"))
        history.death = .init(originQueue: "q", reason: "its time to live ended", at: 5)
        let cases: [((inout MessageFilter) -> Void, Bool)] = [
            ({ _ in }, true), ({ $0.states = .delayed }, true), ({ $0.states = [.ready, .leased] }, false),
            ({ $0.ageMillisecondsMin = 500 }, true), ({ $0.ageMillisecondsMin = 501 }, false), ({ $0.ageMillisecondsMax = 500 }, true),
            ({ $0.ageMillisecondsMax = 499 }, false), ({ $0.attemptsMin = 2 }, true), ({ $0.attemptsMin = 3 }, false),
            ({ $0.attemptsMax = 2 }, true), ({ $0.attemptsMax = 1 }, false), ({ $0.ids = [60, 50, 40] }, true), ({ $0.ids = [60, 40] }, false),
            ({ $0.originQueue = "q" }, true), ({ $0.originQueue = "r" }, false), ({ $0.lastReasonContains = "such" }, true),
            ({ $0.lastReasonContains = "first" }, false), ({ $0.lastReasonContains = "time to live" }, true),
        ]
        for (index, (change, expected)) in cases.enumerated() {
            var filter = MessageFilter()
            change(&filter)
            let matcher = MessageMatcher(filter, now: 1500)
            #expect(!matcher.readsHeaders)
            #expect(matcher.matches(view, history: history) == expected, "case \(index)")
        }
        var filter = MessageFilter()
        filter.originQueue = "q"
        #expect(!MessageMatcher(filter, now: 0).matches(view, history: nil))
    }
}
