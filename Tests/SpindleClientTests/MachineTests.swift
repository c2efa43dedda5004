import NIOCore
import SpindleClient
import SpindleWire
import Testing

/// Times of the tables below: milliseconds since some beginning.
private func at(_ milliseconds: Int64) -> NIODeadline { .uptimeNanoseconds(1_000_000_000) + .milliseconds(milliseconds) }

/// A mechanism of which only the name counts.
private struct NeverAsked: CredentialMechanism {
    struct Unasked: Error {}
    struct Exchange: CredentialExchange {
        func begin() throws -> [UInt8] { throw Unasked() }
        func answer(_ challenge: [UInt8]) throws -> [UInt8] { throw Unasked() }
    }
    let name = "never-asked"
    func exchange() -> any CredentialExchange { Exchange() }
}

@Suite struct ConnectionMachineTests {
    static let settings = ConnectionMachine.Settings(
        hello: HelloRequest(clientName: "c", clientVersion: "1"), auth: .request(AuthRequest(method: .token, credential: "t")),
        heartbeat: .milliseconds(900), openingTimeout: .milliseconds(500))

    static func helloReply(
        version: UInt16 = 1, frameBytesMax: UInt32 = 1 << 20, inFlightMax: UInt32 = 10, heartbeat: UInt32 = 600
    ) -> [UInt8] {
        var writer = WireWriter()
        HelloReply(
            version: version, capabilities: .lz4, frameBytesMax: frameBytesMax, inFlightMax: inFlightMax, heartbeatMilliseconds: heartbeat,
            serverID: [UInt8](repeating: 1, count: 16), serverName: "s", serverVersion: "v", opcodes: []
        ).encode(into: &writer)
        return writer.array()
    }

    static let authReply: [UInt8] = {
        var writer = WireWriter()
        AuthReply(principal: "p").encode(into: &writer)
        return writer.array()
    }()

    static func receive(
        _ machine: inout ConnectionMachine, _ opcode: Opcode, _ body: [UInt8], flags: FrameFlags = .reply, id: UInt32, now: Int64 = 0
    ) -> String {
        let header = FrameHeader(length: UInt32(12 + body.count), opcode: opcode.rawValue, flags: flags, correlationID: id)
        switch machine.received(header, body: body.span.bytes, now: at(now)) {
        case .none: return "none"
        case .authenticate(_, let frameBytesMax): return "authenticate \(frameBytesMax)"
        case .begin(let mechanism, let frameBytesMax): return "begin \(mechanism.name) \(frameBytesMax)"
        case .consult(.answer(let challenge)): return "answer \(challenge)"
        case .consult(.accepted(let proof)): return "accepted \(proof)"
        case .becomeReady(let server): return "ready \(server.principal)"
        case .reply(let id, let isError): return "reply \(id)\(isError ? " error" : "")"
        case .answerPing(let id): return "pong \(id)"
        case .push(let opcode): return "push \(opcode)"
        case .drain(let notice): return "drain \(notice.reason)"
        case .fail(let error): return "fail \(error.code.name)"
        }
    }

    static func tick(_ machine: inout ConnectionMachine, _ now: Int64, unanswered: Int = 0) -> String {
        switch machine.tick(now: at(now), unanswered: unanswered) {
        case .none: "none"
        case .ping: "ping"
        case .fail(let error): "fail \(error.code.name)"
        }
    }

    static func ready(now: Int64 = 0) -> ConnectionMachine {
        var machine = ConnectionMachine(settings)
        _ = machine.opened(now: at(now))
        #expect(receive(&machine, .hello, helloReply(), id: ConnectionMachine.helloID, now: now) == "authenticate \(1 << 20)")
        #expect(!machine.isReady)
        #expect(receive(&machine, .auth, authReply, id: ConnectionMachine.authID, now: now) == "ready p")
        #expect(machine.isReady)
        return machine
    }

    @Test func opens() { _ = Self.ready() }

    // MARK: Mechanisms

