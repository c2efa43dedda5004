import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// What the audit says of whom, and in whose name requests may be made.
@Suite struct AuditTests {
    private static let everyone = Principal(
        name: "web", publish: [.init("*")], lease: [.init("*")], admin: [.init("*")], topicPublish: [.init("*")], topicSubscribe: [.init("*")],
        actFor: true)
    private static let nobody = Principal(name: "guest")

    private static func line(_ entry: AuditEntry) -> String {
        let who = entry.actor.isEmpty ? entry.principal : "\(entry.principal) for \(entry.actor)"
        return [entry.action, entry.target, entry.detail, "by \(who)", "from \(entry.peer)/\(entry.client)", entry.outcome]
            .filter { !$0.isEmpty }.joined(separator: " | ")
    }

    /// Asks for each request once with every right, for `anna`, and once with none.
    private static let requests: [(Opcode, String, @Sendable (inout WireWriter) -> Void)] = [
        (.declare, "DECLARE | q | deadLetterQueue=d", {
            var policy = QueuePolicyFields()
            policy.deadLetterQueue = "d"
            DeclareRequest(queue: "q", policy: policy).encode(into: &$0)
        }),
        (.pause, "PAUSE | q | why", { PauseRequest(queue: "q", what: .publishes, reason: "why").encode(into: &$0) }),
        (.resume, "RESUME | q", { ResumeRequest(queue: "q").encode(into: &$0) }),
        (.purge, "PURGE | q | ready, delayed", { PurgeRequest(queue: "q", ready: true, delayed: true).encode(into: &$0) }),
        (.cancel, "CANCEL | q | 2 messages: gone", { CancelRequest(queue: "q", reason: "gone", ids: [1, 2]).encode(into: &$0) }),
        (.redrive, "REDRIVE | d | to q", { RedriveRequest(queue: "d", target: "q").encode(into: &$0) }),
        (.bulk, "BULK move | q | to d", { BulkRequest(.move, queue: "q", target: "d").encode(into: &$0) }),
        (.bulk, "BULK cancel | q | old", { BulkRequest(.cancel, queue: "q", reason: "old").encode(into: &$0) }),
        (.bulk, "BULK stop | q | job 2", { BulkRequest(.stop, job: 2, queue: "q").encode(into: &$0) }),
        (.topicDeclare, "TOPIC_DECLARE | a.*", { TopicDeclareRequest(pattern: "a.*", retention: .init(eventsMax: 5)).encode(into: &$0) }),
        (.workerControl, "WORKER_CONTROL quiet | room=5 | break", {
            WorkerControlRequest(label: "room", value: "5", action: .quiet, graceMilliseconds: 0, reason: "break").encode(into: &$0)
        }),
        (.workerControl, "WORKER_CONTROL terminate | session 99 | out", {
            WorkerControlRequest(sessionID: 99, action: .terminate, graceMilliseconds: 0, reason: "out").encode(into: &$0)
        }),
        (.delete, "DELETE | q | with its messages", { DeleteRequest(queue: "q", mode: .withMessages).encode(into: &$0) }),
    ]

    @Test func eachAdministrativeRequestIsOneLineWithWhoAskedAndWhatCameOfIt() throws {
        let broker = try TestBroker()
        let web = broker.connect(Self.everyone, client: "console")
        let guest = broker.connect(Self.nobody, client: "x")
        var expected: [String] = []
        for (opcode, line, body) in Self.requests {
            _ = broker.ask(guest, opcode, body)
            expected.append("\(line) | by guest | from test/x | PERMISSION_DENIED")
            _ = broker.ask(web, opcode) {
                body(&$0)
                RequestTail.encode(actor: "anna", into: &$0)
            }
            expected.append("\(line) | by web for anna | from test/console | ok")
        }
        for (line, wanted) in zip(broker.audit.map(Self.line), expected) { #expect(line == wanted) }
        #expect(broker.audit.count == expected.count)
    }

    @Test func whatOnlyLooksOrWorksIsNotInTheAudit() throws {
        let broker = try TestBroker()
        let web = broker.connect(Self.everyone)
        _ = broker.ask(web, .stats) { StatsRequest().encode(into: &$0) }
        _ = broker.ask(web, .lease) { LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0) }
        _ = broker.ask(web, .ack) { AckRequest(tokens: [.init(messageID: 1, epoch: 1)]).encode(into: &$0) }
        _ = broker.ask(web, .bulk) { BulkRequest(.look, job: 1, queue: "q").encode(into: &$0) }
        #expect(broker.audit.isEmpty)
    }

