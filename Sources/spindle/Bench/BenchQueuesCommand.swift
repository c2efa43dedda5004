import ArgumentParser
import SpindleClient

struct BenchQueuesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Declare many queues, publish a message to each, and lease them.",
        discussion: """
            The queues are called PREFIX0, PREFIX1 and so on, and have no dead-letter queue. 64 requests are unanswered at once. Without
            --lease the messages stay: what the broker takes for them can be measured then.

            Example:
              spindle bench queues --count 9000 --lease
            """)

    private static let atOnce = 64

    @Option(help: ArgumentHelp("Queues.", valueName: "n"))
    var count = 1000

    @Flag(help: "Lease the messages, and acknowledge them.")
    var lease = false

    @Option(help: "What their names begin with.")
    var prefix = "many."

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if count < 1 || count > 10_000 { throw ValidationError("--count must be from 1 to 10000.") }
    }

    private struct Line: Encodable {
        let queues: Int
        var declaredPerSecond = 0
        var publishedPerSecond = 0
        var leasedPerSecond = 0
    }

    func run() async throws {
        try await options.withClient { client in
            var policy = QueuePolicy()
            policy.deadLetterQueue = ""
            let message = Message(body: [UInt8](repeating: 7, count: 128))
            var line = Line(queues: count)
            line.declaredPerSecond = try await forEach { [policy] in _ = try await client.declare(queue: $0, policy: policy) }
            line.publishedPerSecond = try await forEach { _ = try await client.publish(message, to: $0) }
            if lease {
                line.leasedPerSecond = try await forEach { queue in
                    let leased = try await client.lease(from: queue, max: 1, bytesMax: 1 << 20)
                    guard leased.count == 1 else { throw CommandFailure("the message of '\(queue)' did not come") }
                    _ = try await client.acknowledge(leased.map(\.token))
                }
            }
            if options.json { return try Output.json(line) }
            Output.table(
                ["QUEUES", "DECLARED/S", "PUBLISHED/S", "LEASED AND ACKNOWLEDGED/S"],
                [["\(count)", "\(line.declaredPerSecond)", "\(line.publishedPerSecond)", lease ? "\(line.leasedPerSecond)" : "–"]])
        }
    }

    /// Does something with every queue, with some at once; how many a second that were.
    private func forEach(_ work: @escaping @Sendable (String) async throws -> Void) async throws -> Int {
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for first in 0..<min(Self.atOnce, count) {
                group.addTask { [count, prefix] in
                    for number in stride(from: first, to: count, by: Self.atOnce) { try await work("\(prefix)\(number)") }
                }
            }
            try await group.waitForAll()
        }
        return Int(Double(count) / max((ContinuousClock.now - began) / .seconds(1), 0.001))
    }
}
