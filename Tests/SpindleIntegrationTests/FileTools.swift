import Foundation
import Glibc
import NIOPosix
import PythonTools
import Synchronization
import Testing

/// A file as the API shows it to any program.
struct ListedFile: Decodable, Sendable {
    let id: String
    let status: String
    let reason: String?
    let sha256: String?
    let sharePath: String?
    let receivedBytes: Int64
    let missing: [[Int]]?
}

/// What tests of files need: bytes, digests by tools that are none of ours, a routing.
enum FileTools {
    private struct Routing: Decodable { let id: String }

    static let roles = ["broker", "bridge", "files"]

    static func options(_ roles: RunningRoles) -> [String] { ["--data", roles.data, "--port-base", "\(roles.base)"] }

    static func url(_ roles: RunningRoles) -> String { "http://127.0.0.1:\(roles.base + 2)" }

    static func login(_ roles: RunningRoles, as principal: String = "admin") throws -> [String] {
        ["-H", "Authorization: Bearer \(try roles.token(principal))"]
    }

    static func routing(_ roles: RunningRoles) async throws -> String {
        try await roles.http("POST", "/api/routings", body: #"{"name": "files"}"#).decode(Routing.self).id
    }

    static func file(_ roles: RunningRoles, _ id: String) async throws -> ListedFile {
        try await roles.http("GET", "/api/files/\(id)").decode(ListedFile.self)
    }

    static func waitUntilCommitted(_ roles: RunningRoles, _ id: String, within deadline: Duration = .seconds(60)) async throws {
        try await roles.waitUntil("\(id) is committed", within: deadline) { try await file(roles, id).status == "committed" }
    }

    /// Stops a process as soon as the first bytes of an upload are on the disk. On a thread of its own, which no other test keeps waiting:
    /// the rest of the upload takes less than a second.
    static func stop(_ process: Int32, onceBytesLieBelow staging: String, except upload: String) {
        Thread.detachNewThread {
            let deadline = ContinuousClock.now + Spindle.deadline
            while ContinuousClock.now < deadline {
                let others = ((try? FileManager.default.contentsOfDirectory(atPath: staging)) ?? []).filter { $0 != upload }
                for other in others {
                    var status = stat()
                    guard stat("\(staging)/\(other)/payload", &status) == 0, status.st_blocks > 0 else { continue }
                    Glibc.kill(process, SIGSTOP)
                    return
                }
                // Until the deadline.
                usleep(500)
            }
        }
    }

    /// As `ps` shows it: `T`.
    static func isStopped(_ process: Int32) throws -> Bool {
        try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8).split(separator: ")").last?.dropFirst().first == "T"
    }

    /// Bytes that no compressor or sparse file makes little of.
    static func write(_ count: Int, to path: String) throws {
        var random = SystemRandomNumberGenerator()
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { room in
            for offset in stride(from: 0, to: room.count - 7, by: 8) { room.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self) }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    static func sha256(_ path: String) async throws -> String {
        String(try await ForeignProcess.run(["sha256sum", path]).output.prefix(64))
    }

    /// Uploads by the command line, and returns the file's id when it is there.
    static func put(_ roles: RunningRoles, _ source: String, routing: String, _ more: [String] = []) async throws -> String {
        let put = try await Spindle.run(["file", "put", source, "--routing", routing, "--json"] + more + options(roles))
        return try #require(try put.json().first?["id"] as? String, "\(put)")
    }

    static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    /// The memory that a process has had at most, and has now, in bytes.
    static func memory(of process: Int32) throws -> (most: Int, now: Int) {
        let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        func field(_ name: String) -> Int {
            text.split(separator: "\n").first { $0.hasPrefix(name + ":") }?.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
        return (field("VmHWM") << 10, field("VmRSS") << 10)
    }
}

/// A program that is none of ours. It ends with this object.
final class ForeignProcess: Sendable {
    struct Ended: Sendable {
        let exitCode: Int32
        let output: String
    }

    private let process = Process()
    private let output = Pipe()

    /// - Parameter arguments: the first is looked up in PATH, or is a path.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    deinit { kill() }

    func kill() { if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) } }

    /// What it wrote, when it has ended.
    func end() async throws -> Ended {
        try await NIOThreadPool.singleton.runIfActive { [process, output] in
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return Ended(exitCode: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus, output: text)
        }
    }

    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Ended {
        try await ForeignProcess(arguments, environment: environment).end()
    }

    /// A script for the Python that the tests have installed packages for.
    static func python(_ script: String, _ arguments: [String]) throws -> ForeignProcess {
        try ForeignProcess([try PythonTools.python.path, "-u", "-c", script] + arguments)
    }
}
