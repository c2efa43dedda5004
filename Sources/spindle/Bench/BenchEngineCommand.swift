import ArgumentParser
import SpindleQueue

struct BenchEngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "What the queues themselves cost: no log, no disk, no network, no broker.",
        discussion: """
            Nanoseconds for each message to store, to find and lease the next one (in batches), and to acknowledge it, on one core and for
            several policies. The best of three rounds.

            Example:
              spindle bench engine --count 2000000
            """)

    @Option(help: ArgumentHelp("Messages.", valueName: "n"))
    var count = 2_000_000

    @Option(help: ArgumentHelp("Messages leased, and then acknowledged, at once.", valueName: "n"))
    var batch = 500

    @Option(help: ArgumentHelp("Group keys, where the policy looks at them.", valueName: "n"))
    var keys = 1000

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        for (name, value, allowed) in [("--count", count, 1000...100_000_000), ("--batch", batch, 1...10_000), ("--keys", keys, 1...1_000_000)]
        where !allowed.contains(value) {
            throw ValidationError("\(name) must be from \(allowed.lowerBound) to \(allowed.upperBound).")
        }
    }

    private struct Line: Encodable {
        let policy: String
        var storeNs = Double.infinity
        var leaseNs = Double.infinity
        var acknowledgeNs = Double.infinity
    }

    func run() async throws {
        var lines: [Line] = []
        for (name, policy, isKeyed, priorities) in Self.policies {
            var line = Line(policy: name)
            for _ in 0..<3 {
                let took = measure(policy, isKeyed: isKeyed, priorities: priorities)
                line.storeNs = min(line.storeNs, took.store)
                line.leaseNs = min(line.leaseNs, took.lease)
                line.acknowledgeNs = min(line.acknowledgeNs, took.acknowledge)
            }
            lines.append(line)
        }
        if json { return try Output.json(lines) }
        Output.table(
            ["POLICY", "STORE ns", "LEASE ns", "ACK ns"],
            lines.map { line in [line.policy] + [line.storeNs, line.leaseNs, line.acknowledgeNs].map { "\(Int($0.rounded()))" } })
    }

    private static var policies: [(name: String, policy: QueuePolicy, isKeyed: Bool, priorities: Int)] {
        func policy(_ change: (inout QueuePolicy) -> Void) -> QueuePolicy {
            var policy = QueuePolicy()
            change(&policy)
            return policy
        }
        return [
            ("plain", QueuePolicy(), false, 1),
            ("ten priorities", QueuePolicy(), false, 10),
            ("time to live", policy { $0.timeToLiveMilliseconds = 3_600_000 }, false, 1),
            ("fair groups", policy { $0.fairGroups = true }, true, 1),
            ("ordered groups", policy { $0.orderedGroups = true }, true, 1),
        ]
    }

    /// Nanoseconds for each message. Without closures around the engine, and without options in the loops: a closure that only looks at
    /// what it captures copies it, and an option is looked up each time.
    private func measure(_ policy: QueuePolicy, isKeyed: Bool, priorities: Int) -> (store: Double, lease: Double, acknowledge: Double) {
        var engine = QueueEngine()
        let queue = engine.declare("bench", policy: policy)
        let (count, batch, keys) = (count, batch, keys)
        let names = (0..<keys).map { "key-\($0)" }
        let clock = ContinuousClock()
        var now: UInt64 = 1_000_000
        var id: UInt64 = 4096
        var started = clock.now
        for index in 0..<count {
            if index % 1000 == 0 { now += 1 }
            engine.store(
                queue: queue, id: id, byteCount: 170, priority: priorities == 1 ? QueueEngine.priorityDefault : UInt8(index % priorities),
                group: isKeyed ? names[index % keys] : nil, now: now)
            id += 170
        }
        let stored = clock.now - started
        var leased = Duration.zero
        var acknowledged = Duration.zero
        var ids: [UInt64] = []
        while engine.queues[Int(queue)].counts.length > 0 {
            ids.removeAll(keepingCapacity: true)
            started = clock.now
            while ids.count < batch, let next = engine.nextReady(in: queue, now: now) {
                let holder = "bench/worker of some name"
                guard engine.grant(queue: queue, id: next.id, group: next.group, duration: 30_720, holder: holder, now: now) != nil else { break }
                ids.append(next.id)
            }
            leased += clock.now - started
            started = clock.now
            for id in ids where engine.queue(leasedBy: 1, of: id) != nil { _ = engine.acknowledge(id) }
            acknowledged += clock.now - started
        }
        return (stored.nanoseconds / Double(count), leased.nanoseconds / Double(count), acknowledged.nanoseconds / Double(count))
    }
}

private extension Duration {
    var nanoseconds: Double { self / .nanoseconds(1) }
}
