import Glibc
import NIOCore
import NIOPosix
import SpindleBroker
import SpindleNode
import SpindleWire
import Testing

/// Everything that a stranger can put into the socket: each gets its named answer, and the broker goes on serving.
@Suite("Hostile input")
struct HostileInputTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    struct Opening: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var code: ErrorCode
        var testDescription: String { name }
    }

    static let openings: [Opening] = [
        Opening(name: "an HTTP request", bytes: Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), code: .frameTooLarge),
        Opening(name: "a length of 0", bytes: Array(repeating: 0, count: 12), code: .malformedFrame),
        Opening(name: "a length of 11", bytes: [11, 0, 0, 0] + Array(repeating: 0, count: 8), code: .malformedFrame),
        Opening(name: "the largest length", bytes: Array(repeating: 0xFF, count: 12), code: .frameTooLarge),
        Opening(name: "a byte over the cap", bytes: [1, 16, 0, 0] + Array(repeating: 0, count: 8), code: .frameTooLarge),
        Opening(name: "an operation before HELLO", bytes: TestClient.frame(Opcode.publish.rawValue), code: .helloRequired),
        Opening(name: "a HELLO without magic", bytes: TestClient.frame(Opcode.hello.rawValue, Array(repeating: 7, count: 64)), code: .helloRequired),
        Opening(name: "an empty HELLO", bytes: TestClient.frame(Opcode.hello.rawValue), code: .malformedFrame),
    ]

    @Test("a connection that begins wrong is told why and closed")
    func openings() async throws {
        try await TestBroker.run(folder) { running in
            for opening in Self.openings {
                let client = try await running.raw()
                try await client.send(opening.bytes)
                let frame = try #require(try await client.next(), "\(opening.name): closed without a word")
                let error = try frame.error()
                #expect(ErrorCode(rawValue: error.code) == opening.code, "\(opening.name): \(error)")
                #expect(error.blastRadius == .connection, "\(opening.name)")
                try await client.expectClosed()
            }
            try await running.expectServes()
        }
    }

    @Test func partialFrameBeforeAuthenticationIsCutByItsDeadline() async throws {
        try await TestBroker.run(folder) {
            $0.limits.unauthenticatedMilliseconds = 2_000
        } _: { running in
            let whole = TestClient.frame(Opcode.hello.rawValue, Array(repeating: 0, count: 100))
            var clients: [TestClient] = []
            for count in [0, 1, 3, 4, 11, 12, 13, 111] {
                let client = try await running.raw()
                client.sendLater(Array(whole[..<count]))
                clients.append(client)
            }
            for client in clients {
                let frame = try #require(try await client.next())
                #expect(try frame.errorCode() == .timedOut)
                try await client.expectClosed()
            }
            try await running.expectServes()
        }
    }

    @Test func partialFrameAfterAuthenticationIsCutByItsDeadline() async throws {
        try await TestBroker.run(folder) {
            $0.limits.partialFrameMilliseconds = 300
        } _: { running in
            let client = try await running.client()
            try await client.send(Array(TestClient.frame(Opcode.ping.rawValue, [1, 2, 3]).dropLast()))
            #expect(try await client.reply().errorCode() == .timedOut)
            try await client.expectClosed()
            try await running.expectServes()
        }
    }

    @Test func oversizeAfterAuthentication() async throws {
        try await TestBroker.run(folder) { running in
            let client = try await running.client()
            try await client.send([1, 0, 64, 0] + Array(repeating: 0, count: 8))
            #expect(try await client.reply().errorCode() == .frameTooLarge)
            try await client.expectClosed()
            try await running.expectServes()
        }
    }

    @Test func silentConnectionsAreClosedAndQuietOnesPinged() async throws {
        try await TestBroker.run(folder) {
            $0.limits.heartbeatMilliseconds = 300
        } _: { running in
            let client = try await running.client()
            let ping = try #require(try await client.next())
            #expect(ping.header.opcode == Opcode.ping.rawValue)
            #expect(ping.header.flags == .push)
            #expect(try await client.reply().errorCode() == .heartbeatMissed)
            try await client.expectClosed()
        }
    }

    @Test("a wrong token", arguments: ["", "spn_wrong", String(repeating: "x", count: 255)])
    func wrongToken(token: String) async throws {
        try await TestBroker.run(folder) { running in
            let client = try await running.raw()
            _ = try await client.hello()
            let reply = try await client.authenticate(token: token)
            #expect(try reply.errorCode() == .authenticationFailed)
            try await running.expectServes()
        }
    }

    @Test func missingPermissionIsToldAndTheConnectionGoesOn() async throws {
        try await TestBroker.run(folder) { running in
            let client = try await running.client("reader")
            let body = TestClient.publishBody("esprit-gen", [try TestClient.record("x")])
            #expect(try await client.request(.publish, body).errorCode() == .permissionDenied)
            #expect(try await client.request(.lease, TestClient.leaseBody("addin-result")).errorCode() == .permissionDenied)
            #expect(try await client.lease("esprit-gen").isEmpty)
            try await running.expectServes()
        }
    }

    @Test func unknownOpcodeIsToldAndTheConnectionGoesOn() async throws {
        try await TestBroker.run(folder) { running in
            let client = try await running.client()
            for opcode: UInt16 in [0, 6, 0x0F, 0x7FFF, 0xFFFF] {
                try await client.send(TestClient.frame(opcode, correlationID: 77, [1, 2, 3]))
                let reply = try await client.reply()
                #expect(reply.header.correlationID == 77)
                #expect(try reply.errorCode() == .unsupported)
                #expect(try reply.error().blastRadius == .request)
            }
            _ = try await client.publish("esprit-gen", "still here")
        }
    }

    @Test("counts that no frame can hold")
    func countBombs() async throws {
        try await TestBroker.run(folder) { running in
            let most = UInt32.max
            let bombs: [(Opcode, [UInt8])] = [
                (.publish, TestClient.body { PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "esprit-gen", count: Int(most), recordsByteCount: 0, into: &$0) }),
                (.publish, TestClient.body { PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "esprit-gen", count: 1, recordsByteCount: Int(most), into: &$0) }),
                (.publish, TestClient.publishBody("esprit-gen", [Array(repeating: 0xFF, count: 40)])),
                (.ack, TestClient.body { $0.u32(most) }),
                (.nack, TestClient.body { $0.u32(most) }),
                (.extend, TestClient.body { $0.u32(0); $0.u32(most) }),
                (.settle, TestClient.body { $0.u32(most); $0.u32(most) }),
                (.lease, TestClient.leaseBody("esprit-gen", max: most, leaseMilliseconds: most, wait: 0, bytesMax: most)),
                (.declare, TestClient.body { $0.string("x"); $0.u16(1); $0.u32(most) }),
                (.topicSubscribe, TestClient.body { $0.u32(most) }),
            ]
            for (opcode, body) in bombs {
                // Some may close the connection, none may close the broker.
                let client = try await running.client()
                let reply = try await client.request(opcode, body)
                if opcode != .lease, opcode != .publish || body.count < 60 {
                    #expect(reply.header.flags.contains(.error), "\(opcode.name)")
                }
                client.close()
            }
            try await running.expectServes()
        }
    }

    @Test("every opcode with random bodies, before and after authentication")
    func noise() async throws {
        try await TestBroker.run(folder) { running in
            var seed: UInt64 = 20_260_611
            func random() -> UInt64 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return seed >> 33
            }
            for round in 0..<200 {
                let client = round.isMultiple(of: 2) ? try await running.client() : try await running.raw()
                for opcode in Opcode.allCases {
                    let body = (0..<Int(random() % 200)).map { _ in UInt8(truncatingIfNeeded: random()) }
                    client.sendLater(TestClient.frame(opcode.rawValue, body))
                }
                client.close()
            }
            try await running.expectServes()
        }
    }

    @Test func connectionsOverTheLimitAreToldSo() async throws {
        try await TestBroker.run(folder) {
            $0.limits.connectionsMax = 2
        } _: { running in
            let first = try await running.client()
            let second = try await running.client()
            let third = try await running.raw()
            #expect(try await third.reply().errorCode() == .tooManyConnections)
            try await third.expectClosed()
            second.close()
            _ = try await first.publish("esprit-gen", "the others are unharmed")
        }
    }

    @Test func connectionsOfOnePrincipalOverItsLimit() async throws {
        try await TestBroker.run(folder) {
            $0.principals[1].principal.quota.connections = 1
        } _: { running in
            let first = try await running.client("reader")
            let second = try await running.raw()
            _ = try await second.hello()
            #expect(try await second.authenticate(token: try running.token("reader")).errorCode() == .tooManyConnections)
            try await second.expectClosed()
            #expect(try await first.lease("esprit-gen").isEmpty)
        }
    }

    @Test func clientThatNeverReadsIsCut() async throws {
        try await TestBroker.run(folder) {
            $0.limits.outputStallMilliseconds = 200
        } _: { running in
            let producer = try await running.client()
            let text = String(repeating: "x", count: 100_000)
            for _ in 0..<300 { _ = try await producer.publish("esprit-gen", text) }

            let deaf = try await running.raw(reads: false)
            deaf.sendLater(TestClient.frame(Opcode.hello.rawValue, TestClient.body { HelloRequest(clientName: "deaf", clientVersion: "1").encode(into: &$0) }))
            let token = try running.token()
            deaf.sendLater(TestClient.frame(Opcode.auth.rawValue, TestClient.body { AuthRequest(method: .token, credential: token).encode(into: &$0) }))
            for id in 1...300 {
                deaf.sendLater(TestClient.frame(Opcode.lease.rawValue, correlationID: UInt32(id), TestClient.leaseBody("esprit-gen", max: 1)))
            }
            try await waitUntil { try await running.metric("spindle_refusals_total{code=\"SLOW_READER\"}") == 1 }
            try await running.expectServes()
        }
    }
}

