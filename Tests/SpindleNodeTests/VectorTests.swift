import Foundation
import SpindleNode
import SpindleWire
import Testing

/// The golden vectors against a node: what must be refused is, with the error and the blast radius that they say; what is sound is read.
@Suite struct VectorTests {
    struct Rejected: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var frameBytesMax: Int
        var direction: String
        var hex: String
        var error: UInt16
        var blastRadius: String
        var item: Int?
        var testDescription: String { name }
    }

    struct Sound: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var opcode: String
        var direction: String
        var hex: String
        var testDescription: String { "\(opcode): \(name)" }
    }

    static func load<T: Decodable>(_ name: String) -> [T] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        // A file that cannot be read leaves no vector, and `vectorsAreThere` fails.
        guard let data = try? Data(contentsOf: folder.appending(path: "protocol/vectors/\(name).json")) else { return [] }
        return (try? JSONDecoder().decode([T].self, from: data)) ?? []
    }

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8.filter { $0 != UInt8(ascii: " ") })
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16) }
    }

    private static let rejected: [Rejected] = load("rejected").filter { $0.direction == "request" }
    private static let sound: [Sound] = ["messages", "queues", "topics", "workers", "tolerated"].flatMap { load($0) }
        .filter { $0.direction == "request" && $0.opcode != "HELLO" && $0.opcode != "AUTH" }

    @Test func vectorsAreThere() {
        #expect(Self.rejected.count > 170)
        #expect(Self.sound.count > 55)
    }

    @Test(arguments: rejected) func whatMustBeRefusedIs(vector: Rejected) throws {
        let broker = try TestBroker()
        try broker.configure("q", QueuePolicyFields())
        let frame = Self.bytes(vector.hex)
        let session = try session(broker, for: frame, isOpening: vector.frameBytesMax == WireLimits.preAuthenticationFrameBytesMax)
        broker.raw(session, frame: frame)
        broker.turn()
        let answer = try #require(broker.frames(session).last)
        if let item = vector.item {
            let statuses = try PublishReply(answer.body.span.bytes).runs.flatMap { Array(repeating: $0.status.rawValue, count: Int($0.count)) }
            #expect(statuses.indices.allSatisfy { (statuses[$0] >= 16) == ($0 == item) }, "only item \(item) is refused")
            #expect(statuses[item] == vector.error)
            #expect(vector.blastRadius == "item")
        } else {
            #expect(answer.header.flags == [.reply, .error])
            let error = try ErrorReply(answer.body.span.bytes)
            #expect(error.code == vector.error, "\(error.message)")
            #expect("\(error.blastRadius)" == vector.blastRadius, "\(error.message)")
            #expect(broker.closed.contains(session) == (error.blastRadius == .connection))
        }
    }

    /// A session in the state in which the frame belongs.
    private func session(_ broker: TestBroker, for frame: [UInt8], isOpening: Bool) throws -> SessionID {
        let opcode = frame.count >= 6 ? UInt16(frame[4]) | UInt16(frame[5]) << 8 : 0
        if !isOpening, opcode != Opcode.hello.rawValue, opcode != Opcode.auth.rawValue { return broker.connect() }
        let session = broker.connectOnly()
        if opcode == Opcode.auth.rawValue {
            broker.request(session, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
            broker.turn()
            _ = broker.frames(session)
        }
        return session
    }

    @Test(arguments: sound) func whatIsSoundIsRead(vector: Sound) throws {
        let broker = try TestBroker()
        let session = broker.connect()
        broker.raw(session, frame: Self.bytes(vector.hex))
        broker.turn()
        #expect(!broker.closed.contains(session))
        let unread: Set<ErrorCode> = [.malformedFrame, .unsupported, .unknownCriticalTag, .internalError]
        for frame in broker.frames(session) where frame.header.flags.contains(.error) {
            let error = try ErrorReply(frame.body.span.bytes)
            let isUnread = ErrorCode(rawValue: error.code).map(unread.contains) ?? true
            #expect(!isUnread, "\(error.message)")
        }
    }
}
