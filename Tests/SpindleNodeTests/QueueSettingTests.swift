import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// The node does with a queue's settings what the table `PolicySetting` says.
@Suite struct QueueSettingTests {
    static let numbers = PolicySetting.allCases.filter { !$0.isName }

    /// A broker, and what its queues' settings are.
    final class Broker {
        private let broker: TestBroker
        private let admin: SessionID

        init(_ newQueues: NewQueueDefaults? = nil) throws {
            var configuration = NodeConfiguration(serverVersion: "t", serverID: Array(1...16), frameBytesMax: 256 << 10)
            if let newQueues { configuration.newQueues = newQueues }
            broker = try TestBroker(configuration: configuration)
            admin = broker.connect(
                Principal(
                    name: "admin", publish: [.init("*")], lease: [.init("*")], read: [.init("*")], admin: [.init("*")]))
        }

        func declare(_ queue: String, _ policy: QueuePolicyFields = .init()) -> ErrorReply? {
            broker.ask(admin, .declare) { DeclareRequest(queue: queue, policy: policy).encode(into: &$0) }?.error
        }

        func policy(of queue: String) throws -> QueuePolicyFields {
            let frame = try #require(broker.ask(admin, .stats) { StatsRequest(pattern: queue).encode(into: &$0) })
            return try #require(try StatsReply(frame.body.span.bytes).queues.first).policy
        }
    }

    @Test func aNewQueueHasTheTablesDefaults() throws {
        let broker = try Broker()
        #expect(broker.declare("q") == nil)
        var expected = QueuePolicyFields.standard
        expected.deadLetterQueue = "q.dead"
        #expect(try broker.policy(of: "q") == expected)
        expected.deadLetterQueue = ""
        expected.attemptsMax = 0
        #expect(try broker.policy(of: "q.dead") == expected)
    }

    /// Both ends of what is allowed are taken as they are, also from the log and a checkpoint, and what is beyond is refused by name.
    @Test(arguments: numbers) func aQueueTakesWhatTheTableAllows(setting: PolicySetting) throws {
        let broker = try Broker()
        let entry = setting.entry
        for value in [entry.range.lowerBound, entry.range.upperBound] + (entry.mayBeNone ? [0] : []) {
            var policy = QueuePolicyFields()
            if setting == .lease { policy[.leaseMax] = WireLimits.durationMillisecondsMax }
            if setting == .leaseMax { policy[.lease] = 1 }
            policy[setting] = value
            #expect(broker.declare("q", policy) == nil)
            #expect(try broker.policy(of: "q")[setting] == value, "\(value)")
        }
        var beyond: [UInt64] = entry.range.upperBound < .max ? [entry.range.upperBound + 1] : []
        if !entry.mayBeNone, entry.range.lowerBound > 0 { beyond.append(entry.range.lowerBound - 1) }
        for value in beyond {
            var policy = QueuePolicyFields()
            policy[setting] = value
            let error = try #require(broker.declare("q", policy), "\(value)")
            #expect(error.code == ErrorCode.invalidArgument.rawValue && error.message.hasPrefix("\(setting.name) is \(value): "), "\(error.message)")
        }
    }

    /// The defaults of the description hold for queues that clients declare, and for dead-letter queues that are made for them.
    @Test func theConfiguredDefaultsHoldForDeclaredQueues() throws {
        var defaults = NewQueueDefaults()
        defaults.policy.leaseMilliseconds = 5_000
        defaults.policy.attemptsMax = 3
        defaults.deadLetterQueue = "lost.{queue}"
        defaults.deadLetterPolicy.timeToLiveMilliseconds = 60_000
        let broker = try Broker(defaults)
        var own = QueuePolicyFields()
        own.attemptsMax = 4
        #expect(broker.declare("q", own) == nil)
        let queue = try broker.policy(of: "q")
        #expect(queue.leaseMilliseconds == 5_000 && queue.attemptsMax == 4 && queue.deadLetterQueue == "lost.q")
        let dead = try broker.policy(of: "lost.q")
        #expect(dead.leaseMilliseconds == 5_000 && dead.attemptsMax == 0 && dead.timeToLiveMilliseconds == 60_000 && dead.deadLetterQueue == "")
        // A change names what changes; the defaults do not come back.
        own.attemptsMax = nil
        own.leaseMilliseconds = 7_000
        #expect(broker.declare("q", own) == nil)
        #expect(try broker.policy(of: "q").attemptsMax == 4)
    }

    @Test(arguments: [("{queue}.dead", "q", "q.dead"), ("dead-letters", "q", "dead-letters"), ("dead-letters", "dead-letters", ""), ("", "q", ""), ("{queue}.dead", "q.dead", "")])
    func theDeadLetterQueueIsNamedAsConfigured(pattern: String, queue: String, expected: String) throws {
        var defaults = NewQueueDefaults()
        defaults.deadLetterQueue = pattern
        let broker = try Broker(defaults)
        #expect(broker.declare(queue) == nil)
        #expect(try broker.policy(of: queue).deadLetterQueue == expected)
    }
}
