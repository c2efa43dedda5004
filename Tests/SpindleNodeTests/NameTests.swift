import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// Names of strangers: what can't be seen is refused, and what the broker composes of long ones fits those who read it.
@Suite struct NameTests {
    private static func hello(_ request: HelloRequest) throws -> ErrorCode? {
        let broker = try TestBroker()
        let session = broker.connectOnly()
        return broker.ask(session, .hello) { request.encode(into: &$0) }?.error.flatMap { ErrorCode(rawValue: $0.code) }
    }

    static let unseen: [(String, String)] = [
        ("NUL", "\u{0}"), ("ESC", "\u{1B}"), ("CR", "\r"), ("BEL", "\u{7}"), ("DEL", "\u{7F}"), ("CSI", "\u{9B}"), ("soft hyphen", "\u{AD}"),
        ("zero width space", "\u{200B}"), ("zero width joiner", "\u{200D}"), ("right to left mark", "\u{200F}"), ("override", "\u{202E}"),
        ("isolate", "\u{2066}"), ("word joiner", "\u{2060}"), ("byte order mark", "\u{FEFF}"), ("line separator", "\u{2028}"),
        ("no-break space", "\u{A0}"), ("ideographic space", "\u{3000}"), ("Hangul filler", "\u{3164}"), ("variation selector", "\u{FE0F}"),
        ("tag", "\u{E0041}"), ("Mongolian vowel separator", "\u{180E}"), ("Arabic letter mark", "\u{61C}"), ("braille blank", "\u{2800}"),
        ("combining grapheme joiner", "\u{34F}"),
    ]

    @Test(arguments: unseen)
    func aNameHoldsNothingThatCanNotBeSeen(_ what: String, _ character: String) throws {
        let name = "a\(character)b"
        #expect(ShownName.fault(in: name) != nil)
        #expect(try Self.hello(HelloRequest(clientName: name, clientVersion: "1")) == .invalidArgument)
        #expect(try Self.hello(HelloRequest(clientName: "c", clientVersion: name)) == .invalidArgument)
        #expect(try Self.hello(HelloRequest(clientName: "c", clientVersion: "1", labels: [.init(name: name, value: "v")])) == .invalidArgument)
        #expect(try Self.hello(HelloRequest(clientName: "c", clientVersion: "1", labels: [.init(name: "n", value: name)])) == .invalidArgument)
        let shown = TerminalText.escaped(name)
        let isSpace = character.unicodeScalars.first?.properties.generalCategory == .spaceSeparator
        #expect(shown == name ? isSpace : shown.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "\(what) reaches no terminal")
    }

    @Test(arguments: ["", "spindle-cli", "현장 2공장", "esprit/4.2 (x64)", "Ærø", "e\u{301}", "العربية", "😀"])
    func aNameOfAnyScriptIsTaken(_ name: String) throws {
        #expect(try Self.hello(HelloRequest(clientName: name, clientVersion: "", labels: [.init(name: "", value: name)])) == nil)
        #expect(TerminalText.escaped(name).hasSameBytes(as: name))
    }

    @Test(arguments: ["queue\u{200B}", "한글", "K\u{212A}", "a b", "a/b", ""])
    func aQueueAndATopicHavePlainNames(_ name: String) throws {
        let broker = try TestBroker()
        let session = broker.connect()
        let code = { (frame: TestBroker.Frame?) in frame?.error.flatMap { ErrorCode(rawValue: $0.code) } }
        #expect(code(broker.ask(session, .declare) { DeclareRequest(queue: name, policy: .init()).encode(into: &$0) }) == .invalidArgument)
        #expect(code(broker.ask(session, .topicDeclare) { TopicDeclareRequest(pattern: name, retention: .init()).encode(into: &$0) }) == .invalidArgument)
    }

    @Test func escapedTextsHaveOneForm() {
        #expect(TerminalText.escaped("a\u{1B}]0;x\u{7}\r\nb\u{202E}c\td\u{9B}") == #"a\u{1B}]0;x\u{7}\r\nb\u{202E}c\td\u{9B}"#)
        #expect(TerminalText.escapedLines("a\nb\tc\r\u{1B}") == "a\nb\tc\\r\\u{1B}")
        #expect(TerminalText.escaped("W:\\x 이름") == "W:\\x 이름")
    }

