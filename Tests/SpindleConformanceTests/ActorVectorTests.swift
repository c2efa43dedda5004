import SpindleWire
import Testing

/// In whose name a request is made: found behind the fields of every operation, and nowhere else.
@Suite struct ActorVectorTests {
    @Test func everyRequestHasAVector() {
        let needNone: Set<Opcode> = [.hello, .auth, .ping, .goingAway, .quiet, .cancelled, .topicEvents, .topicGap]
        let opcodes = Set(ActorVector.all.map(\.opcode))
        #expect(opcodes == Set(Opcode.allCases.filter { !needNone.contains($0) }.map(\.name)))
        #expect(Set(ActorVector.all.map(\.isCritical)) == [true, false])
    }

    @Test(arguments: ActorVector.all)
    func theActorStandsInTheTail(vector: ActorVector) throws {
        let opcode = try opcode(named: vector.opcode)
        let frame = try bytes(vector.hex)
        let plain = try bytes(vector.plain)
        let body = frame.span.bytes.extracting(FrameHeader.byteCount..<frame.count)
        #expect(try RequestTail.actor(in: body, of: opcode) == vector.actor)
        #expect(try RequestTail.actor(in: plain.span.bytes.extracting(FrameHeader.byteCount..<plain.count), of: opcode) == nil)
        guard !vector.isCritical else { return }
        var writer = WireWriter()
        writer.bytes(plain)
        RequestTail.encode(actor: vector.actor, into: &writer)
        writer.patch(u32: UInt32(writer.count), at: 0)
        #expect(writer.array() == frame)
    }

    @Test(arguments: FrameVector.all.filter { $0.direction == .request })
    func aRequestWithoutTheFieldHasNoActor(vector: FrameVector) throws {
        let frame = try bytes(vector.hex)
        #expect(try RequestTail.actor(in: frame.span.bytes.extracting(FrameHeader.byteCount..<frame.count), of: try opcode(named: vector.opcode)) == nil)
    }

    @Test(arguments: ActorVector.all)
    func aCutRequestHasNoActorAndIsNoTrap(vector: ActorVector) throws {
        let opcode = try opcode(named: vector.opcode)
        let frame = try bytes(vector.hex)
        for end in FrameHeader.byteCount..<frame.count {
            #expect(try RequestTail.actor(in: frame.span.bytes.extracting(FrameHeader.byteCount..<end), of: opcode) == nil)
        }
    }

    @Test(arguments: [(0, ErrorCode.invalidArgument), (255, nil), (256, .invalidArgument)] as [(Int, ErrorCode?)])
    func anActorHasOneTo255Bytes(_ byteCount: Int, _ expected: ErrorCode?) throws {
        var writer = WireWriter()
        ResumeRequest(queue: "q").encode(into: &writer)
        RequestTail.encode(actor: String(repeating: "a", count: byteCount), into: &writer)
        let body = writer.array()
        do throws(WireError) {
            let actor = try RequestTail.actor(in: body.span.bytes, of: .resume)
            #expect(expected == nil && actor?.utf8.count == byteCount)
        } catch {
            #expect(error.code == expected)
        }
    }
}
