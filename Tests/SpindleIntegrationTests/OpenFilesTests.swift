import Foundation
import FoundationNetworking
import Glibc
import SpindleClient
import Testing

/// A process that may open few files, and strangers that open many sockets.
@Suite(.serialized) struct OpenFilesTests {
    private struct SocketError: Error, CustomStringConvertible { let description: String }

    /// Sockets that are opened and say nothing.
    private final class MuteSockets {
        private var descriptors: [Int32] = []

        init(port: Int, count: Int) throws {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            for _ in 0..<count {
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                guard descriptor >= 0 else { throw SocketError(description: "socket: \(errno)") }
                descriptors.append(descriptor)
                let connected = withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
                }
                guard connected == 0 else { throw SocketError(description: "connect: \(errno)") }
            }
        }

        deinit { for descriptor in descriptors { close(descriptor) } }
    }

    private static func connect(_ broker: LoneBroker) async throws -> SpindleClient {
        try await SpindleClient.connect(
            configuration: ClientConfiguration(
                endpoints: [.init(host: broker.host, port: broker.base)], credential: .token(try broker.token()),
                backoff: .init(initial: .milliseconds(50), cap: .milliseconds(500))))
    }

    @Test func theLogHasItsFilesWhateverStrangersOpen() async throws {
        let broker = try LoneBroker(prefix: ["sh", "-c", "ulimit -n 300; exec \"$0\" \"$@\""])
        try await broker.start()
        #expect(broker.errors.contains("\"openFilesMax\":\"300\""), "\(broker.errors.prefix(2000))")
        let client = try await Self.connect(broker)
        _ = try await client.declare(queue: "q")
        // Random, or the client would compress it.
        let body = (0..<64 << 10).map { _ in UInt8.random(in: 0...255) }
        let checkpoints = try await Self.metric("spindle_log_checkpoints_total", broker)
        let mute = try MuteSockets(port: broker.base, count: 500)
        // Enough for segments and checkpoints of this log, which are small.
        for _ in 0..<400 {
            for outcome in try await client.publish([Message(body: body)], to: "q") {
                if case .refused(let error) = outcome { Issue.record("refused: \(error)") }
            }
            let deliveries = try await client.lease(from: "q", max: 10, bytesMax: 8 << 20, wait: .seconds(5))
            _ = try await client.acknowledge(deliveries.map(\.token))
        }
        #expect(try await Self.metric("spindle_log_checkpoints_total", broker) > checkpoints)
        // The mute ones are cut after their time, and others come in.
        let honest = try await Self.connect(broker)
        _ = try await honest.publish([Message(body: [1])], to: "q")
        await honest.close()
        await client.close()
        withExtendedLifetime(mute) {}
        #expect(!broker.errors.contains("Too many open files"), "\(broker.errors.suffix(2000))")
        let lines = broker.errors.split(separator: "\n")
        #expect(lines.filter { $0.contains("connection refused") }.count < 20, "repeated lines are left out")
        try await broker.stop()
    }

    @Test func aLimitThatLeavesNoRoomForClientsIsRefused() async throws {
        let broker = try LoneBroker(prefix: ["sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        try broker.launch()
        #expect(try await broker.end() != 0)
        #expect(broker.errors.contains("raise the limit"), "\(broker.errors.suffix(2000))")
    }

    private static func metric(_ name: String, _ broker: LoneBroker) async throws -> UInt64 {
        let url = try #require(URL(string: "http://127.0.0.1:\(broker.base + 3)/metrics"))
        let (data, _) = try await URLSession.shared.data(from: url)
        let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return try #require(line.flatMap { UInt64($0.split(separator: " ")[1]) })
    }
}
