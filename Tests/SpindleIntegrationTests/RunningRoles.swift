import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SpindleClient
import Testing

/// A cluster whose processes the test starts and kills itself: broker, web server, worker and add-in, each a real process.
actor RunningRoles {
    nonisolated let directory: TemporaryDirectory
    nonisolated let base: Int
    private let configuration: String
    private var processes: [String: SpindleProcess] = [:]
    private let commands: [String: [String]]

    /// - Parameters:
    ///   - addin: further arguments of the add-in.
    ///   - change: of the description.
    init(addin: [String] = ["--slow", "60ms"], change: (String) -> String = { $0 }) throws {
        directory = try TemporaryDirectory()
        base = try FreePorts.base()
        configuration = directory.path + "/cluster.yaml"
        // The shipped description, but for what makes a killed process's work come back within seconds, and never be given up.
        let shipped = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("cluster-config/poc.yaml")
        var text = try String(contentsOf: shipped, encoding: .utf8)
        for (key, value) in [("lease", "3s"), ("attemptsMax", "1000"), ("initial", "50ms"), ("cap", "200ms")] {
            text = text.replacing(try Regex("(?<indent>\\b)\(key): *[0-9a-z]+")) { _ in "\(key): \(value)" }
        }
        try change(text).write(toFile: configuration, atomically: true, encoding: .utf8)
        let common = ["--data", directory.path + "/data", "--port-base", "\(base)", "--config", configuration, "--log-format", "json"]
        commands = [
            "broker": ["broker"] + common,
            "bridge": ["bridge", "--name", "web"] + common,
            "bridge-2": ["bridge", "--name", "web-2"] + common,
            "worker": ["worker", "--group", "results"] + common,
            "files": ["worker", "--group", "files"] + common,
            "addin": ["addin"] + addin + common,
        ]
    }

    /// The broker first: it makes the tokens that the others need. Ready when the web server is.
    func startAll(_ roles: [String] = ["broker", "bridge", "worker", "addin"]) async throws {
        for role in roles {
            try start(role)
            guard role == "broker" else { continue }
            try await waitUntil("the broker made its tokens") {
                ["admin", "worker", "addin", "web"].allSatisfy { ((try? self.token($0)) ?? "").count > 20 }
            }
        }
        guard roles.contains("bridge") else { return }
        try await waitUntil("the web server is ready") { try await self.http("GET", "/readyz").status == 200 }
    }

    /// `name`: of a second process of the role. `prefix`: a command that runs the role in its own place.
    func start(_ role: String, as name: String? = nil, environment: [String: String] = [:], prefix: [String] = []) throws {
        processes[name ?? role] = try SpindleProcess(try #require(commands[role]), environment: environment, prefix: prefix)
    }

    func identifier(of name: String) throws -> Int32 { try #require(processes[name]).identifier }

    /// Waits for a process to end by itself. Its exit code, or 128 and the number of the signal that ended it.
    func end(of name: String) async throws -> Int32 {
        try await #require(processes.removeValue(forKey: name)).exitCode(within: Spindle.deadline)
    }

    func send(_ signal: Int32, to name: String) throws { try #require(processes[name]).send(signal) }

    func errors(of name: String) -> String { processes[name]?.errors ?? "" }

    /// kill -9, without a new process.
    func kill(_ role: String) async throws {
        guard let process = processes.removeValue(forKey: role) else { return }
        process.send(SIGKILL)
        _ = try await process.exitCode(within: Spindle.deadline)
    }

    /// kill -9, and a new process as soon as the old one has let go of its files.
    func killAndRestart(_ role: String) async throws {
        if let process = processes.removeValue(forKey: role) {
            process.send(SIGKILL)
            _ = try await process.exitCode(within: Spindle.deadline)
        }
        try start(role)
    }

    /// The end of what each process wrote, for a failure's message.
    func lastLines() -> String {
        processes.map { "== \($0.key), \($0.value.isRunning ? "running" : "ended")\n" + $0.value.errors.split(separator: "\n").suffix(12).joined(separator: "\n") }
            .sorted().joined(separator: "\n")
    }

    /// SIGTERM to all but the broker, then to the broker.
    func stop() async throws {
        for role in ["addin", "addin-2", "worker", "files", "bridge", "bridge-2", "broker"] {
            guard let process = processes.removeValue(forKey: role) else { continue }
            process.send(SIGTERM)
            #expect(try await process.exitCode(within: Spindle.deadline) == 0, "\(role) stops with 0: \(process.errors.suffix(2000))")
        }
    }

    nonisolated var data: String { directory.path + "/data" }

    nonisolated func token(_ principal: String) throws -> String {
        try String(contentsOfFile: "\(directory.path)/data/tokens/\(principal)", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // MARK: HTTP

    struct Answer: Sendable {
        var status: Int
        var body: Data
        func decode<T: Decodable>(_ type: T.Type) throws -> T { try JSONDecoder().decode(type, from: body) }
    }

    nonisolated func http(_ method: String, _ path: String, body: String? = nil) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(base + 2)\(path)")
        request.method = .init(rawValue: method)
        request.headers.add(name: "authorization", value: "Bearer \(try token("admin"))")
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body))
        }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        let bytes = try await response.body.collect(upTo: 8 << 20)
        return Answer(status: Int(response.status.code), body: Data(bytes.readableBytesView))
    }

    nonisolated func waitUntil(_ what: String, within deadline: Duration = .seconds(60), _ isSo: @Sendable () async throws -> Bool) async throws {
        let end = ContinuousClock.now + deadline
        while ContinuousClock.now < end {
            if (try? await isSo()) == true { return }
            // Other processes can only be asked again, until the deadline.
            try await Task.sleep(for: .milliseconds(25))
        }
        Issue.record("\(what): not within \(deadline)\n\(await lastLines())")
        throw TookTooLong()
    }

    struct TookTooLong: Error {}
}
