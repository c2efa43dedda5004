import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import SpindleCluster
import SpindleWeb

/// A server as the web role runs it, and what speaks to it.
enum WebRig {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func serve(
        tls: ServerTLS? = nil, webSockets: (any WebSocketRouter)? = nil, _ change: (inout WebServerLimits) -> Void = { _ in }, _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        var limits = WebServerLimits()
        change(&limits)
        let router = Router()
        router.get("hello") { _, _ in "hello" }
        router.post("count") { request, _ in "\(try await request.body.collect(upTo: 1 << 20).readableBytes)" }
        router.post("drain") { request, _ in
            var bytes = 0
            for try await part in request.body { bytes += part.readableBytes }
            return "\(bytes)"
        }
        router.get("closing") { _, _ in Response(status: .ok, headers: [.connection: "close"], body: ResponseBody(byteBuffer: ByteBuffer(string: "bye"))) }
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            router: router, server: WebChannel.server(tls: tls, limits: limits, webSockets: webSockets), configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { port.yield($0.localAddress?.port ?? 0) }, logger: quiet)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await application.run() }
            for await port in ports {
                try await body(port)
                break
            }
            group.cancelAll()
        }
    }

    /// Makes an authority and a certificate for this machine.
    static func withCertificates(_ body: (_ tls: ServerTLS, _ authority: String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("web-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let certificates = CertificateFiles(directory: folder)
        let issued = try certificates.initialize(cluster: "test", servers: [.init(name: "web", hosts: [])], clients: [])
        try await body(try ServerTLS(certificateFile: issued[1].certificatePath, keyFile: issued[1].keyPath), certificates.authorityPath)
    }

    /// - Parameter input: what the program reads; nil: nothing.
    static func run(_ program: String, _ arguments: [String], input: Pipe? = nil) async throws -> (code: Int32, output: String) {
        try await NIOThreadPool.singleton.runIfActive {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [program] + arguments
            process.standardInput = input ?? FileHandle.nullDevice
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: data, as: UTF8.self))
        }
    }

    /// What the server answers to these bytes until it closes. A reset is an end as well, and so is a close before everything was written.
    static func answer(_ port: Int, _ bytes: String) async throws -> String {
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
            }
            return try await channel.executeThenClose { input, output in
                var answer = ""
                do {
                    try await output.write(ByteBuffer(string: bytes))
                    for try await part in input { answer += String(buffer: part) }
                } catch is IOError {} catch is ChannelError {}
                return answer
            }
        } catch is ChannelError {
            return ""
        }
    }
}
