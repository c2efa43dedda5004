import Foundation
import SpindleClient
import Testing

/// A disk that really is full: a small tmpfs.
@Suite struct FullDiskTests {
    private static func run(_ command: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    @Test func publishesAreRefusedAcksAreNotAndFreedSpaceIsUsedAgain() async throws {
        let roles = try RunningRoles()
        let data = roles.directory.path + "/data"
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        guard try Self.run(["mount", "-t", "tmpfs", "-o", "size=640m", "tmpfs", data]) == 0 else {
            print("skipped: mounting a tmpfs needs root")
            return
        }
        defer { _ = try? Self.run(["umount", "--lazy", data]) }
        try await roles.startAll(["broker"])
        let client = try await SpindleClient.connect(
            configuration: ClientConfiguration(host: "127.0.0.1", port: roles.base, credential: .token(try roles.token("admin"))))
        _ = try await client.declare(queue: "full")

        // Random bytes, so that nothing is compressed.
        let body = (0..<1_000_000).map { _ in UInt8.random(in: 0...255) }
        var stored = 0
        var refusal: SpindleError?
        while refusal == nil {
            try #require(stored < 1000, "640 MiB can't hold this")
            do {
                for outcome in try await client.publish([Message(body: body)], to: "full") {
                    switch outcome {
                    case .stored, .duplicate: stored += 1
                    case .refused(let error): refusal = error
                    }
                }
            } catch let error as SpindleError {
                refusal = error
            }
        }
        #expect(refusal?.code == .noSpace, "\(String(describing: refusal))")
        #expect(refusal?.isRetryable == true)
        #expect(stored > 50)

        // The broker is up: everything is delivered, and its acks are logged in the space kept for them.
        var received = 0
        while received < stored {
            let deliveries = try await client.lease(from: "full", max: 8, bytesMax: 8 << 20, wait: .seconds(5))
            try #require(!deliveries.isEmpty, "\(received) of \(stored) came")
            for delivery in deliveries { #expect(delivery.message.body == body) }
            for outcome in try await client.acknowledge(deliveries.map(\.token)) {
                guard case .done = outcome else {
                    Issue.record("an ack was not taken: \(outcome)")
                    continue
                }
            }
            received += deliveries.count
        }
        // A checkpoint lets go of the segments that nothing needs any more: publishes are taken again.
        try await roles.waitUntil("publishes are taken again", within: .seconds(60)) {
            guard case .stored? = try await client.publish([Message(body: body)], to: "full").first else { return false }
            return true
        }
        await client.close()
        try await roles.stop()
        let verified = try await Spindle.run("log", "verify", data)
        #expect(verified.exitCode == 0, "\(verified.output)\(verified.errors)")
    }
}