extension HostileInputTests {
    enum Silence: CaseIterable { case heartbeat, outputStall }

    /// A peer that takes nothing sees no ordinary close either, and the kernel would keep megabytes for it for minutes.
    @Test(arguments: Silence.allCases) func aClientThatNeverReadsIsReset(_ silence: Silence) async throws {
        try await TestBroker.run(folder) {
            $0.limits.lingerMilliseconds = 100
            switch silence {
            case .heartbeat: $0.limits.heartbeatMilliseconds = 500
            case .outputStall: $0.limits.outputStallMilliseconds = 500
            }
        } _: { running in
            var bytes = TestClient.frame(Opcode.hello.rawValue, TestClient.body { HelloRequest(clientName: "deaf", clientVersion: "1").encode(into: &$0) })
            let token = try running.token()
            bytes += TestClient.frame(Opcode.auth.rawValue, TestClient.body { AuthRequest(method: .token, credential: token).encode(into: &$0) })
            switch silence {
            // What the kernel takes for the broker.
            case .heartbeat: for _ in 0..<2_000 { bytes += TestClient.frame(Opcode.ping.rawValue, []) }
            // More than that.
            case .outputStall:
                let text = String(repeating: "x", count: 100_000)
                let producer = try await running.client()
                for _ in 0..<100 { _ = try await producer.publish("esprit-gen", text) }
                for id in 1...100 {
                    bytes += TestClient.frame(Opcode.lease.rawValue, correlationID: UInt32(id), TestClient.leaseBody("esprit-gen", max: 1))
                }
            }
            let socket = try DeafSocket(port: running.broker.ports[0])
            socket.send(bytes)
            try await waitUntil { socket.isReset }
        }
    }
}

/// A client that never reads. Its kernel takes little for it.
private final class DeafSocket {
    private let descriptor: CInt

    init(port: Int) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var bytes: CInt = 4_096
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(result == 0, "connect: errno \(errno)")
    }

    deinit { close(descriptor) }

    /// As much as can be sent without waiting.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let flags = CInt(truncatingIfNeeded: Int(MSG_DONTWAIT) | Int(MSG_NOSIGNAL))
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    var isReset: Bool {
        var poll = pollfd(fd: descriptor, events: 0, revents: 0)
        return Glibc.poll(&poll, 1, 0) == 1 && poll.revents & Int16(POLLERR | POLLHUP) != 0
    }
}

/// Asks again and again until the answer is yes; fails after a while. For states that nobody announces.
func waitUntil(_ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
        if (try? await condition()) == true { return }
        try await TestClient.group.next().scheduleTask(in: .milliseconds(10)) {}.futureResult.get()
    }
    Issue.record("it did not come true in time")
}