    @Test func aRequestThatCanNotBeReadIsAuditedAsRefused() throws {
        let broker = try TestBroker()
        broker.raw(broker.connect(Self.everyone, client: "c"), Opcode.purge.rawValue, body: [1])
        broker.turn()
        #expect(broker.audit.map(Self.line) == ["PURGE | by web | from test/c | MALFORMED_FRAME"])
    }

    @Test func aFailedAuthenticationIsOneLine() throws {
        let broker = try TestBroker()
        let session = broker.connectOnly()
        broker.request(session, .hello) { HelloRequest(clientName: "thief", clientVersion: "1").encode(into: &$0) }
        broker.request(session, .auth) { AuthRequest(method: .token, credential: "wrong").encode(into: &$0) }
        broker.turn(authenticateAs: nil)
        let other = broker.connectOnly()
        broker.request(other, .hello) { HelloRequest(clientName: "odd", clientVersion: "1").encode(into: &$0) }
        broker.raw(other, Opcode.auth.rawValue, body: [9, 0, 0])
        broker.turn()
        #expect(broker.audit.map(Self.line) == [
            "AUTH | by  | from test/thief | AUTHENTICATION_FAILED", "AUTH | by  | from test/odd | AUTHENTICATION_FAILED",
        ])
    }

    // MARK: Acting for somebody

    private static func purge(_ broker: TestBroker, _ session: SessionID, actor: String) -> ErrorCode? {
        let reply = broker.ask(session, .purge) {
            PurgeRequest(queue: "q", ready: true, delayed: false).encode(into: &$0)
            RequestTail.encode(actor: actor, into: &$0)
        }
        return reply?.error.flatMap { ErrorCode(rawValue: $0.code) }
    }

    @Test func onlyAPrincipalWithTheRightMayActForOthers() throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        #expect(Self.purge(broker, admin, actor: "anna") == .permissionDenied)
        #expect(broker.audit.last?.actor == "", "nobody's name stands there who may not have been meant")
        let web = broker.connect(Self.everyone)
        #expect(Self.purge(broker, web, actor: "anna") == nil)
        for name in ["a\u{202E}nna", "an\u{0}na", "a\u{200B}", " anna", "\u{1B}[2J"] {
            #expect(Self.purge(broker, web, actor: name) == .invalidArgument, "\(name.unicodeScalars.map(\.value))")
        }
    }

    @Test func aHolderShowsForWhomItHolds() throws {
        let broker = try TestBroker()
        let web = broker.connect(Self.everyone, client: "console")
        _ = broker.ask(web, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        var writer = WireWriter()
        try MessageRecord(body: [1]).encode(into: &writer)
        let record = writer.array()
        _ = broker.ask(web, .publish) {
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1, recordsByteCount: record.count, into: &$0)
            $0.bytes(record)
            RequestTail.encode(actor: "anna", into: &$0)
        }
        let lease = try #require(broker.ask(web, .lease) {
            LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1 << 20, leaseMilliseconds: 60_000, waitMilliseconds: 0).encode(into: &$0)
            RequestTail.encode(actor: "anna", into: &$0)
        })
        var reader = WireReader(lease.body.span.bytes)
        let token = try #require(try LeaseReplyHead(&reader).items.first?.token)
        #expect(try Self.holder(broker, web) == "web/console (anna)")
        try broker.restart()
        let again = broker.connect(Self.everyone, client: "console")
        #expect(try Self.holder(broker, again) == "web/console (anna)")
        let ack = try #require(broker.ask(again, .ack) { AckRequest(tokens: [token]).encode(into: &$0) })
        #expect(try StatusReply(ack.body.span.bytes).runs.map(\.status) == [.ok])
    }

    private static func holder(_ broker: TestBroker, _ session: SessionID) throws -> String {
        let reply = try #require(broker.ask(session, .browse) { BrowseRequest(queue: "q", after: 0, messagesMax: 1, bytesMax: 1, parts: []).encode(into: &$0) })
        var reader = WireReader(reply.body.span.bytes)
        return try #require(try BrowseReplyHead(&reader).items.first).holder
    }
}
