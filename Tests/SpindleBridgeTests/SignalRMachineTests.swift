import SpindleBridge
import Testing

/// What a server says in SignalR's JSON hub protocol. The lines are the wire's own: `␞` stands for the record separator, 0x1E.
///
/// ```
/// client {"type":6}␞ → {"type":6}␞       bytes of the client, and what goes out
/// event addin.job.created {"jobId":"1"}  an event, before `→` its target and argument
/// clock 15000 → {"type":6}␞              sets the time and looks at the timers
/// end goingAway → …                      the server ends the connection
/// ```
/// `close` stands for the end of the connection.
@Suite struct SignalRMachineTests {

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let script: String

        init(_ name: String, _ script: String) {
            testDescription = name
            self.script = script
        }
    }

    static let rows = [
        Row("a handshake, an event, a ping", """
            client {"protocol":"json","version":1}␞ → {}␞
            event addin.job.updated {"jobId":"1","message":null} → {"type":1,"target":"addin.job.updated","arguments":[{"jobId":"1","message":null}]}␞
            client {"type":6}␞ →
            """),
        Row("events before the handshake are for others", """
            event addin.job.created {"jobId":"1"} →
            client {"protocol":"json","version":1}␞ → {}␞
            event addin.job.created {"jobId":"2"} → {"type":1,"target":"addin.job.created","arguments":[{"jobId":"2"}]}␞
            """),
        Row("a handshake in pieces, with the first message behind it", """
            client {"protocol":"js →
            client on","version":1}␞{"type":1,"invoca → {}␞
            client tionId":"7","target":"Send","arguments":[]}␞ → {"type":3,"invocationId":"7","error":"This hub has no methods; it only sends."}␞
            """),
        Row("another protocol", """
            client {"protocol":"messagepack","version":1}␞ → {"error":"The protocol is not supported. This server speaks “json”."}␞ close
            client {"protocol":"json","version":1}␞ →
            """),
        Row("a client that does not count versions", #"client {"protocol":"json","version":0}␞ → {}␞"#),
        Row("another version", #"client {"protocol":"json","version":2}␞ → {"error":"The version is not supported. This server speaks version 1."}␞ close"#),
        Row("no handshake at all", #"client {"type":6}␞ → {"error":"The first message is not a handshake: {\"protocol\":\"json\",\"version\":1}."}␞ close"#),
        Row("garbage for a handshake", "client GET / HTTP/1.1␞ → {\"error\":\"The first message is not a handshake: {\\\"protocol\\\":\\\"json\\\",\\\"version\\\":1}.\"}␞ close"),
        Row("a handshake that doesn't come", """
            clock 14999 →
            clock 15000 → {"error":"No handshake came within 15000 ms."}␞ close
            clock 15001 →
            """),
        Row("pings while nothing else is sent", """
            client {"protocol":"json","version":1}␞ → {}␞
            clock 14999 →
            clock 15000 → {"type":6}␞
            clock 20000 →
            client {"type":6}␞ →
            event a {} → {"type":1,"target":"a","arguments":[{}]}␞
            clock 34999 →
            clock 35000 → {"type":6}␞
            """),
        Row("a client that is silent", """
            client {"protocol":"json","version":1}␞ → {}␞
            clock 15000 → {"type":6}␞
            client {"type":6}␞ →
            clock 74999 → {"type":6}␞
            clock 75000 → {"type":7,"error":"Nothing came from the client for 60000 ms.","allowReconnect":true}␞ close
            """),
        Row("a client that idles for ten minutes, and pings", """
            client {"protocol":"json","version":1}␞ → {}␞
            \((1...40).map { #"clock \#($0 * 15_000) → {"type":6}␞\#nclient {"type":6}␞ →"# }.joined(separator: "\n"))
            event a {} → {"type":1,"target":"a","arguments":[{}]}␞
            """),
        Row("methods that nobody has", """
            client {"protocol":"json","version":1}␞ → {}␞
            client {"type":1,"target":"Send","arguments":[1,"a",{}]}␞ →
            client {"type":1,"invocationId":"a\\"b","target":"Send","arguments":[]}␞ → {"type":3,"invocationId":"a\\"b","error":"This hub has no methods; it only sends."}␞
            client {"type":4,"invocationId":"9","target":"Count","arguments":[]}␞ → {"type":3,"invocationId":"9","error":"This hub has no methods; it only sends."}␞
            client {"type":5,"invocationId":"9"}␞{"type":2,"invocationId":"9","item":1}␞{"type":3,"invocationId":"9"}␞ →
            """),
        Row("messages of later versions are passed over", """
            client {"protocol":"json","version":1}␞ → {}␞
            client {"type":8,"sequenceId":1}␞{"type":99,"new":true}␞ →
            event a {} → {"type":1,"target":"a","arguments":[{}]}␞
            """),
        Row("the client closes", """
            client {"protocol":"json","version":1}␞ → {}␞
            client {"type":7}␞{"type":6}␞ → close
            event a {} →
            end goingAway →
            """),
        Row("garbage", """
            client {"protocol":"json","version":1}␞ → {}␞
            client {"type":␞ → {"type":7,"error":"A message is not a JSON object with a “type”."}␞ close
            """),
        Row("an empty message", """
            client {"protocol":"json","version":1}␞ → {}␞
            client ␞ → {"type":7,"error":"A message is not a JSON object with a “type”."}␞ close
            """),
        Row("a list for a message", """
            client {"protocol":"json","version":1}␞ → {}␞
            client [1]␞ → {"type":7,"error":"A message is not a JSON object with a “type”."}␞ close
            """),
        Row("this server stops", """
            client {"protocol":"json","version":1}␞ → {}␞
            end goingAway → {"type":7,"allowReconnect":true}␞ close
            """),
        Row("this server stops before the handshake", #"end goingAway → {"error":"The server stops. Connect again."}␞ close"#),
        Row("events are missing", """
            client {"protocol":"json","version":1}␞ → {}␞
            end missedEvents → {"type":7,"error":"Events were missed. Connect again, and read the state again.","allowReconnect":true}␞ close
            """),
        Row("the right has ended", """
            client {"protocol":"json","version":1}␞ → {}␞
            end notPermitted → {"type":7,"error":"The right to listen has ended. Sign in again."}␞ close
            """),
    ]

    @Test(arguments: rows) func theServerSays(row: Row) throws {
        var script = SignalRScript()
        for line in row.script.split(separator: "\n") { try script.run(String(line)) }
    }

    @Test func aMessageHasALimit() {
        var machine = SignalRMachine(limits: SignalRLimits(), now: 0)
        #expect(machine.received(Array((#"{"protocol":"json","version":1}"# + SignalRMachine.separator).utf8), now: 0) == [.send("{}\u{1E}")])
        let most = [UInt8](repeating: UInt8(ascii: " "), count: SignalRLimits().messageBytesMax - 10) + Array(#"{"type":6}"#.utf8)
        #expect(machine.received(most + [0x1E], now: 0) == [])
        #expect(machine.received(most, now: 0) == [])
        let actions = machine.received([UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20), now: 0)
        #expect(actions == [.send(#"{"type":7,"error":"A message has more than 65536 bytes."}"# + "\u{1E}"), .close])
        #expect(machine.received([0x1E], now: 0) == [])
    }

    /// Whatever comes, in whatever pieces: the machine neither traps nor says anything after its end.
    @Test func nothingIsSaidAfterTheEnd() {
        var random = SystemRandomNumberGenerator()
        let words = [#"{"protocol":"json","version":1}"#, #"{"type":6}"#, #"{"type":7}"#, #"{"type":1,"invocationId":"1"}"#, "\u{1E}", "\u{1E}", "{", "\0", "é", "[[["]
        for _ in 0..<2_000 {
            var machine = SignalRMachine(limits: SignalRLimits(), now: 0)
            var isClosed = false
            for step in 0..<20 {
                let bytes = (0..<Int.random(in: 0...4, using: &random)).flatMap { _ in Array((words.randomElement(using: &random) ?? "").utf8) }
                for actions in [machine.received(bytes, now: Int64(step)), machine.event("a", "{}", now: Int64(step)), machine.tick(now: Int64(step * 1_000))] {
                    #expect(!isClosed || actions.isEmpty)
                    #expect(actions.filter { $0 == .close }.count <= 1)
                    if let index = actions.firstIndex(of: .close) {
                        #expect(index == actions.count - 1, "the end comes last")
                        isClosed = true
                    }
                }
            }
        }
    }
}

/// Runs the lines of ``SignalRMachineTests``.
struct SignalRScript {
    private var machine = SignalRMachine(limits: SignalRLimits(), now: 0)
    private var now: Int64 = 0

    mutating func run(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let halves = line.split(separator: "→", maxSplits: 1, omittingEmptySubsequences: false).map { $0.trimmingPrefix { $0 == " " } }
        let step = halves[0].hasSuffix(" ") ? halves[0].dropLast() : halves[0]
        let words = step.split(separator: " ", maxSplits: 1).map(String.init)
        let rest = (words.count > 1 ? words[1] : "").replacing("␞", with: "\u{1E}")
        let actions: [SignalRMachine.Action]
        switch words[0] {
        case "client": actions = machine.received(Array(rest.utf8), now: now)
        case "event":
            let parts = rest.split(separator: " ", maxSplits: 1).map(String.init)
            actions = machine.event(parts[0], parts[1], now: now)
        case "clock":
            now = try #require(Int64(rest))
            actions = machine.tick(now: now)
        case "end": actions = machine.end(try #require(SignalRMachine.End(rawValue: rest)))
        default:
            Issue.record("unknown word \(words[0])", sourceLocation: sourceLocation)
            return
        }
        let said = actions.map { action in
            switch action {
            case .send(let text): text.replacing("\u{1E}", with: "␞")
            case .close: "close"
            }
        }.joined(separator: " ")
        #expect(said == halves[1], "\(step)", sourceLocation: sourceLocation)
    }
}