    /// Has begun, and sent its first bytes.
    static func beginning() -> ConnectionMachine {
        var machine = ConnectionMachine(.init(
            hello: HelloRequest(clientName: "c", clientVersion: "1"), auth: .mechanism(NeverAsked()), heartbeat: .milliseconds(900),
            openingTimeout: .milliseconds(500)))
        _ = machine.opened(now: at(0))
        #expect(receive(&machine, .hello, helloReply(), id: ConnectionMachine.helloID) == "begin never-asked \(1 << 20)")
        #expect(machine.answered([1]) == AuthRequest(mechanism: "never-asked", data: [1]))
        return machine
    }

    static func reply(_ principal: String, _ data: [UInt8]?) -> [UInt8] {
        var writer = WireWriter()
        AuthReply(principal: principal, data: data).encode(into: &writer)
        return writer.array()
    }

    @Test func aMechanismAnswersChallengesUntilItIsLetIn() {
        var machine = Self.beginning()
        for round in 2...UInt8(WireLimits.authenticationRoundsMax) {
            #expect(Self.receive(&machine, .auth, Self.reply("", [round]), id: ConnectionMachine.authID) == "answer [\(round)]")
            #expect(machine.answered([round]) == AuthRequest(mechanism: "never-asked", data: [round]))
        }
        #expect(Self.receive(&machine, .auth, Self.reply("p", [7]), id: ConnectionMachine.authID) == "accepted [7]")
        #expect(!machine.isReady, "the mechanism has not looked at the proof")
        #expect(machine.accepted()?.principal == "p")
        #expect(machine.isReady)
        #expect(machine.answered([1]) == nil)
    }

    /// So many AUTHs were sent, and the last is not answered.
    static func after(rounds: UInt8) -> ConnectionMachine {
        var machine = beginning()
        for round in 2..<(rounds + 1) {
            _ = receive(&machine, .auth, reply("", [round]), id: ConnectionMachine.authID)
            #expect(machine.answered([round])?.data == [round])
        }
        return machine
    }

    @Test(arguments: [
        (after(rounds: 4), reply("", []), ConnectionMachine.authID, "fail MALFORMED_FRAME"), // a fifth round
        (sentToken(), reply("", [1]), ConnectionMachine.authID, "fail MALFORMED_FRAME"), // a token needs no second one
        (beginning(), reply("", nil), ConnectionMachine.authID, "fail MALFORMED_FRAME"), // neither in nor another round
        (beginning(), reply("", []), ConnectionMachine.authID, "answer []"),
        (beginning(), reply("p", nil), ConnectionMachine.authID, "accepted []"),
        (beginning(), reply("p", nil), 5, "fail MALFORMED_FRAME"),
    ]) func anAuthReplyIsTakenOrRefused(machine: ConnectionMachine, body: [UInt8], id: UInt32, expected: String) {
        var machine = machine
        #expect(Self.receive(&machine, .auth, body, id: id) == expected)
    }

    @Test func whileTheMechanismIsAskedTheBrokerMayOnlyPingOrRefuse() {
        var machine = Self.beginning()
        _ = Self.receive(&machine, .auth, Self.reply("", [1]), id: ConnectionMachine.authID)
        #expect(Self.receive(&machine, .ping, [], flags: [], id: 3) == "pong 3")
        #expect(Self.receive(&machine, .auth, Self.reply("p", nil), id: ConnectionMachine.authID) == "fail MALFORMED_FRAME")
        var writer = WireWriter()
        ErrorReply(WireError(.timedOut, "5 s")).encode(into: &writer)
        #expect(Self.receive(&machine, .auth, writer.array(), flags: [.reply, .error], id: 0) == "fail TIMED_OUT")
        #expect(Self.tick(&machine, 500) == "fail CONNECT_FAILED", "its time runs all the same")
    }

    /// HELLO was answered, and the token was sent.
    static func sentToken() -> ConnectionMachine {
        var machine = ConnectionMachine(settings)
        _ = machine.opened(now: at(0))
        _ = receive(&machine, .hello, helloReply(), id: ConnectionMachine.helloID)
        return machine
    }

