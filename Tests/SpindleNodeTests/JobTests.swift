import SpindleWire
import Testing

/// REDRIVE and BULK: changes by filter that go on in the background.
@Suite struct JobTests {
    private static let threeDead = """
        queue q attempts=1
        publish q a b c
        lease w q 3 30s          -> a#1 b#1 c#1
        dead w a b c             -> ok ok ok

        """

    @Test func redriveTakesDeadLettersBack() throws {
        try Script.run(Self.threeDead + """
            redrive q.dead           -> job 1
            work 3
            look q.dead 1            -> done matched=3 done=3 failed=0
            stats q.dead             -> ready=0 leased=0 delayed=0
            history q a              -> nacked no
            crash
            look q.dead 1            -> done matched=3 done=3 failed=0
            lease w q 3 30s          -> a#1 b#1 c#1
            dead w a                 -> ok
            history q.dead a         -> q: no; nacked no, nacked no
            checkpoint
            restart
            look q.dead 1            -> done matched=3 done=3 failed=0
            tick 1439m
            look q.dead 1            -> done matched=3 done=3 failed=0
            tick 1m
            look q.dead 1            -> !INVALID_ARGUMENT
            """)
    }

    @Test func aRateHoldsAndAJobGoesOnAfterACrash() throws {
        try Script.run("""
            queue q
            queue r
            publish q a b c d e f
            bulk move q to=r rate=2  -> job 1
            work 1
            look q 1                 -> running matched=1 done=1 failed=0
            tick 400ms
            look q 1                 -> running matched=1 done=1 failed=0
            tick 100ms
            look q 1                 -> running matched=2 done=2 failed=0
            crash
            look q 1                 -> running matched=2 done=2 failed=0
            tick 500ms
            checkpoint
            restart
            look q 1                 -> running matched=3 done=3 failed=0
            stop q 1                 -> stopped matched=3 done=3 failed=0
            stop q 1                 -> stopped matched=3 done=3 failed=0
            tick 5s
            records q                -> d e f
            records r                -> a b c
            look q 2                 -> !INVALID_ARGUMENT
            look r 1                 -> !INVALID_ARGUMENT
            """)
    }

    /// A step and its progress are one entry: what was not durable happens again, and once.
    @Test func aStepThatWasNotDurableIsTakenAgain() throws {
        try Script.run("""
            queue q
            queue r
            publish q a b
            bulk move q to=r rate=1  -> job 1
            look q 1                 -> running matched=1 done=1 failed=0
            stall on
            tick 1s
            records q                -> wait
            crash
            stall off
            work 3
            look q 1                 -> done matched=2 done=2 failed=0
            records r                -> a b
            records q                -> none
            """)
    }

    @Test func whatCannotBeMovedStaysAndSaysWhy() throws {
        try Script.run(Self.threeDead + """
            queue q length=2
            lease w q.dead 1 30s     -> a#1
            bulk redrive q.dead      -> job 1
            work 3
            look q.dead 1            -> done matched=3 done=2 failed=1: a message was leased
            nack w 0s a              -> ok
            redrive q.dead           -> job 2
            work 3
            look q.dead 2            -> done matched=1 done=0 failed=1: the queue 'q' is full
            purge q both             -> removed 2
            delete q                 -> removed 0
            redrive q.dead           -> job 3
            work 3
            look q.dead 3            -> done matched=1 done=0 failed=1: there is no queue 'q' (any more)
            publish q.dead x         -> x
            redrive q.dead ids=x     -> job 4
            work 3
            look q.dead 4            -> done matched=1 done=0 failed=1: a message was no dead letter: it has no queue of origin
            records q.dead           -> a x
            """)
    }

    /// An operator keeps new messages out of a queue: those of a job stay where they are too.
    @Test func nothingIsMovedIntoAQueueWhosePublishesArePaused() throws {
        try Script.run(Self.threeDead + """
            pause q publishes        -> ok
            redrive q.dead to=q      -> !QUEUE_PAUSED
            bulk move q.dead to=q    -> !QUEUE_PAUSED
            redrive q.dead           -> job 1
            work 3
            look q.dead 1            -> done matched=3 done=0 failed=3: publishes to 'q' are paused by an operator
            records q.dead           -> a b c
            """)
    }

