import Testing

/// Why a message is in its state: a script for each cause.
@Suite struct WhyTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var script: String
        init(_ name: String, _ script: String) {
            testDescription = name
            self.script = script
        }
    }

    private static let taken: [Row] = [
        Row("a leased message is its holder's until the lease ends", """
            queue q
            publish q a
            tick 1s
            lease w q 1 30s          -> a#1
            tick 2s
            why q a                  -> leased leased admin/w count=1 since=-2s next=leaseEnds+28720ms
            extend w 60s a           -> ok
            why q a                  -> leased leased admin/w count=1 since=-2s next=leaseEnds+61440ms
            """),
        Row("a cancelled message goes with its lease", """
            queue q
            publish q a
            lease w q 1 30s          -> a#1
            cancel q a               -> leased
            why q a                  -> cancelled cancelled admin/w next=leaseEnds+30720ms
            """),
        Row("a message that ended is told as long as its result is kept", """
            queue q results=60s
            publish q a b
            lease w q 1 30s          -> a#1
            ack w a                  -> ok
            tick 1s
            why q a                  -> acknowledged ended since=-1s next=forgotten+59s
            cancel q b               -> ready
            why q b                  -> removed ended next=forgotten+60s
            tick 60s
            why q a                  -> !NO_SUCH_MESSAGE
            """),
        Row("a message that is not known is refused", """
            queue q
            why q a                  -> !NO_SUCH_MESSAGE
            why absent a             -> !NO_SUCH_QUEUE
            publish q a
            lease w q 1 30s          -> a#1
            ack w a                  -> ok
            why q a                  -> !NO_SUCH_MESSAGE
            """),
        Row("a dead message is found in the other queue, by those who may read it", """
            queue q attempts=1
            principal p read=q
            publish q a
            lease w q 1 30s          -> a#1
            dead w a                 -> ok
            why q a                  -> elsewhere moved q.dead “no”
            by p why q a             -> !NO_SUCH_MESSAGE
            why q.dead a             -> ready deadLetter q “no”
            """),
    ]

    private static let delayed: [Row] = [
        Row("a delay ends by itself", """
            queue q
            publish q a/d5s
            tick 2s
            why q a                  -> delayed delayed since=-2s next=becomesReady+3s
            reschedule q 9s a        -> ok
            why q a                  -> delayed delayed since=-2s next=becomesReady+9s
            tick 9s
            why q a                  -> ready noConsumer
            """),
        Row("a failed attempt is the cause of the wait after it", """
            queue q attempts=3 backoff=4s
            publish q a
            lease w q 1 30s          -> a#1
            tick 1s
            nack w policy a          -> ok
            tick 1s
            why q a                  -> delayed backOff count=1 “no” since=-1s next=becomesReady+3s
            """),
        Row("an expired lease makes a message ready again", """
            queue q attempts=3
            publish q a
            lease w q 1 30s          -> a#1
            tick 31s
            tick 1s
            why q a                  -> ready noConsumer since=-1s
            """),
        Row("a time to live that ends before the delay is told", """
            queue q ttl=60s
            publish q a
            lease w q 1 30s          -> a#1
            tick 1s
            nack w 90s a             -> ok
            why q a                  -> delayed backOff count=1 “no” next=timeToLiveEnds+59s
            """),
    ]

    private static let heldBack: [Row] = [
        Row("a pause comes before all else", """
            queue q concurrency=1
            publish q a b
            lease w q 1 30s          -> a#1
            pause q deliveries the saw is blunt
            why q b                  -> ready paused “the saw is blunt”
            why q a                  -> leased leased admin/w count=1 next=leaseEnds+30720ms
            resume q
            why q b                  -> ready concurrency 1/1 next=otherLeaseEnds+30720ms
            """),
        Row("paused publishes hold no delivery back", """
            queue q
            publish q a
            pause q publishes
            why q a                  -> ready noConsumer
            """),
        Row("the queue's leases are told with the first that ends", """
            queue q concurrency=2
            publish q a b c
            lease w q 1 30s          -> a#1
            lease w q 1 10s          -> b#1
            why q c                  -> ready concurrency 2/2 next=otherLeaseEnds+10240ms
            """),
        Row("the queue's rate is told with the time at which it allows more", """
            queue q rate=2
            publish q a b
            lease w q 1 30s          -> a#1
            tick 100ms
            why q b                  -> ready rate limit=2 since=-100ms next=rateAllows+400ms
            """),
        Row("a group's leases hold back its own messages only", """
            queue q keyconcurrency=1
            publish q a/g:x b/g:x c/g:y
            lease w q 1 30s          -> a#1
            why q b                  -> ready groupConcurrency x 1/1 next=otherLeaseEnds+30720ms
            why q c                  -> ready consumersBusy count=1 next=otherLeaseEnds+30720ms
            """),
        Row("a group's rate holds back its own messages only", """
            queue q keyrate=1
            publish q a/g:x b/g:x c/g:y
            lease w q 1 30s          -> a#1
            why q b                  -> ready groupRate x limit=1 next=rateAllows+1s
            why q c                  -> ready consumersBusy count=1 next=otherLeaseEnds+30720ms
            """),
        Row("an ordered group waits for its message that is out", """
            queue q groups=1
            publish q a/g:x b/g:x
            lease w q 1 30s          -> a#1
            why q b                  -> ready groupOrder x first=a next=otherLeaseEnds+30720ms
            """),
        Row("an ordered group waits for its message that waits for its time", """
            queue q groups=1 backoff=5s attempts=3
            publish q a/g:x b/g:x
            lease w q 1 30s          -> a#1
            nack w policy a          -> ok
            why q b                  -> ready groupOrder x first=a next=otherBecomesReady+5s
            why q a                  -> delayed backOff count=1 “no” next=becomesReady+5s
            tick 5s
            why q b                  -> ready noConsumer since=-5s
            """),
    ]

    private static let consumers: [Row] = [
        Row("nobody takes messages", """
            queue q
            publish q a
            tick 1s
            why q a                  -> ready noConsumer since=-1s
            """),
        Row("those who take messages are busy", """
            queue q ttl=60s
            publish q a b
            lease w q 1 30s          -> a#1
            why q b                  -> ready consumersBusy count=1 next=otherLeaseEnds+30720ms
            """),
        Row("a time to live that ends first is told in place of another's lease", """
            queue q
            publish q a b/l5s
            lease w q 1 30s          -> a#1
            why q b                  -> ready consumersBusy count=1 next=timeToLiveEnds+5s
            """),
        Row("those who wait were told to be quiet", """
            queue q
            principal w lease=q
            lease w q 1 30s 60s      -> wait
            control quiet w
            publish q a
            why q a                  -> ready consumersQuiet
            """),
        Row("a dead letter is kept for people", """
            queue q attempts=1 ttl=10s
            publish q a
            tick 10s
            tick 1s
            why q.dead a             -> ready deadLetter q “its time to live ended” since=-1s
            """),
    ]

    @Test(arguments: taken + delayed + heldBack + consumers) func theDecidingCauseIsTold(_ row: Row) throws {
        try Script.run(row.script)
    }

    @Test func askingChangesNothing() throws {
        let script = Script(try TestBroker())
        for line in ["queue q groups=1 fair=1 keyrate=1", "publish q a/g:x b/g:x c/g:y d/p9 e/d5s", "lease w q 1 30s"] {
            _ = try script.perform(line.split(separator: " ").map(String.init))
        }
        let before = script.broker.encodedState()
        for name in ["a", "b", "c", "d", "e"] { _ = try script.why(["why", "q", name]) }
        #expect(script.broker.encodedState() == before)
    }
}
