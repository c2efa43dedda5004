import Foundation
import Synchronization
import Testing

/// A broker alone, as a process that a test starts, kills, stops and continues. Its log's files are small, so that segments, checkpoints
/// and reclaiming come and go all the time.
final class LoneBroker: Sendable {
    let directory: TemporaryDirectory
    let base: Int
    let data: String
    let host: String
    private let configuration: String
    private let prefix: [String]
    private let process = Mutex<SpindleProcess?>(nil)

    /// `data`: nil for a folder of its own. `prefix`: what runs the process, each time.
    init(data: String? = nil, host: String = "127.0.0.1", segment: String = "1 MiB", keepFree: String = "4 MiB", prefix: [String] = []) throws {
        directory = try TemporaryDirectory()
        base = try FreePorts.base()
        self.data = data ?? directory.path + "/data"
        self.host = host
        self.prefix = prefix
        configuration = directory.path + "/cluster.yaml"
        let shipped = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("cluster-config/poc.yaml")
        let text = try String(contentsOf: shipped, encoding: .utf8)
            .replacing("      frameBytes: 16 MiB", with: "      frameBytes: 512 KiB")
            .replacing(
                "      outputBuffer: 8 MiB",
                with: "      outputBuffer: 8 MiB\n    log: {segment: \(segment), checkpointEvery: 4 MiB, keepFree: \(keepFree)}"
                    + "\n    listen: {plain: \(host)}\n    allowPlaintext: true")
        try text.write(toFile: configuration, atomically: true, encoding: .utf8)
    }

    private var current: SpindleProcess? { process.withLock { $0 } }
    var errors: String { current?.errors ?? "" }
    var isRunning: Bool { current?.isRunning ?? false }
    func token() throws -> String {
        try String(contentsOfFile: data + "/tokens/admin", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// A load on this broker, which tells what became of the broker where it gets no further.
    func load(_ options: CheckedLoad.Options = .init()) throws -> CheckedLoad {
        CheckedLoad(host: host, port: base, token: try token(), options: options) { [weak self] in self?.state ?? "the broker is gone" }
    }

    /// Whether the process of the last start runs, what it ended with, and the end of its log.
    private var state: String {
        guard let process = current else { return "no broker was started" }
        let state = process.endedWith.map { "has ended with \($0)" } ?? "runs"
        return "the broker (process \(process.identifier), port \(base)) \(state); its log:\n\(process.errors.suffix(4_000))"
    }

    // MARK: Start and end

    /// Starts the process, and does not wait. `failpoint`: `NAME:PASS` or `NAME:PASS:stop`. `prefix`: for this time only.
    func launch(failpoint: String? = nil, prefix further: [String] = [], environment: [String: String] = [:]) throws {
        let environment = environment.merging(failpoint.map { ["SPINDLE_FAILPOINT": $0] } ?? [:]) { $1 }
        let started = try SpindleProcess(
            ["broker", "--data", data, "--port-base", "\(base)", "--config", configuration, "--log-format", "json"], environment: environment,
            prefix: prefix + further)
        process.withLock { $0 = started }
    }

    /// Starts the process and waits until it serves.
    func start(failpoint: String? = nil, prefix: [String] = []) async throws {
        try launch(failpoint: failpoint, prefix: prefix)
        try await ready()
    }

    func ready() async throws {
        let end = ContinuousClock.now + Spindle.deadline
        while !errors.contains("broker is ready") {
            try #require(isRunning && ContinuousClock.now < end, "the broker does not start: \(errors.suffix(2000))")
            // It says so in its log, which is looked at until the deadline.
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func send(_ signal: Int32) { current?.send(signal) }

    /// Its exit code, or 128 and the signal, when it ends of itself.
    func end(within deadline: Duration = .seconds(30)) async throws -> Int32 {
        let process = try #require(current)
        return try await process.exitCode(within: deadline)
    }

    func kill() async throws {
        send(SIGKILL)
        #expect(try await end() == 128 + SIGKILL)
    }

    func killAndStart() async throws {
        try await kill()
        try launch()
    }

    /// SIGSTOP, and waits until every thread stands.
    func pause() async throws {
        send(SIGSTOP)
        try await paused()
    }

    /// Waits until every thread stands, of itself at a failpoint.
    func paused(within deadline: Duration = .seconds(30)) async throws {
        let process = try #require(current)
        let end = ContinuousClock.now + deadline
        while !process.isStopped {
            try #require(process.isRunning && ContinuousClock.now < end, "the broker does not stand still: \(process.errors.suffix(2000))")
            // The system shows it in /proc, which is looked at until the deadline.
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// SIGTERM: an orderly end, behind which the log must be whole.
    func stop() async throws {
        send(SIGTERM)
        #expect(try await end() == 0, "\(errors.suffix(2000))")
        try await verify()
    }

    func verify() async throws {
        let verified = try await Spindle.run("log", "verify", data)
        #expect(verified.exitCode == 0, "\(verified.output)\(verified.errors)")
    }
}