    // MARK: Composed texts

    /// A principal, client, label, queue, topic, group, note and reason as long as each may be.
    private static let principalName = String(repeating: "p", count: Name.bytesMax)
    private static let clientName = String(repeating: "한", count: 85)
    private static let queue = String(repeating: "q", count: 250)
    private static let sentence = String(repeating: "이", count: 682) + "x!"
    private static let everything = Principal(
        name: principalName, publish: [.init("*")], lease: [.init("*")], read: [.init("*")], admin: [.init("*")], topicPublish: [.init("*")],
        topicSubscribe: [.init("*")], actFor: true)

    @Test func noReplyHoldsATextThatItsReaderRefuses() throws {
        let broker = try TestBroker()
        let labels = (0..<10).map { HelloRequest.Label(name: String(repeating: "\($0)", count: 100), value: String(repeating: "한", count: 60)) }
        let session = broker.connect(Self.everything, client: Self.clientName, labels: labels)
        #expect(Self.clientName.utf8.count == 255 && Self.sentence.utf8.count == WireLimits.sentenceBytesMax)
        var policy = QueuePolicyFields()
        policy.attemptsMax = 3
        policy.resultRetentionMilliseconds = 60_000
        _ = try Self.read(broker, session, .declare, as: { try DeclareReply($0) }) { DeclareRequest(queue: Self.queue, policy: policy).encode(into: &$0) }
        for _ in 0..<2 { try Self.publish(broker, session) }
        for disposition in [NackItem.Disposition.retry, .dead] {
            let token = try #require(try Self.lease(broker, session, Self.queue).items.first?.token)
            let item = ExtendRequest.Item(token: token, percent: 5, note: Self.sentence)
            _ = try Self.read(broker, session, .extend, as: { try ExtendReply($0) }) { ExtendRequest(leaseMilliseconds: 0, items: [item]).encode(into: &$0) }
            try Self.look(broker, session)
            let nack = NackItem(token: token, disposition: disposition, delayMilliseconds: 0, reason: Self.sentence)
            _ = try Self.read(broker, session, .nack, as: { try StatusReply($0) }) { NackRequest(items: [nack]).encode(into: &$0) }
        }
        _ = try Self.body(broker, session, .pause) { PauseRequest(queue: Self.queue, what: .publishes, reason: Self.sentence).encode(into: &$0) }
        let refused = try #require(broker.ask(session, .publish) { Self.encodePublish(&$0) })
        #expect(try ErrorReply(refused.body.span.bytes).message.utf8.count <= WireLimits.sentenceBytesMax)
        _ = try Self.lease(broker, session, Self.queue + ".dead")
        try Self.look(broker, session)
        try broker.restart()
        try Self.look(broker, broker.connect(Self.everything, client: Self.clientName, labels: labels))
    }

    /// Everything that shows messages, holders and queues, read with the decoders of clients.
    private static func look(_ broker: TestBroker, _ session: SessionID) throws {
        for name in [queue, queue + ".dead"] {
            let page = try body(broker, session, .browse) {
                BrowseRequest(queue: name, after: 0, messagesMax: 10, bytesMax: 1 << 20, parts: .histories).encode(into: &$0)
            }
            for holder in try holders(page) where !holder.isEmpty {
                #expect(holder.utf8.count == WireLimits.nameBytesMax && holder.hasBytePrefix(principalName + " (aaaa") && holder.utf8.last == UInt8(ascii: ")"))
            }
        }
        let stats = try read(broker, session, .stats, as: { try StatsReply($0) }) { StatsRequest().encode(into: &$0) }
        #expect(stats.queues.count == 2)
        let workers = try read(broker, session, .workers, as: { try WorkersReply($0) }) { WorkersRequest(withLeases: true).encode(into: &$0) }
        #expect(workers.sessions.contains { $0.clientName == clientName && $0.principal == principalName })
    }

