import ArgumentParser
import SpindleClient

struct BenchQueuesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Declare many queues and leave a message in each.",
        discussion: """
            The queues are called PREFIX0, PREFIX1 and so on, and have no dead-letter queue. What the broker takes for them can be measured then.

            Example:
              spindle bench queues --count 9000
            """)

    private static let atOnce = 64

    @Option(help: ArgumentHelp("Queues.", valueName: "n"))
    var count = 1000

    @Option(help: "What their names begin with.")
    var prefix = "many."

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if count < 1 || count > 10_000 { throw ValidationError("--count must be from 1 to 10000.") }
    }

    func run() async throws {
        try await options.withClient { client in
            var policy = QueuePolicy()
            policy.deadLetterQueue = ""
            let message = Message(body: [UInt8](repeating: 7, count: 128))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for first in 0..<min(Self.atOnce, count) {
                    group.addTask { [policy, message] in
                        for number in stride(from: first, to: count, by: Self.atOnce) {
                            _ = try await client.declare(queue: "\(prefix)\(number)", policy: policy)
                            _ = try await client.publish(message, to: "\(prefix)\(number)")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