    @Test(arguments: [
        (Self.helloReply(version: 2), ConnectionMachine.helloID, "fail MALFORMED_FRAME"),
        (Self.helloReply(frameBytesMax: 100), ConnectionMachine.helloID, "fail MALFORMED_FRAME"),
        (Self.helloReply(inFlightMax: 0), ConnectionMachine.helloID, "fail MALFORMED_FRAME"),
        (Self.helloReply(), 1, "fail MALFORMED_FRAME"),
        (Array(Self.helloReply().dropLast(3)), ConnectionMachine.helloID, "fail MALFORMED_FRAME"),
        (Self.helloReply(frameBytesMax: .max), ConnectionMachine.helloID, "authenticate \(WireLimits.frameBytesMax)"),
    ]) func refusesHelloReplies(body: [UInt8], id: UInt32, expected: String) {
        var machine = ConnectionMachine(Self.settings)
        _ = machine.opened(now: at(0))
        #expect(Self.receive(&machine, .hello, body, id: id) == expected)
    }

    @Test func anOpeningThatTakesTooLongFails() {
        var machine = ConnectionMachine(Self.settings)
        _ = machine.opened(now: at(0))
        #expect(Self.tick(&machine, 499) == "none")
        _ = Self.receive(&machine, .hello, Self.helloReply(), id: ConnectionMachine.helloID, now: 499)
        #expect(Self.tick(&machine, 500) == "fail CONNECT_FAILED")
    }

    @Test func tellsRepliesPushesAndPingsApart() {
        var machine = Self.ready()
        #expect(Self.receive(&machine, .publish, [], id: 7) == "reply 7")
        #expect(Self.receive(&machine, .publish, [], flags: [.reply, .error], id: 8) == "reply 8 error")
        #expect(Self.receive(&machine, .ping, [], id: ConnectionMachine.pingID) == "none")
        #expect(Self.receive(&machine, .ping, [], flags: [], id: 3) == "pong 3")
        #expect(Self.receive(&machine, .topicEvents, [], flags: .push, id: 0) == "push \(Opcode.topicEvents.rawValue)")
        var writer = WireWriter()
        ErrorReply(WireError(.heartbeatMissed, "gone")).encode(into: &writer)
        #expect(Self.receive(&machine, .ping, writer.array(), flags: [.reply, .error], id: 0) == "fail HEARTBEAT_MISSED")
        #expect(Self.receive(&machine, .goingAway, [1], flags: .push, id: 0) == "fail MALFORMED_FRAME")
    }

    /// The interval is the smaller of both sides': 600 ms.
    @Test func pingsAtAThirdAndGivesUpAfterAWholeInterval() {
        var machine = Self.ready()
        #expect(Self.tick(&machine, 199) == "none")
        #expect(Self.tick(&machine, 200) == "ping")
        machine.wrote(now: at(200))
        #expect(Self.tick(&machine, 250) == "none")
        _ = Self.receive(&machine, .ping, [], id: ConnectionMachine.pingID, now: 260)
        #expect(Self.tick(&machine, 859) != "fail HEARTBEAT_MISSED")
        #expect(Self.tick(&machine, 860) == "fail HEARTBEAT_MISSED")
    }

    @Test func bytesOfAnUnfinishedFrameAreHeard() {
        var machine = Self.ready()
        machine.heard(now: at(500))
        #expect(machine.isHearing(now: at(799)))
        #expect(!machine.isHearing(now: at(800)))
        #expect(Self.tick(&machine, 1_099) != "fail HEARTBEAT_MISSED")
        #expect(Self.tick(&machine, 1_100) == "fail HEARTBEAT_MISSED")
    }

    @Test func drainsUntilAllIsAnsweredOrTheGraceIsOver() {
        var writer = WireWriter()
        GoingAwayNotice(graceMilliseconds: 300, reason: "restart").encode(into: &writer)
        let notice = writer.array()
        var machine = Self.ready()
        #expect(Self.receive(&machine, .goingAway, notice, flags: .push, id: 0) == "drain restart")
        #expect(!machine.isReady && machine.isDraining)
        #expect(Self.receive(&machine, .publish, [], id: 7) == "reply 7")
        #expect(Self.tick(&machine, 100, unanswered: 1) == "none")
        #expect(Self.tick(&machine, 100, unanswered: 0) == "fail GOING_AWAY")
        #expect(Self.tick(&machine, 300, unanswered: 1) == "fail GOING_AWAY")
    }
}