    /// The holders in a BROWSE reply, whose histories are read too. (Inlined, it stops the compiler: Swift 6.3.1.)
    @inline(never) private static func holders(_ page: [UInt8]) throws -> [String] {
        var reader = WireReader(page.span.bytes)
        let head = try BrowseReplyHead(&reader)
        try notes(&reader)
        return head.items.map(\.holder)
    }

    @inline(never) private static func notes(_ reader: inout WireReader) throws {
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [LeaseReplyHead.Tag.deadLetters]) {
            var notes = WireReader(tail.extracting(field.range))
            while !notes.isAtEnd { _ = try DeadLetterNote(&notes) }
        }
    }

    private static func lease(_ broker: TestBroker, _ session: SessionID, _ queue: String) throws -> LeaseReplyHead {
        let body = try body(broker, session, .lease) {
            LeaseRequest(queue: queue, messagesMax: 1, bytesMax: 1 << 20, leaseMilliseconds: 60_000, waitMilliseconds: 0).encode(into: &$0)
            RequestTail.encode(actor: String(repeating: "a", count: 255), into: &$0)
        }
        var reader = WireReader(body.span.bytes)
        let head = try LeaseReplyHead(&reader)
        for item in head.items { _ = try reader.span(Int(item.recordByteCount), "record") }
        try notes(&reader)
        return head
    }

    private static func encodePublish(_ writer: inout WireWriter) {
        var record = WireWriter()
        var message = MessageRecord(body: [1])
        message.group = String(repeating: "g", count: 255)
        try? message.encode(into: &record)
        PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: queue, count: 1, recordsByteCount: record.count, into: &writer)
        writer.bytes(record.span)
    }

    private static func publish(_ broker: TestBroker, _ session: SessionID) throws {
        _ = try read(broker, session, .publish, as: { try PublishReply($0) }) { encodePublish(&$0) }
    }

    private static func read<Reply>(
        _ broker: TestBroker, _ session: SessionID, _ opcode: Opcode, as decode: (RawSpan) throws -> Reply, _ request: (inout WireWriter) -> Void
    ) throws -> Reply {
        let bytes = try body(broker, session, opcode, request)
        return try decode(bytes.span.bytes)
    }

    private static func body(_ broker: TestBroker, _ session: SessionID, _ opcode: Opcode, _ request: (inout WireWriter) -> Void) throws -> [UInt8] {
        let reply = broker.ask(session, opcode, request)
        let frame = try #require(reply)
        let error = frame.error?.message
        try #require(error == nil, "\(opcode.name)")
        return frame.body
    }

    @Test func aHolderOfAnOldLogIsShownCut() throws {
        // Before holders were cut the log could keep 511 bytes.
        let holder = Self.principalName + "/" + Self.clientName
        var item = BrowseReplyHead.Item(id: 1, state: .leased, epoch: 1, attempts: 1, storedAtMilliseconds: 0)
        item.holder = holder
        let note = DeadLetterNote(
            itemIndex: 0, originQueue: "q", reason: "", deadAtMilliseconds: 0,
            attempts: [.init(number: 1, leasedAtMilliseconds: 0, endedAtMilliseconds: 0, holder: holder, outcome: .expired, reason: "")])
        var writer = WireWriter()
        BrowseReplyHead(next: 0, items: [item]).encode(into: &writer)
        note.encode(into: &writer)
        let bytes = writer.array()
        var reader = WireReader(bytes.span.bytes)
        let shown = try BrowseReplyHead(&reader).items[0].holder
        #expect(holder.hasBytePrefix(shown) && (253...255).contains(shown.utf8.count))
        #expect(try DeadLetterNote(&reader).attempts[0].holder == shown)
    }

    @Test func aQueueWhoseDeadLetterQueueCouldHaveNoNameIsRefused() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        let declare = { (count: Int) in
            broker.ask(session, .declare) { DeclareRequest(queue: String(repeating: "q", count: count), policy: .init()).encode(into: &$0) }
        }
        #expect(declare(250)?.isError == false)
        #expect(declare(251)?.error?.code == ErrorCode.invalidArgument.rawValue)
    }
}
