internal import FuzzCore
internal import SpindleBridge
internal import SpindleClient

extension FuzzTarget {
    /// Event streams: clients that come, lag, leave and come back with any cursor, over a feed that goes on, breaks off and begins anew.
    static let events = FuzzTarget(
        "events", inputBytesMax: 1024, seeds: { (0..<16).map { seed in (0..<200).map { UInt8(truncatingIfNeeded: ($0 * 31 + 7) * (seed + 3) >> 2) } } }
    ) { input in
        var script = EventScript(FuzzBytes(input))
        try script.run()
    }
}

private struct EventScript {
    private var input: FuzzBytes
    private var machine: EventHubMachine
    private var clients: [EventHubMachine.ClientID] = []
    private var replays: [EventHubMachine.ReplayID] = []
    private var cut: Set<EventHubMachine.ClientID> = []
    private var now: Int64 = 0
    private var epoch: UInt64 = 1
    private var offset: UInt64 = 100

    private static let configuration = {
        var configuration = EventBridgeConfiguration(streams: [.init("a", topics: ["t"]), .init("b", topics: ["t", "u"])])
        configuration.progress = [.init(topic: "t", subjectField: "j", statusField: "s", statuses: ["p"])]
        configuration.clientsMax = 6
        configuration.ringEventsMax = 4
        configuration.ringBytesMax = 512
        configuration.clientBacklogBytesMax = 400
        configuration.eventBytesMax = 64
        configuration.batchBytesMax = 200
        configuration.replaysMax = 2
        configuration.replayBytesMax = 300
        configuration.replayEventsMax = 20
        return configuration
    }()

    init(_ input: FuzzBytes) {
        self.input = input
        machine = EventHubMachine(configuration: Self.configuration)
    }

    mutating func run() throws {
        for _ in 0..<500 where !input.isAtEnd { try step() }
        // The end: every client is told, and nothing is left.
        perform(machine.stop())
        for client in clients {
            var steps = 0
            while case (let step, _) = machine.take(client, now: now), steps < 100 {
                steps += 1
                if case .end = step { break }
            }
            try must(steps < 100, "a client is not told of the end")
            _ = machine.gone(client)
        }
        try must(machine.clientCount == 0, "\(machine.clientCount) clients are left behind the end")
    }

    private mutating func step() throws {
        let code = input.u8()
        switch code & 15 {
        case 0, 1: try connect()
        case 2, 3, 4: perform(machine.received(element(ahead: true)))
        case 5, 6, 7: try take()
        case 8: now += Int64(1) << Int64(input.u8() & 31)
        case 9: perform(machine.tick(now: now))
        case 10: perform(machine.started(at: cursor()))
        case 11: if let client = pick(clients) { perform(machine.leave(client, .left)) }
        case 12:
            guard let client = pick(clients) else { return }
            clients.removeAll { $0 == client }
            perform(machine.gone(client))
        case 13, 14:
            guard let replay = pick(replays), case .read = machine.replayStep(replay) else { return }
            perform(machine.replayed(replay, element(ahead: false)))
        default: if let replay = pick(replays) { perform(machine.replayFailed(replay)) }
        }
        try must(machine.clientCount <= Self.configuration.clientsMax, "\(machine.clientCount) clients were let in")
        try must(machine.replayCount <= Self.configuration.replaysMax, "\(machine.replayCount) replays are read")
    }

    private mutating func pick<Value>(_ values: [Value]) -> Value? { values.isEmpty ? nil : values[input.choice(values.count)] }

    private mutating func cursor() -> TopicCursor {
        let code = input.u8()
        return TopicCursor(
            epoch: code & 0x40 == 0 ? epoch : input.number(), offset: code & 0x80 == 0 ? offset &- UInt64(code & 0x3F) : input.number())
    }

    private mutating func element(ahead: Bool) -> FeedElement {
        let code = input.u8()
        if ahead { offset &+= UInt64(1 + code & 3) }
        let place = code & 0x80 == 0 && ahead ? TopicCursor(epoch: epoch, offset: offset) : cursor()
        if code & 0x70 == 0x70 { return .gap(cursor: place, reason: "g") }
        let topic = code & 4 == 0 ? "t" : "u"
        // Of one thing; the last bit says whether it only tells how far the thing is.
        if code & 0x28 == 0x20 { return .event(topic: topic, cursor: place, body: Array(#"{"j":"x","s":"\#(code & 1 == 0 ? "p" : "e")"}"#.utf8)) }
        return .event(topic: topic, cursor: place, body: [UInt8](repeating: 0x61, count: code & 8 == 0 ? 10 : 100))
    }

    private mutating func connect() throws {
        let code = input.u8()
        let resume: EventHubMachine.Resume = code & 3 == 0 ? .now : code & 3 == 1 ? .unreadable : .after(cursor())
        let newcomer = EventHubMachine.Newcomer(
            caller: "kim", topics: code & 0x80 == 0 ? ["t"] : ["t", "u"], framing: code & 0x40 == 0 ? .serverSentEvents : .jsonLines, resume: resume,
            rotateAt: now + 900_000, retryMilliseconds: 1000)
        switch machine.connect(newcomer, now: now) {
        case .client(let id, let effects):
            clients.append(id)
            perform(effects)
        case .full: try must(machine.clientCount == Self.configuration.clientsMax, "a client is refused where there is room")
        case .callerFull: try must(machine.clientCount == Self.configuration.clientsPerCallerMax, "a caller is refused where there is room")
        case .stopping: throw FuzzFailure("a client is refused before the end")
        }
    }

    private mutating func take() throws {
        guard let client = pick(clients) else { return }
        let (step, effects) = machine.take(client, now: now)
        perform(effects)
        switch step {
        case .write(let bytes):
            let most = Self.configuration.batchBytesMax + 2 * Self.configuration.ringBytesMax + 4096
            try must(!bytes.isEmpty && bytes.count <= most, "\(bytes.count) bytes are written at once")
        case .end: clients.removeAll { $0 == client }
        case .wait, .recheck: break
        }
    }

    private mutating func perform(_ effects: [EventHubMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .wake, .wakeReplay: break
            case .cut(let id): cut.insert(id)
            case .startReplay(let id, _): replays.append(id)
            case .stopReplay(let id): replays.removeAll { $0 == id }
            }
        }
    }
}
