import SpindleNode
import SpindleQueue
import SpindleText
import SpindleWire
import Testing

/// Texts that Unicode takes for the same and that differ in their bytes are two, wherever the broker compares.
@Suite struct ByteTextTests {
    struct Pair: Sendable, CustomTestStringConvertible {
        var first: String
        var second: String
        var testDescription: String
        init(_ name: String, _ first: String, _ second: String) {
            testDescription = name
            self.first = first
            self.second = second
        }
    }

    static let pairs = [
        Pair("composed and decomposed Hangul", "\u{D55C}", "\u{1112}\u{1161}\u{11AB}"), Pair("K and the Kelvin sign", "K", "\u{212A}"),
        Pair("omega and the Ohm sign", "\u{3A9}", "\u{2126}"), Pair("composed and decomposed Å", "\u{C5}", "A\u{30A}"),
        Pair("marks in another order", "a\u{323}\u{301}", "a\u{301}\u{323}"),
    ]

    @Test(arguments: pairs)
    func areEqualToSwiftAndNotHere(_ pair: Pair) {
        #expect(pair.first == pair.second, "the pair tests something")
        #expect(!pair.first.hasSameBytes(as: pair.second))
        #expect(ByteText(pair.first) != ByteText(pair.second))
        #expect(Set([ByteText(pair.first), ByteText(pair.second), ByteText(pair.first)]).count == 2)
    }

    @Test(arguments: pairs)
    func areTwoDeduplicationKeys(_ pair: Pair) throws {
        let (a, b) = (pair.first, pair.second)
        try Script.run("""
            queue q window=1m
            publish q a/k:\(a) b/k:\(b)          -> a b
            publish q c/k:\(a)                   -> =c
            publish q d/k:\(b)                   -> =d
            settle w publish=q:e/k:\(a)x publish=q:f/k:\(b)x     -> ok
            settle w publish=q:g/k:\(b)x         -> !CONFLICT
            checkpoint
            restart
            publish q h/k:\(a) i/k:\(b)x         -> =h =i
            """)
    }

    @Test(arguments: pairs)
    func areTwoGroups(_ pair: Pair) throws {
        let (a, b) = (pair.first, pair.second)
        try Script.run("""
            queue q groups=1
            publish q a1/g:\(a) b1/g:\(b) a2/g:\(a) b2/g:\(b)
            lease w q 9 30s                      -> a1#1 b1#1
            crash
            ack w b1                             -> ok
            lease w q 9 30s                      -> b2#1
            checkpoint
            restart
            ack w a1                             -> ok
            lease w q 9 30s                      -> a2#1
            """)
    }

    @Test(arguments: pairs)
    func areTwoGroupsHeadersAndTextsOfAFilter(_ pair: Pair) throws {
        let (a, b) = (pair.first, pair.second)
        try Script.run("""
            queue q
            publish q a/g:\(a)/h:name\(a):v b/g:\(b)/h:name\(b):v
            publish q c/h:h:\(a) d/h:h:\(b)
            browse q group=\(b)                  -> b:ready#0
            browse q header=name\(a):v           -> a:ready#0
            browse q header=h:\(b)               -> d:ready#0
            browse q contains=h:\(a)             -> c:ready#0
            """)
    }

    @Test func aHeaderIsKnownByItsBytes() throws {
        try Script.run("""
            queue q
            publish q a/k:v b/h:dedup\u{212A}ey:v
            browse q header=dedupKey:v           -> a:ready#0
            browse q header=dedup\u{212A}ey:v    -> b:ready#0
            """)
    }

    @Test func theQueueOfOriginIsKnownByItsBytes() throws {
        try Script.run("""
            queue K
            publish K a
            lease w K 1 30s                      -> a#1
            dead w a                             -> ok
            browse K.dead origin=K               -> a:ready#0
            browse K.dead origin=\u{212A}        -> none
            """)
    }

    @Test(arguments: pairs)
    func areTwoValuesOfALabel(_ pair: Pair) throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        _ = broker.connect(labels: [.init(name: "room", value: pair.first)])
        for (value, reached) in [(pair.first, UInt32(1)), (pair.second, 0)] {
            let request = WorkerControlRequest(label: "room", value: value, action: .quiet, graceMilliseconds: 0, reason: "")
            let reply = try #require(broker.ask(admin, .workerControl) { request.encode(into: &$0) })
            #expect(try WorkerControlReply(reply.body.span.bytes).sessionsReached == reached)
        }
    }

    @Test(arguments: pairs)
    func areTwoInTheTablesOfTheEngine(_ pair: Pair) {
        var window = DeduplicationWindow()
        window.insert(pair.first, id: 1, now: 0, window: 10)
        #expect(window.find(pair.second, now: 0, window: 10) == nil)
        window.insert(pair.second, id: 2, now: 5, window: 10)
        #expect(window.find(pair.first, now: 5, window: 10) == 1)
        window.insert("x", id: 3, now: 12, window: 10)
        #expect(window.find(pair.first, now: 12, window: 10) == nil && window.find(pair.second, now: 12, window: 10) == 2)
        var engine = QueueEngine()
        engine.declare(pair.first, policy: QueuePolicy())
        #expect(engine.number(of: pair.second) == nil)
        engine.declare(pair.second, policy: QueuePolicy())
        #expect(engine.number(of: pair.first) == 0 && engine.number(of: pair.second) == 1)
        var topics = TopicStore(retention: .init())
        topics.declare(pair.first)
        topics.declare(pair.second)
        #expect(topics.number(of: pair.first) == 0 && topics.number(of: pair.second) == 1)
    }

    @Test(arguments: [
        ("abc", 2, "ab"), ("abc", 3, "abc"), ("abc", 0, ""), ("aé", 2, "a"), ("aé", 3, "aé"), ("\u{1F600}", 3, ""), ("e\u{301}x", 3, "e\u{301}"),
    ])
    func aCutKeepsWholeScalars(_ text: String, _ bytesMax: Int, _ expected: String) {
        #expect(text.cut(toBytes: bytesMax).hasSameBytes(as: expected))
    }
}