@Suite struct RequestTableTests {
    @Test func aLateReplyFindsNothing() throws {
        var table = RequestTable<String>()
        let a = table.insert("a", deadline: at(10))
        let first = try #require(a)
        let b = table.insert("b", deadline: at(20))
        let second = try #require(b)
        #expect(table.removeExpired(at: at(10)) == ["a"])
        let c = table.insert("c", deadline: at(30))
        let third = try #require(c)
        #expect(Set([first, second, third]).count == 3)
        #expect(table.remove(first) == nil)
        #expect(table.remove(third) == "c")
        #expect(table.remove(third) == nil)
        #expect(table.count == 1)
        #expect(table.earliestDeadline == at(20))
        #expect(table.remove(0) == nil)
        #expect(table.remove(ConnectionMachine.pingID) == nil)
    }

    @Test func handsBackInOrderOfSending() {
        var table = RequestTable<Int>()
        var ids: [UInt32] = []
        for number in 0..<5 { ids += [table.insert(number, deadline: at(0))].compactMap(\.self) }
        _ = table.remove(ids[1])
        _ = table.remove(ids[3])
        _ = table.insert(5, deadline: at(0)) // takes a free slot in the middle
        #expect(table.removeAll() == [0, 2, 4, 5])
        #expect(table.count == 0)
    }

    @Test func isBounded() {
        var table = RequestTable<Int>()
        var count = 0
        while table.insert(0, deadline: at(0)) != nil { count += 1 }
        #expect(count == RequestTable<Int>.slotsMax - 1)
    }
}

@Suite struct LinkMachineTests {
    /// What the broker asks for is the least, within reason.
    @Test(arguments: [(nil, 100), (0, 100), (99, 100), (2_500, 2_500), (3_600_000, 60_000)] as [(Int64?, Int64)])
    func waitsAsLongAsTheBrokerAsks(asked: Int64?, expected: Int64) {
        var machine = LinkMachine(initial: .milliseconds(100), cap: .milliseconds(1000))
        _ = machine.workArrived()
        let wait = machine.ended(now: at(0), random: 1, atLeast: asked.map { TimeAmount.milliseconds($0) })
        #expect(wait == .milliseconds(expected))
    }

    @Test func connectsWhenThereIsWorkAndBacksOff() {
        var machine = LinkMachine(initial: .milliseconds(100), cap: .milliseconds(1000))
        #expect(machine.workArrived() == true)
        #expect(machine.workArrived() == false)
        // initial, doubled, doubled, … to the cap; chance 1 takes the whole of it.
        var waits: [Int64] = []
        for _ in 0..<6 {
            waits.append((machine.ended(now: at(0), random: 1)?.nanoseconds ?? -1) / 1_000_000)
            #expect(machine.ended(now: at(0), random: 1) == nil)
            #expect(machine.waitEnded(hasWork: true) == true)
        }
        #expect(waits == [100, 200, 400, 800, 1000, 1000])
        machine.connected(now: at(0))
        #expect(machine.isUp)
        // It did not last: the next attempt waits as if it had failed.
        #expect(machine.ended(now: at(999), random: 0.5)?.nanoseconds == 500_000_000)
        #expect(machine.waitEnded(hasWork: true) == true)
        machine.connected(now: at(0))
        #expect(machine.ended(now: at(1000), random: 1)?.nanoseconds == 100_000_000)
        #expect(machine.waitEnded(hasWork: false) == false)
        #expect(machine.workArrived() == true)
        machine.close()
        #expect(machine.ended(now: at(0), random: 1) == nil)
        #expect(machine.workArrived() == false)
        #expect(machine.isClosed)
    }
}

@Suite struct ConsumerMachineTests {
    static func token(_ id: UInt64) -> ClientToken { .init(messageID: MessageID(rawValue: id), epoch: 1) }

    static func machine(inFlight: Int, leases: Int = 2) -> ConsumerMachine {
        ConsumerMachine(.init(inFlightMax: inFlight, leasesMax: leases, messagesPerLeaseMax: 100))
    }

