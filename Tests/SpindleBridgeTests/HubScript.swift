import SpindleBridge
import SpindleClient
import Testing

/// Runs a script on the hub's machine and compares what the clients get.
///
/// ```
/// start 1:64                     the broker accepts; its log ends there
/// event job 1:65 [body]          job: addin.job.updated; alert: notification.alert
/// gap 1:70 reason
/// connect a updates [cursor]     a new client; prints `full`, `full for kim` or `stopping` where it isn't let in
/// connect a updates kim          of that caller; otherwise each client is a caller of its own
/// connect a addin.job.* [cursor] of topics instead of a stream; with `json` in front of them as JSON lines, which print as they are
/// recheck                        tokens have changed
/// take a → hello@1:64 wait       all it gets until it waits (or a `write` is left hanging, with `hang a`)
/// hang a                         takes one step, and is stuck in that write
/// replays → start r1@1:50        which replays were started, stopped since last asked
/// r1 event job 1:55              the replay brings an event; also: gap, fail
/// clock 20000                    sets the time and looks at the timers
/// cuts → a                       whose connections were cut since last asked
/// leave a reauthenticate / gone a / stop
/// ```
/// Frames print as `name@id`, with `(data)` where it isn't a topic's `{}`.
struct HubScript {
    private let configuration: EventBridgeConfiguration
    private var machine: EventHubMachine
    private var now: Int64 = 0
    private var clients: [String: EventHubMachine.ClientID] = [:]
    private var replays: [EventHubMachine.ReplayID: String] = [:]
    private var notedReplays: [String] = []
    private var notedCuts: [String] = []

    init(_ change: (inout EventBridgeConfiguration) -> Void = { _ in }) {
        var configuration = EventBridgeConfiguration(streams: EventBridgeConfiguration.testStreams)
        change(&configuration)
        self.configuration = configuration
        machine = EventHubMachine(configuration: configuration)
    }

    mutating func run(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for line in script.split(separator: "\n") {
            let text = line.split(separator: "#")[0]
            let halves = text.split(separator: "→", omittingEmptySubsequences: false).map { $0.split(separator: " ").map(String.init) }
            let result = try step(halves[0])
            let expected = halves.count > 1 ? halves[1].joined(separator: " ") : ""
            #expect(result == expected, "\(text)", sourceLocation: sourceLocation)
        }
    }

