import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import SpindleWeb
import Testing

/// When a peer is late. Scripts: one step a line, and behind `→` when the next moment comes at which it would be late, and with what.
@Suite struct RequestPaceTests {
    private func run(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        var limits = WebServerLimits()
        limits.firstRequestMilliseconds = 15
        limits.idleMilliseconds = 75
        limits.bodyMilliseconds = 30
        limits.bodyBytesPerSecondMin = 1_000
        limits.unreadMilliseconds = 120
        var pace = RequestPace(limits: limits, now: 0)
        for line in script.split(separator: "\n") {
            let halves = line.split(separator: "→", omittingEmptySubsequences: false).map { $0.split(separator: " ").map(String.init) }
            let words = halves[0]
            let now = try #require(words.first.flatMap { Int64($0) })
            switch words.dropFirst().first {
            case "connect": break
            case "head": pace.head(now: now)
            case "body": pace.body(bytes: try #require(Int(words[2])))
            case "end": pace.endOfRequest(now: now)
            case "answered": pace.endOfAnswer(now: now)
            case "full": pace.output(isWritable: false, now: now)
            case "free": pace.output(isWritable: true, now: now)
            default: Issue.record("no step: \(line)", sourceLocation: sourceLocation)
            }
            let found = pace.deadline.map { "\($0.at) \($0.lateness)" } ?? "never"
            #expect(found == halves[1].joined(separator: " "), "\(line)", sourceLocation: sourceLocation)
        }
    }

    @Test func aPeerSendsItsFirstRequestSoon() throws {
        try run("""
            0 connect → 15 firstRequest
            14 head → 44 body
            """)
    }

    @Test func aRequestComesAtAPace() throws {
        try run("""
            1 head → 31 body
            5 body 100 → 131 body
            6 body 1 → 132 body
            9 end → never
            """)
    }

    /// What takes the server long is no fault of the peer.
    @Test func anAnswerMayTakeItsTime() throws {
        try run("""
            1 head → 31 body
            2 end → never
            100000 answered → 100075 nextRequest
            100074 head → 100104 body
            """)
    }

    @Test func anAnswerBeforeTheRequestsEndIsNoEnd() throws {
        try run("""
            1 head → 31 body
            2 answered → 31 body
            20 end → 95 nextRequest
            """)
    }

    @Test func aPeerThatTakesNothingIsLate() throws {
        try run("""
            1 head → 31 body
            2 end → never
            10 full → 130 answer
            50 full → 130 answer
            60 free → never
            70 full → 190 answer
            80 answered → 155 nextRequest
            """)
    }

    @Test func pipelinedRequestsAreAllAnswered() throws {
        try run("""
            1 head → 31 body
            1 end → never
            1 head → 31 body
            1 end → never
            50 answered → never
            60 answered → 135 nextRequest
            """)
    }

    // MARK: The handler

    private func channel() throws -> EmbeddedChannel {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let channel = EmbeddedChannel(handler: RequestPaceHandler<HTTPServerRequestPart, HTTPServerResponsePart>(limits: WebServerLimits(), logger: logger))
        try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 80)).wait()
        return channel
    }

    @Test func aSilentConnectionIsClosed() throws {
        let channel = try channel()
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(14_990))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(20))
        #expect(!channel.isActive)
    }

    @Test func aConnectionThatIsUsedStays() throws {
        let channel = try channel()
        for _ in 0..<5 {
            channel.embeddedEventLoop.advanceTime(by: .seconds(14))
            try channel.writeInbound(HTTPServerRequestPart.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")))
            try channel.writeInbound(HTTPServerRequestPart.end(nil))
            channel.embeddedEventLoop.advanceTime(by: .hours(2))
            #expect(channel.isActive, "it is the server's turn")
            try channel.writeOutbound(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok)))
            try channel.writeOutbound(HTTPServerResponsePart.end(nil))
        }
        channel.embeddedEventLoop.advanceTime(by: .seconds(74))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!channel.isActive)
    }

    @Test func aBodyByTheDropIsCutOff() throws {
        let channel = try channel()
        try channel.writeInbound(HTTPServerRequestPart.head(HTTPRequestHead(version: .http1_1, method: .POST, uri: "/")))
        for _ in 0..<29 {
            channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            try channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "x")))
        }
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!channel.isActive)
    }
}
