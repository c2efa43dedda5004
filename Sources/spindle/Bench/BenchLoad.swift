import Histogram
import SpindleClient

/// Loads a broker, and measures.
struct BenchLoad {
    let options: BenchOptions
    let configuration: ClientConfiguration

    /// Publishes `count` messages in batches that were encoded before.
    func publish() async throws -> BenchResult {
        let message = Message(body: options.body())
        func batch(_ count: Int) throws -> MessageBatch {
            try MessageBatch([Message](repeating: message, count: count), compressionThreshold: nil)
        }
        let whole = try batch(options.batch)
        return try await measure("publish") { count in
            let rest = count % options.batch
            return .publish(whole: whole, last: rest == 0 ? whole : try batch(rest))
        }
    }

    /// Leases and acknowledges `count` messages.
    func leaseAndAcknowledge() async throws -> BenchResult {
        try await measure("lease") { _ in .leaseAndAcknowledge }
    }

    /// Takes what an earlier measurement left behind out of the queue.
    static func drain(_ client: SpindleClient, _ queue: String) async throws {
        while true {
            let left = try await client.lease(from: queue, max: 10_000, bytesMax: BenchOptions.batchBytesMax)
            if left.isEmpty { return }
            _ = try await client.acknowledge(left.map(\.token))
        }
    }

    /// Shares the messages out to the connections, and adds up what they recorded.
    private func measure(_ mode: String, _ work: (Int) throws -> BenchConnection.Work) async throws -> BenchResult {
        let share = options.count / options.connections
        let parts = try (0..<options.connections).map { index -> (BenchConnection.Work, Int) in
            let count = share + (index < options.count % options.connections ? 1 : 0)
            return (try work(count), count)
        }
        let total = try await withThrowingTaskGroup(of: BenchSample.self) { group in
            for (work, count) in parts where count > 0 {
                group.addTask { try await BenchConnection.run(work, count: count, options, configuration) }
            }
            var total = BenchSample()
            for try await sample in group { total.add(sample) }
            return total
        }
        return BenchResult(mode: mode, options: options, sample: total, elapsed: total.elapsed)
    }
}

/// What one connection of a measurement recorded.
struct BenchSample: Sendable {
    /// Requests by how long they took, in microseconds, to three digits.
    private(set) var latencies = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    private(set) var messages = 0
    private(set) var errors = 0
    private(set) var firstError: String?

    private var began: ContinuousClock.Instant?
    private var ended: ContinuousClock.Instant?

    /// From the first request of any connection to the last answer of any.
    var elapsed: Duration {
        guard let began, let ended else { return .zero }
        return ended - began
    }

    mutating func begin() { began = .now }
    mutating func end() { ended = .now }

    mutating func record(_ latency: Duration, messages count: Int) {
        latencies.record(max(1, latency.microseconds))
        messages += count
    }

    mutating func fail(_ count: Int, _ error: String) {
        errors += count
        if firstError == nil { firstError = error }
    }

    mutating func add(_ other: BenchSample) {
        latencies.add(other.latencies)
        messages += other.messages
        began = [began, other.began].compactMap(\.self).min()
        ended = [ended, other.ended].compactMap(\.self).max()
        errors += other.errors
        firstError = firstError ?? other.firstError
    }
}

/// A measurement's figures beside its parameters.
struct BenchResult: Sendable {
    var mode: String
    let options: BenchOptions
    let sample: BenchSample
    let elapsed: Duration

    var errors: Int { sample.errors }
    var firstError: String? { sample.firstError }

    private struct Line: Encodable {
        let mode: String
        let size: Int
        let count: Int
        let batch: Int
        let window: Int
        let connections: Int
        let seconds: Double
        let messagesPerSecond: Double
        let megabytesPerSecond: Double
        let p50Us: UInt64
        let p90Us: UInt64
        let p99Us: UInt64
        let p999Us: UInt64
        let maxUs: UInt64
        let errors: Int
    }

    /// Exits with 1 when any message was refused.
    func show(json: Bool) throws {
        let seconds = max(elapsed.milliseconds, 0.001) / 1000
        let accepted = sample.messages
        let line = Line(
            mode: mode, size: options.size, count: options.count, batch: options.batch, window: options.window, connections: options.connections, seconds: seconds,
            messagesPerSecond: (Double(accepted) / seconds).rounded(), megabytesPerSecond: Double(accepted * options.size) / seconds / 1e6,
            p50Us: sample.latencies.valueAtPercentile(50), p90Us: sample.latencies.valueAtPercentile(90),
            p99Us: sample.latencies.valueAtPercentile(99), p999Us: sample.latencies.valueAtPercentile(99.9), maxUs: sample.latencies.max,
            errors: errors)
        if json {
            try Output.json(line)
        } else {
            Output.line("\(mode): \(options.count) messages of \(options.size) bytes, \(options.batch) in a request, \(options.window) requests at once on \(options.connections) \(options.connections == 1 ? "connection" : "connections")")
            Output.table(
                ["MESSAGES/S", "MB/S", "P50 µs", "P90 µs", "P99 µs", "P99.9 µs", "MAX µs", "SECONDS", "ERRORS"],
                [[
                    "\(Int(line.messagesPerSecond))", "\((line.megabytesPerSecond * 10).rounded() / 10)", "\(line.p50Us)", "\(line.p90Us)",
                    "\(line.p99Us)", "\(line.p999Us)", "\(line.maxUs)", "\((seconds * 1000).rounded() / 1000)", "\(errors)",
                ]])
        }
        if let firstError { throw CommandFailure("\(errors) messages were refused, the first with: \(firstError)") }
    }
}