    @Test func neverAsksForMoreThanItMayHold() {
        var machine = Self.machine(inFlight: 8)
        #expect(machine.ask() == 8)
        #expect(machine.ask() == nil)
        #expect(machine.granted([1, 2, 3].map(Self.token), lease: .seconds(30), asked: 8, now: at(0)) == true)
        #expect(machine.ask() == 5)
        machine.remove(Self.token(1))
        #expect(machine.ask() == nil) // one slot is not worth a second LEASE while one is out
        machine.remove(Self.token(2))
        #expect(machine.ask() == 2)
        machine.remove(Self.token(3))
        #expect(machine.ask() == nil) // two are out
        machine.leaseEnded(asked: 5)
        #expect(machine.ask() == 6)
        machine.stop()
        machine.leaseEnded(asked: 6)
        #expect(machine.ask() == nil)
        #expect(machine.granted([Self.token(9)], lease: .seconds(30), asked: 2, now: at(0)) == false)
        #expect(machine.heldCount == 0)
    }

    @Test func extendsAtAThirdAndAgainAThirdAfterThat() {
        var machine = Self.machine(inFlight: 8)
        _ = machine.ask()
        _ = machine.granted([2, 1].map(Self.token), lease: .milliseconds(300), asked: 8, now: at(0))
        #expect(machine.nextExtension == at(100))
        #expect(machine.dueExtensions(now: at(50)).count == 0)
        #expect(machine.dueExtensions(now: at(100)).map(\.token) == [1, 2].map(Self.token))
        #expect(machine.nextExtension == nil)
        #expect(machine.dueExtensions(now: at(500)).count == 0) // under way
        #expect(machine.extended(Self.token(1), lease: .milliseconds(600), sent: at(100), cancelled: false) == false)
        machine.extensionFailed(Self.token(2), now: at(120))
        #expect(machine.nextExtension == at(150))
        #expect(machine.dueExtensions(now: at(150)).map(\.token) == [Self.token(2)])
        #expect(machine.extended(Self.token(2), lease: .milliseconds(300), sent: at(150), cancelled: true) == true)
        #expect(machine.nextExtension == at(250))
        _ = machine.dueExtensions(now: at(250))
        #expect(machine.extended(Self.token(2), lease: .milliseconds(300), sent: at(250), cancelled: true) == false) // known already
    }

    @Test func progressGoesOutAtOnceAndOnce() {
        var machine = Self.machine(inFlight: 8)
        _ = machine.ask()
        _ = machine.granted([Self.token(1)], lease: .milliseconds(300), asked: 8, now: at(0))
        #expect(machine.report(.init(percent: 10, note: ""), for: Self.token(1), now: at(5)) == true)
        #expect(machine.report(.init(percent: 20, note: "n"), for: Self.token(1), now: at(6)) == true)
        #expect(machine.nextExtension == at(6))
        #expect(machine.dueExtensions(now: at(6)).map(\.progress) == [.init(percent: 20, note: "n")])
        #expect(machine.report(.init(percent: 30, note: ""), for: Self.token(1), now: at(7)) == true)
        _ = machine.extended(Self.token(1), lease: .milliseconds(300), sent: at(6), cancelled: false)
        #expect(machine.nextExtension == at(6)) // what was reported meanwhile is due
        #expect(machine.dueExtensions(now: at(8)).map(\.progress) == [.init(percent: 30, note: "")])
        #expect(machine.report(.init(percent: 1, note: ""), for: Self.token(2), now: at(9)) == false)
    }

    @Test func aLossIsToldUnlessTheSettlementWillTell() {
        var machine = Self.machine(inFlight: 8)
        _ = machine.ask()
        _ = machine.granted([1, 2].map(Self.token), lease: .milliseconds(300), asked: 8, now: at(0))
        machine.settling(Self.token(2))
        #expect(machine.lost(Self.token(1)) == true)
        #expect(machine.lost(Self.token(1)) == false)
        #expect(machine.lost(Self.token(2)) == false)
        #expect(machine.heldCount == 1)
        #expect(machine.loseAll() == [Self.token(2)])
    }
}

@Suite struct SubscriptionMachineTests {
    static func expect(
        _ found: (start: SubscriptionStart, credit: Int), _ start: SubscriptionStart, _ credit: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(found.start == start && found.credit == credit, sourceLocation: sourceLocation)
    }

