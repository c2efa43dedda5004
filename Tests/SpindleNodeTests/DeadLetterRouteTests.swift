import SpindleNode
import SpindleWire
import Testing

/// Where dead letters may go, and what a route of the configuration changes. Source: `protocol/queues.md`.
@Suite struct DeadLetterRouteTests {
    @Test(arguments: [
        ("dead letters of two queues can't go to each other", """
            queue a dead=b                            -> created
            queue b dead=a                            -> !INVALID_ARGUMENT
            queue b dead=c                            -> changed
            """),
        ("nor round by way of others", """
            queue c dead=                             -> created
            queue b dead=c                            -> created
            queue a dead=b                            -> created
            queue c dead=a                            -> !INVALID_ARGUMENT
            queue c dead=d                            -> changed
            queue d dead=b                            -> !INVALID_ARGUMENT
            """),
        ("once the way is another, the round is none", """
            queue a dead=b                            -> created
            queue b dead=a                            -> !INVALID_ARGUMENT
            queue a dead=c                            -> changed
            queue b dead=a                            -> changed
            """),
        ("a long way that ends is taken", """
            queue a dead=b                            -> created
            queue b dead=c                            -> changed
            queue c dead=d                            -> changed
            queue x dead=a                            -> created
            """),
    ]) func script(name: String, text: String) throws { try Script.run(text) }

    @Test func aQueueIsToldApartFromWhatTheConfigurationSaysOfIt() throws {
        let script = Script(try TestBroker())
        _ = try script.perform(["queue", "q", "attempts=9", "lease=40s", "dead=", "groups=1"])
        var fields = QueuePolicyFields()
        fields.attemptsMax = 5
        fields.leaseMilliseconds = 40_000
        fields.deadLetterQueue = "q.dead"
        fields.orderedGroups = 0
        #expect(
            script.broker.node.changes(by: fields, of: "q").map { "\($0.setting): \($0.before) → \($0.after)" } == [
                "attemptsMax: 9 → 5", "deadLetterQueue:  → q.dead", "orderedGroups: yes → no",
            ])
        #expect(script.broker.node.changes(by: fields, of: "new").isEmpty)
    }

    @Test func aMoveBeginsTheTimeToLiveAnew() throws {
        try Script.run("""
            queue q dead=
            queue r dead= ttl=10s
            publish q a b
            lease w q 1 30s                           -> a#1
            release w a                               -> ok
            tick 60s
            bulk move q to=r                          -> job 1
            work 20
            stats r                                   -> ready=2 leased=0 delayed=0
            tick 9s
            stats r                                   -> ready=2 leased=0 delayed=0
            crash
            tick 2s
            stats r                                   -> ready=0 leased=0 delayed=0
            """)
    }
}
