import Foundation
import Glibc
import Synchronization
import Testing

/// The built executable, run as people run it.
enum Spindle {
    /// A command that takes longer hangs.
    static let deadline = Duration.seconds(60)

    struct Result: Sendable {
        let exitCode: Int32
        let output: String
        let errors: String

        /// One JSON value for each line of the output.
        func json() throws -> [[String: Any]] {
            try output.split(separator: "\n").map { line in
                let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
                return try #require(value as? [String: Any], "\(line)")
            }
        }
    }

    static var executable: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent(".build/release/spindle")
    }

    static func run(_ arguments: String..., input: String? = nil, environment: [String: String] = [:]) async throws -> Result {
        try await run(arguments, input: input, environment: environment)
    }

    static func run(_ arguments: [String], input: String? = nil, environment: [String: String] = [:]) async throws -> Result {
        let process = try SpindleProcess(arguments, input: input, environment: environment)
        let exitCode = try await process.exitCode(within: deadline)
        return Result(exitCode: exitCode, output: process.output, errors: process.errors)
    }
}

/// A process whose output goes to files, so that nobody has to read it for it to go on.
final class SpindleProcess: Sendable {
    struct TookTooLong: Error, CustomStringConvertible { let description: String }

    private let process = Process()
    let directory: TemporaryDirectory
    private let ended: AsyncStream<Int32>

    /// `prefix`: a command that runs `spindle` in its own place, such as `nsenter --net=FILE`.
    init(_ arguments: [String], input: String? = nil, environment: [String: String] = [:], prefix: [String] = []) throws {
        directory = try TemporaryDirectory()
        let (ended, end) = AsyncStream.makeStream(of: Int32.self)
        self.ended = ended
        let path = directory.path
        for (name, text) in [("output", ""), ("errors", ""), ("input", input ?? "")] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        }
        process.executableURL = prefix.isEmpty ? Spindle.executable : URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = prefix.isEmpty ? arguments : prefix + [Spindle.executable.path] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let input = try FileHandle(forReadingFrom: URL(fileURLWithPath: "\(path)/input"))
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(path)/output"))
        let errors = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(path)/errors"))
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
        process.terminationHandler = { process in
            end.yield(process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus)
            end.finish()
        }
        try process.run()
        // The process has its own. Foundation never frees these, and with some 1,350 open files its next `run` reads beyond a buffer
        // of directory entries (swift-corelibs-foundation 5472), which ends the tests now and then.
        for file in [input, output, errors] { try file.close() }
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var output: String { (try? String(contentsOfFile: "\(directory.path)/output", encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOfFile: "\(directory.path)/errors", encoding: .utf8)) ?? "" }
    var isRunning: Bool { process.isRunning }
    var identifier: Int32 { process.processIdentifier }
    /// Its exit code, or 128 and the signal's number where one ended it; nil while it runs.
    var endedWith: Int32? {
        guard !process.isRunning else { return nil }
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }

    /// Whether all of its threads stand still by SIGSTOP.
    var isStopped: Bool {
        let tasks = "/proc/\(identifier)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
        return !threads.isEmpty && threads.allSatisfy { thread in
            // The state stands behind the name, which is in parentheses.
            let text = (try? String(contentsOfFile: "\(tasks)/\(thread)/stat", encoding: .utf8)) ?? ""
            return text.split(separator: ")").last?.split(separator: " ").first.map { $0 == "T" || $0 == "t" } ?? false
        }
    }

    /// Does nothing once the process has ended: its number may be somebody else's by then.
    func send(_ signal: Int32) {
        guard process.isRunning else { return }
        kill(process.processIdentifier, signal)
    }

    /// Its exit code; 128 and the signal's number where one ended it. May be asked once.
    func exitCode(within deadline: Duration) async throws -> Int32 {
        let timer = Task { [process] in
            try await Task.sleep(for: deadline)
            kill(process.processIdentifier, SIGKILL)
        }
        let began = ContinuousClock.now
        defer { timer.cancel() }
        for await code in ended {
            // Somebody else may have killed it before, or it ended with that very code.
            guard code != 128 + SIGKILL || ContinuousClock.now - began < deadline else {
                throw TookTooLong(description: "did not end within \(deadline):\n\(output)\n\(errors)")
            }
            return code
        }
        throw TookTooLong(description: "its end was asked for twice")
    }
}

/// A folder that is gone with this object.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("spindle-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Eight ports in a row (a second web server has those from the fifth on) that nobody has now, and that no other test of this user is given, in this process or another: a broker that is
/// killed and started again leaves them free for a moment, and even looking whether a port is free would be in its way then.
enum FreePorts {
    struct NoneFound: Error {}

    private static let first = Int.random(in: 0..<1_000) * 8
    private static let given = Atomic(0)

    static func base() throws -> Int {
        for _ in 0..<200 {
            let base = 20_000 + (first + given.add(8, ordering: .relaxed).oldValue) % 10_000
            // The datagram socket says to other processes that the ports are taken, and is in no broker's way. It ends with this process.
            guard let claim = bind(base, SOCK_DGRAM) else { continue }
            if (0..<8).allSatisfy({ isFree(base + $0) }) { return base }
            close(claim)
        }
        throw NoneFound()
    }

    private static func isFree(_ port: Int) -> Bool {
        guard let descriptor = bind(port, SOCK_STREAM) else { return false }
        close(descriptor)
        return true
    }

    /// A socket at the port; nil where another has it.
    private static func bind(_ port: Int, _ type: __socket_type) -> Int32? {
        let descriptor = socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard result == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