    @Test func keepsItsPlaceAndItsCredit() {
        var machine = SubscriptionMachine(start: .latest, creditMax: 4)
        Self.expect(machine.subscribe(buffered: 0), .latest, 4)
        machine.accepted(at: .init(epoch: 1, offset: 10))
        Self.expect(machine.subscribe(buffered: 0), .after(.init(epoch: 1, offset: 10)), 4)
        for offset in 11...14 { #expect(machine.received(.init(epoch: 1, offset: UInt64(offset))) == true) }
        #expect(machine.received(.init(epoch: 1, offset: 15)) == false)
        let given = [machine.took(), machine.took(), machine.took()]
        #expect(given == [0, 2, 0])
        #expect(machine.credit == 2)
        // A reconnect with one event not taken yet.
        Self.expect(machine.subscribe(buffered: 1), .after(.init(epoch: 1, offset: 14)), 3)
        machine.accepted(at: .init(epoch: 1, offset: 14))
        machine.gap(at: .init(epoch: 2, offset: 3))
        Self.expect(machine.subscribe(buffered: 4), .after(.init(epoch: 2, offset: 3)), 1)
    }
}

@Suite struct FrameAccumulatorTests {
    static func frame(_ body: [UInt8], id: UInt32) -> [UInt8] {
        var writer = WireWriter()
        let start = writer.beginFrame(.ping, correlationID: id)
        writer.bytes(body)
        writer.endFrame(start)
        return writer.array()
    }

    @Test(arguments: [1, 2, 5, 11, 12, 13, 29, 1000]) func cutsFramesWhateverThePieces(piece: Int) throws {
        let bodies: [[UInt8]] = [[], [1], [UInt8](repeating: 2, count: 40), [], [3, 3]]
        let stream = bodies.enumerated().flatMap { Self.frame($0.element, id: UInt32($0.offset + 1)) }
        var accumulator = FrameAccumulator(frameBytesMax: 100)
        var found: [[UInt8]] = []
        for start in stride(from: 0, to: stream.count, by: piece) {
            accumulator.append(ByteBuffer(bytes: stream[start..<min(start + piece, stream.count)]))
            while let frame = try accumulator.next() {
                #expect(frame.header.correlationID == UInt32(found.count + 1))
                found.append(Array(frame.body.readableBytesView))
            }
        }
        #expect(found == bodies)
    }

    @Test func refusesLengthsBeforeAnythingIsAllocated() {
        var large = FrameAccumulator(frameBytesMax: 100)
        large.append(ByteBuffer(bytes: Self.frame([UInt8](repeating: 0, count: 89), id: 1).prefix(12)))
        #expect(throws: WireError.self) { _ = try large.next() }
        var small = FrameAccumulator(frameBytesMax: 100)
        small.append(ByteBuffer(bytes: [11, 0, 0, 0] + [UInt8](repeating: 0, count: 8)))
        #expect(throws: WireError.self) { _ = try small.next() }
    }
}

@Suite struct BodyCompressionTests {
    @Test func roundTrips() throws {
        let body = Array(String(repeating: "routing approved; ", count: 5000).utf8)
        let block = try #require(BodyCompression.compress(body))
        #expect(block.count < body.count / 10)
        #expect(try BodyCompression.expand(block, byteCount: body.count) == body)
    }

    @Test(arguments: [0, 1, 89_999, 90_001, 64 << 20, (64 << 20) + 1]) func refusesWrongSizes(byteCount: Int) throws {
        let block = try #require(BodyCompression.compress([UInt8](repeating: 7, count: 90_000)))
        #expect(throws: SpindleError.self) { _ = try BodyCompression.expand(block, byteCount: byteCount) }
    }

    @Test func leavesAloneWhatDoesNotShrink() {
        #expect(BodyCompression.compress([1, 2, 3]) == nil)
        #expect(BodyCompression.compress([]) == nil)
    }
}

@Suite struct TextFormTests {
    @Test(arguments: ["1f.3", "0.0", "ffffffffffffffff.4294967295"]) func tokens(text: String) {
        #expect(ClientToken(text)?.description == text)
    }

    @Test(arguments: ["", ".", "1f", "1f.", ".3", "1f.3.1", "xyz.1", "1.-1", "1.4294967296", "11111111111111111.1"])
    func tokensThatAreNone(text: String) { #expect(ClientToken(text) == nil) }

    @Test func cursors() {
        #expect(ClientCursor("a:10")?.offset == 16)
        #expect(ClientCursor("a") == nil)
    }
}
