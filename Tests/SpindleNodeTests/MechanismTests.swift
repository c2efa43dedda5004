import Foundation
import SpindleNode
import SpindleWire
import Testing

/// AUTH by a mechanism: the rounds of an exchange, against the golden conversations.
@Suite struct MechanismTests {
    struct Exchange: Decodable, Sendable, CustomTestStringConvertible {
        struct Step: Decodable, Sendable {
            var from: String
            var hex: String?
            var error: String?
            var blastRadius: String?
        }

        var name: String
        var steps: [Step]
        var testDescription: String { name }
    }

    static let exchanges: [Exchange] = VectorTests.load("exchanges")

    /// The mechanism of the vectors, as `protocol/vectors/README.md` describes it.
    private final class Reverse {
        private var left = 0
        private var principal = ""
        private var challenge: [UInt8] = []

        func judge(_ round: MechanismRound) -> AuthenticationVerdict {
            guard round.mechanism == "test-reverse" else { return .refused("unknown mechanism '\(round.mechanism)'") }
            if round.number == 1 {
                left = Int(round.data.first ?? 0)
                principal = String(decoding: round.data.dropFirst(), as: UTF8.self)
            } else if round.data != challenge.reversed() {
                return .refused("the answer is wrong")
            }
            guard left == 0 else {
                left -= 1
                challenge = (0..<3).map { UInt8(round.number + $0) }
                return .challenge(challenge)
            }
            guard principal == "admin" else { return .refused("no such principal") }
            return .known(TestBroker.everything, data: Array("ok".utf8))
        }
    }

    private static func begin(_ broker: TestBroker) -> SessionID {
        let session = broker.connectOnly()
        broker.request(session, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        broker.turn()
        _ = broker.frames(session)
        return session
    }

    @Test func exchangesAreThere() { #expect(Self.exchanges.count >= 11) }

    @Test(arguments: exchanges) func conversation(exchange: Exchange) throws {
        let broker = try TestBroker()
        broker.judge = Reverse().judge
        let session = Self.begin(broker)
        var answers: [TestBroker.Frame] = []
        for (index, step) in exchange.steps.enumerated() {
            guard step.from == "broker" else {
                broker.raw(session, frame: VectorTests.bytes(try #require(step.hex)))
                broker.turn()
                answers += broker.frames(session)
                continue
            }
            let answer = try #require(answers.first, "step \(index) is not answered")
            answers.removeFirst()
            if let name = step.error {
                let error = try #require(answer.error)
                #expect(ErrorCode(rawValue: error.code)?.name == name, "\(error.message)")
                #expect("\(error.blastRadius)" == step.blastRadius)
                #expect(broker.closed.contains(session) == (step.blastRadius == "connection"))
            } else {
                var writer = WireWriter()
                answer.header.encode(into: &writer)
                writer.bytes(answer.body)
                #expect(writer.array() == VectorTests.bytes(try #require(step.hex)), "step \(index)")
            }
        }
        #expect(answers.isEmpty)
    }

    @Test func eachStateOfASessionHasItsFrameCap() throws {
        let broker = try TestBroker()
        let session = broker.connectOnly()
        #expect(broker.node.frameBytesMax(session) == WireLimits.preAuthenticationFrameBytesMax)
        broker.request(session, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        #expect(broker.node.frameBytesMax(session) == WireLimits.authenticationFrameBytesMax)
        broker.judge = { _ in .challenge([1]) }
        broker.request(session, .auth) { AuthRequest(mechanism: "m", data: []).encode(into: &$0) }
        broker.turn()
        #expect(broker.node.frameBytesMax(session) == WireLimits.authenticationFrameBytesMax)
        broker.judge = { _ in .known(TestBroker.everything, data: []) }
        broker.request(session, .auth) { AuthRequest(mechanism: "m", data: []).encode(into: &$0) }
        broker.turn()
        #expect(broker.node.frameBytesMax(session) == 256 << 10)
    }

    /// The largest bytes in either direction fit the frames that the opening allows.
    @Test func theLargestBytesGoBothWays() throws {
        let largest = [UInt8](repeating: 0x5A, count: WireLimits.authenticationDataBytesMax)
        let name = String(repeating: "m", count: WireLimits.nameBytesMax)
        var writer = WireWriter()
        let start = writer.beginFrame(.auth, correlationID: 1)
        AuthRequest(mechanism: name, data: largest).encode(into: &writer)
        writer.endFrame(start)
        #expect(writer.count <= WireLimits.authenticationFrameBytesMax)
        let broker = try TestBroker()
        let session = Self.begin(broker)
        broker.judge = { $0.data == largest ? .challenge(largest) : .refused("cut") }
        broker.raw(session, frame: writer.array())
        broker.turn()
        let reply = try #require(broker.frames(session).first)
        #expect(try AuthReply(reply.body.span.bytes).challenge == largest)
    }

    @Test func aMechanismThatAnswersTooMuchIsABugOfTheBroker() throws {
        let tooMuch = [UInt8](repeating: 0, count: WireLimits.authenticationDataBytesMax + 1)
        for verdict in [AuthenticationVerdict.challenge(tooMuch), .known(TestBroker.everything, data: tooMuch)] {
            let broker = try TestBroker()
            let session = Self.begin(broker)
            broker.judge = { _ in verdict }
            broker.request(session, .auth) { AuthRequest(mechanism: "m", data: []).encode(into: &$0) }
            broker.turn()
            #expect(broker.frames(session).first?.error.flatMap { ErrorCode(rawValue: $0.code) } == .internalError)
            #expect(broker.closed.contains(session))
        }
    }

    @Test func aDrainingBrokerClosesThoseInAnExchange() throws {
        let broker = try TestBroker()
        broker.judge = { _ in .challenge([1]) }
        let session = Self.begin(broker)
        broker.request(session, .auth) { AuthRequest(mechanism: "m", data: []).encode(into: &$0) }
        broker.turn()
        broker.drain()
        #expect(broker.frames(session).last?.error.flatMap { ErrorCode(rawValue: $0.code) } == .goingAway)
        #expect(broker.closed.contains(session))
    }
}
