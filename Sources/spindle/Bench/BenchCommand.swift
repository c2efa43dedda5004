import ArgumentParser
import SpindleClient

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure a running broker from the outside.",
        discussion: """
            Every figure is of confirmed work: a publish counts when the broker has it on its disk, a lease when its acknowledgement is.
            Latencies are those of whole requests, so of all messages of a batch together, with nothing else in the way of the next
            request than the window.

            Example:
              spindle bench publish --size 1024 --count 200000 --batch 100 --window 16
            """,
        subcommands: [BenchPublishCommand.self, BenchLeaseCommand.self, BenchRoundTripCommand.self, BenchDeliveryCommand.self, BenchQueuesCommand.self, BenchEngineCommand.self])
}

/// What every measurement takes.
struct BenchOptions: ParsableArguments {
    /// Payload of one frame at most, in bytes: the broker's frames hold 4 MiB by default.
    static let batchBytesMax = 3 << 20

    @Option(help: ArgumentHelp("Bytes of a message's body.", valueName: "bytes"))
    var size = 128

    @Option(help: ArgumentHelp("Messages.", valueName: "n"))
    var count = 100_000

    @Option(help: ArgumentHelp("Messages in one request.", valueName: "n"))
    var batch = 100

    @Option(help: ArgumentHelp("Requests unanswered at once.", valueName: "n"))
    var window = 16

    @Option(help: ArgumentHelp("Connections that share the messages; each has its own window.", valueName: "n"))
    var connections = 1

    @Option(help: "The queue; it is declared. `publish` and `rtt` leave their messages in it, `lease` and `delivery` empty it first.")
    var queue = "bench"

    func validate() throws {
        for (name, value, allowed) in [
            ("--size", size, 0...(1 << 20)), ("--count", count, 1...1_000_000_000), ("--batch", batch, 1...65_536), ("--window", window, 1...4096), ("--connections", connections, 1...1000),
        ] where !allowed.contains(value) {
            throw ValidationError("\(name) must be from \(allowed.lowerBound) to \(allowed.upperBound).")
        }
        guard batch * (size + 64) <= Self.batchBytesMax else {
            throw ValidationError("\(batch) messages of \(size) bytes do not fit one request of \(Self.batchBytesMax) bytes: choose a smaller --batch.")
        }
    }

    /// Bodies that do not compress, and are the same in every run.
    func body() -> [UInt8] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<size).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
    }

    /// The same with nothing else in the way.
    var oneAtATime: BenchOptions {
        var one = self
        one.batch = 1
        one.window = 1
        one.connections = 1
        return one
    }

    func prepare(_ client: SpindleClient) async throws {
        var policy = QueuePolicy()
        policy.lengthMax = 0
        policy.bytesMax = 0
        _ = try await client.declare(queue: queue, policy: policy)
    }
}

struct BenchPublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Confirmed publishes: batches are encoded before, and sent with a window.",
        discussion: """
            Example:
              spindle bench publish --size 128 --count 1000000 --batch 100 --window 16 --json
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            try await bench.prepare(client)
            let result = try await BenchLoad(options: bench, configuration: try options.clientConfiguration()).publish()
            try result.show(json: options.json)
        }
    }
}

struct BenchLeaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease", abstract: "Leases with confirmed acknowledgements; the queue is filled before, unmeasured.",
        discussion: """
            A request is a LEASE and the ACK of everything that it brought.

            Example:
              spindle bench lease --size 1024 --count 200000 --batch 100 --window 4
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            try await bench.prepare(client)
            try await BenchLoad.drain(client, bench.queue)
            let filled = try await BenchLoad(options: bench, configuration: try options.clientConfiguration()).publish()
            guard filled.errors == 0 else { throw CommandFailure("\(filled.errors) messages were refused while the queue was filled: \(filled.firstError ?? "")") }
            let result = try await BenchLoad(options: bench, configuration: try options.clientConfiguration()).leaseAndAcknowledge()
            try result.show(json: options.json)
        }
    }
}

struct BenchRoundTripCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rtt", abstract: "The round trip of one confirmed publish at a time.",
        discussion: """
            --batch, --window and --connections are 1 here.

            Example:
              spindle bench rtt --size 1024 --count 10000
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            try await bench.prepare(client)
            var result = try await BenchLoad(options: bench.oneAtATime, configuration: try options.clientConfiguration()).publish()
            result.mode = "rtt"
            try result.show(json: options.json)
        }
    }
}

struct BenchDeliveryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delivery", abstract: "From a publisher to a worker that waits: one message at a time, on an idle queue.",
        discussion: """
            The time runs from before the publish until the message has arrived at another connection. --batch, --window and --connections are 1 here.

            Example:
              spindle bench delivery --size 1024 --count 10000
            """)

    @OptionGroup var bench: BenchOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            try await bench.prepare(client)
            try await BenchLoad.drain(client, bench.queue)
            let delivery = BenchDelivery(options: bench.oneAtATime, configuration: try options.clientConfiguration(), observer: client)
            try await delivery.run().show(json: options.json)
        }
    }
}
