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