    private mutating func step(_ words: [String]) throws -> String {
        guard let verb = words.first else { return "" }
        switch verb {
        case "start": note(machine.started(at: try cursor(words[1])))
        case "event", "gap": note(machine.received(try element(words)))
        case "connect": return connect(words)
        case "recheck": note(machine.recheckAll(now: now))
        case "take": return take(try #require(clients[words[1]]))
        case "hang":
            guard case .write = takeOne(try #require(clients[words[1]])) else { return "it had nothing to write" }
        case "replays":
            defer { notedReplays = [] }
            return notedReplays.joined(separator: " ")
        case "cuts":
            defer { notedCuts = [] }
            return notedCuts.joined(separator: " ")
        case "clock":
            now = try #require(Int64(words[1]))
            note(machine.tick(now: now))
        case "leave": note(machine.leave(try #require(clients[words[1]]), try #require(.init(rawValue: words[2]))))
        case "gone": note(machine.gone(try #require(clients[words[1]])))
        case "stop": note(machine.stop())
        case "count": return "\(machine.clientCount) \(machine.replayCount)"
        default:
            let id = try #require(replays.first { $0.value == verb }?.key, "unknown word \(verb)")
            switch words[1] {
            case "fail": note(machine.replayFailed(id))
            case "step": return "\(machine.replayStep(id))"
            default: note(machine.replayed(id, try element(Array(words[1...]))))
            }
        }
        return ""
    }

    private func cursor(_ text: String) throws -> TopicCursor { try #require(TopicCursor(text)) }

    private func element(_ words: [String]) throws -> FeedElement {
        if words[0] == "gap" { return .gap(cursor: try cursor(words[1]), reason: words[2...].joined(separator: " ")) }
        let topic = ["alert": "notification.alert", "job": "addin.job.updated"][words[1]] ?? words[1]
        let body = words.count > 3 ? words[3] : "{}"
        return .event(topic: topic, cursor: try cursor(words[2]), body: Array(body.utf8))
    }

    private mutating func connect(_ words: [String]) -> String {
        var words = words
        let isJSON = words[2] == "json"
        if isJSON { words.remove(at: 2) }
        let isCaller = words.count > 3 && words[3] == "kim"
        let stream = configuration.streams.first { $0.name == words[2] }
        guard let topics = stream?.topics ?? (try? configuration.topics(matching: words[2])) else { return "no such topic" }
        let newcomer = EventHubMachine.Newcomer(
            caller: isCaller ? "kim" : words[1], topics: topics, framing: isJSON ? .jsonLines : .serverSentEvents,
            resume: .init(words.count > 3 && !isCaller ? words[3] : nil), rotateAt: 900_000, retryMilliseconds: 1_000)
        switch machine.connect(newcomer, now: now)
        {
        case .client(let id, let effects):
            clients[words[1]] = id
            note(effects)
            return ""
        case .full: return "full"
        case .callerFull: return "full for kim"
        case .stopping: return "stopping"
        }
    }

    private mutating func note(_ effects: [EventHubMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .startReplay(let id, let cursor):
                replays[id] = "r\(replays.count + 1)"
                notedReplays.append("start \(replays[id] ?? "")@\(cursor)")
            case .stopReplay(let id): notedReplays.append("stop \(replays[id] ?? "")")
            case .cut(let id): notedCuts += clients.filter { $0.value == id }.map(\.key)
            case .wake, .wakeReplay: break
            }
        }
    }

    private mutating func takeOne(_ id: EventHubMachine.ClientID) -> EventHubMachine.Step {
        let (step, effects) = machine.take(id, now: now)
        note(effects)
        return step
    }

    private mutating func take(_ id: EventHubMachine.ClientID) -> String {
        var result: [String] = []
        for _ in 0..<1_000 {
            switch takeOne(id) {
            case .write(let bytes): result += Self.frames(bytes)
            case .wait: return (result + ["wait"]).joined(separator: " ")
            case .recheck: result.append("recheck")
            case .end(let end, let farewell): return (result + Self.frames(farewell) + ["end", end.rawValue]).joined(separator: " ")
            }
        }
        return "does not come to an end"
    }

    static func frames(_ bytes: [UInt8]) -> [String] {
        if bytes.first == UInt8(ascii: "{") { return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init) }
        return String(decoding: bytes, as: UTF8.self).components(separatedByBlankLine: ()).compactMap { block in
            var fields: [Substring: String] = [:]
            for line in block.split(separator: "\n") where !line.hasPrefix(":") {
                let parts = line.split(separator: ":", maxSplits: 1)
                fields[parts[0]] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
            }
            guard let name = fields["event"] else { return nil }
            let short = ["addin.job.updated": "job", "notification.alert": "alert"][name] ?? name
            let data = fields["data"] ?? ""
            let shown = data == "{}" || name == "hello" ? "" : "(\(data))"
            return short + (fields["id"].map { "@\($0)" } ?? "") + shown
        }
    }
}

extension String {
    fileprivate func components(separatedByBlankLine: Void) -> [String] {
        var blocks: [String] = [""]
        for line in split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { blocks.append("") } else { blocks[blocks.count - 1] += line + "\n" }
        }
        return blocks
    }
}

extension EventBridgeConfiguration {
    static let testStreams = [
        Stream("updates", topics: ["addin.job.created", "addin.job.updated", "routing.approval.changed"]),
        Stream("alerts", topics: ["notification.alert"]),
    ]
}
