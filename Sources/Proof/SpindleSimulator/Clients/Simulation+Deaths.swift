internal import SpindleNode
internal import SpindleWire

/// One who subscribes to the dead-letter topic from its beginning, on each start of the broker.
struct DeathWitness {
    static let topic = "deaths"
    /// 0: not connected.
    var session: UInt64 = 0
    var oracle = DeathOracle()

    /// Every connection is gone.
    mutating func restarted() { session = 0 }
}

// Queues that tell a topic of their dead, and who watches it.
extension Simulation {
    var announcers: Set<Int> { Set(profile.queues.indices.filter { profile.queues[$0].announcesDeaths }) }

    func isWitness(_ session: UInt64) -> Bool { session != 0 && session == deaths.session }

    /// Connects where nobody watches.
    func watchDeaths() {
        guard deaths.session == 0, broker.isAlive, !announcers.isEmpty else { return }
        deaths.session = nextSession
        deaths.oracle.begin()
        nextSession += 1
        broker.connected(SessionID(rawValue: deaths.session))
        tell(.hello) { HelloRequest(clientName: "witness", clientVersion: "1").encode(into: &$0) }
        tell(.auth) { AuthRequest(method: .token, credential: "w").encode(into: &$0) }
        tell(.topicDeclare) {
            // Nothing is ever dropped.
            let retention = TopicRetentionFields(ageMillisecondsMax: 0, bytesMax: 0, eventsMax: 0)
            TopicDeclareRequest(pattern: DeathWitness.topic, retention: retention).encode(into: &$0)
        }
        tell(.topicSubscribe) {
            TopicSubscribeRequest(subscriptionID: 1, pattern: DeathWitness.topic, start: .earliest, credit: 1_000_000).encode(into: &$0)
        }
    }

    private func tell(_ opcode: Opcode, _ body: (inout WireWriter) -> Void) {
        var writer = WireWriter()
        body(&writer)
        let correlation = nextCorrelation
        nextCorrelation += 1
        broker.received(SessionID(rawValue: deaths.session), opcode, correlation, writer.span)
        // A HELLO and a token are answered before what follows them is read.
        broker.turn()
    }

    /// A frame to the one who watches.
    func witnessed(_ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        if header.flags.contains(.error) {
            let error = try ErrorReply(body)
            // The retention holds since the first time; a log without room takes it again later.
            guard header.opcode != Opcode.topicDeclare.rawValue || error.code != ErrorCode.noSpace.rawValue else { return }
            oracle.fail(15, "the one who watches the dead-letter topic was refused: \(error.message)")
        }
        guard header.flags.contains(.push) else { return }
        guard header.opcode == Opcode.topicEvents.rawValue else {
            oracle.fail(15, "the dead-letter topic has a gap, and keeps everything")
            return
        }
        var reader = WireReader(body)
        for item in try TopicEventsHead(&reader).items {
            let record = try reader.span(Int(item.recordByteCount), "record")
            guard let event = Self.death(in: try RecordView.decode(record).body) else {
                oracle.fail(15, "the event at \(item.offset) of the dead-letter topic tells of no death")
                return
            }
            note("death of message \(event.message) of \(event.queue) is told, at \(item.offset): \(event.ending)")
            if deaths.oracle.pushed(event, offset: item.offset, announcers: announcers) { checkMayBeDead(event) }
        }
    }

    /// Reads what the topic was told. Names in the simulation need no escapes.
    private static func death(in body: [UInt8]) -> DeathOracle.Event? {
        let text = String(decoding: body, as: UTF8.self)
        func member(_ name: String) -> String? {
            guard let start = text.firstRange(of: "\"\(name)\":\"")?.upperBound else { return nil }
            return String(text[start...].prefix { $0 != "\"" })
        }
        guard let queue = member("queue"), let message = member("messageId").flatMap({ UInt64($0, radix: 16) }), let ending = member("ending"),
            ending == "dead" || ending == "cancelled"
        else { return nil }
        return .init(queue: queue, message: message, ending: ending, deadLetterQueue: member("deadLetterQueue"), body: body)
    }

    /// What may have killed a message came to the node before the topic was told.
    private func checkMayBeDead(_ event: DeathOracle.Event) {
        guard let tag = oracle.messages.firstIndex(where: { $0.id == event.message }) else { return }
        guard "q\(oracle.messages[tag].queue)" == event.queue else {
            oracle.fail(15, "the death of message \(tag) is told of \(event.queue), and it was published to q\(oracle.messages[tag].queue)")
            return
        }
        // The answer to what killed it may leave after the event.
        guard !pending.values.contains(where: { $0.arrivedAt != nil && $0.mayTakeAway }) else { return }
        if oracle.staysHome(tag, at: now) { oracle.fail(15, "the death of message \(tag) of \(event.queue) is told, and nothing killed it") }
    }

    /// Everything was told.
    func checkDeathsAreTold() {
        guard !announcers.isEmpty, oracle.violation == nil else { return }
        watchDeaths()
        settleDown()
        let announcers = announcers
        deaths.oracle.checkCaughtUp { tag in
            let message = oracle.messages[tag]
            return message.id != 0 && announcers.contains(Int(message.queue)) ? message.id : nil
        }
        judgeDeaths()
    }

    func judgeDeaths() {
        if let problem = deaths.oracle.takeProblem() { oracle.fail(problem.promise, problem.text) }
    }
}