    @Test func originsAreHeldAgainstWhoBeganIt() throws {
        try Script.run(Self.threeDead + """
            queue r attempts=1 dead=q.dead
            publish r d
            lease w r 1 30s          -> d#1
            dead w d                 -> ok
            principal bob admin=* publish=r
            by bob redrive q.dead    -> job 1
            work 3
            look q.dead 1            -> done matched=4 done=1 failed=3: 'bob' may not publish to queue 'q'
            records r                -> d
            records q.dead           -> a b c
            principal nobody admin=*
            by nobody redrive q.dead -> !PERMISSION_DENIED
            by bob redrive q.dead to=q  -> !PERMISSION_DENIED
            redrive q.dead to=gone   -> !NO_SUCH_QUEUE
            redrive q.dead to=q.dead -> !INVALID_ARGUMENT
            redrive gone             -> !NO_SUCH_QUEUE
            bulk move q.dead         -> !INVALID_ARGUMENT
            redrive q.dead to=r max=2  -> job 2
            work 3
            look q.dead 2            -> done matched=2 done=2 failed=0
            records q.dead           -> c
            """)
    }

    @Test func whatComesLaterIsNotMeant() throws {
        try Script.run(Self.threeDead + """
            publish q d
            lease w q 1 30s          -> d#1
            tick 1ms
            redrive q.dead rate=1    -> job 1
            work 1
            look q.dead 1            -> running matched=1 done=1 failed=0
            dead w d                 -> ok
            publish q.dead e
            tick 5s
            tick 5s
            tick 5s
            tick 5s
            look q.dead 1            -> done matched=3 done=3 failed=0
            records q.dead           -> d e
            """)
    }

    @Test func cancelAndRescheduleByFilter() throws {
        try Script.run("""
            queue q
            publish q a/t:x b/t:y c/t:x d/d60s/t:x e/t:x
            lease w q 1 30s          -> a#1
            bulk cancel q header=taskType:x ids=a,b,c,d why=enough  -> job 1
            work 4
            look q 1                 -> done matched=3 done=3 failed=0
            pushed w                 -> a: enough
            browse q                 -> a:cancelled#1 b:ready#0 e:ready#0
            bulk reschedule q delay=5s  -> job 2
            work 4
            look q 2                 -> done matched=3 done=2 failed=1: a message was leased
            stats q                  -> ready=0 leased=1 delayed=2
            crash
            tick 6s
            lease v q 9 30s          -> b#1 e#1
            unreadable on
            bulk reschedule q header=taskType:x  -> job 3
            work 4
            look q 3                 -> stopped matched=0 done=0 failed=0: stored messages could not be read; look at the broker's log
            """)
    }

    @Test func aJobEndsWithItsQueue() throws {
        try Script.run("""
            queue q dead=
            queue r
            publish q a b c
            bulk move q to=r rate=1  -> job 1
            work 1
            delete q all             -> removed 2
            look q 1                 -> stopped matched=1 done=1 failed=0
            queue other dead=        -> created
            publish other x y
            tick 5s
            records other            -> x y
            crash
            look q 1                 -> stopped matched=1 done=1 failed=0
            tick 5s
            records other            -> x y
            records r                -> a
            """)
    }

    @Test func onlySoManyJobsRunAtOnce() throws {
        let begun = (1...16).map { "bulk cancel q rate=1 -> job \($0)\n" }.joined()
        try Script.run("queue q\npublish q \((1...40).map { "m\($0)" }.joined(separator: " "))\n" + begun + """
            bulk cancel q            -> !TOO_MANY_IN_FLIGHT
            stop q 3                 -> stopped matched=1 done=1 failed=0
            bulk cancel q            -> job 17
            work 3
            stats q                  -> ready=0 leased=0 delayed=0
            """)
    }

    /// More than a step looks at and changes, with records that must be read.
    @Test func manyMessagesTakeManySteps() throws {
        let names = (0..<1200).map { "m\($0)/t:\($0 % 3 == 0 ? "x" : "y")" }
        let publishes = stride(from: 0, to: names.count, by: 400).map { "publish q " + names[$0..<($0 + 400)].joined(separator: " ") + "\n" }.joined()
        try Script.run("queue q\nqueue r\n" + publishes + """
            bulk move q to=r header=taskType:x  -> job 1
            work 1
            crash
            work 10
            look q 1                 -> done matched=400 done=400 failed=0
            stats q                  -> ready=800 leased=0 delayed=0
            stats r                  -> ready=400 leased=0 delayed=0
            """)
    }
}
