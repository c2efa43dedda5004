import Testing

/// What a queue's settings promise, through whole frames, a log and a disk. (All of them at once: the property tests of the engine.)
@Suite struct PolicyScriptTests {
    // MARK: Ordered groups

    @Test func messagesOfAGroupComeOneAtATimeInOrder() throws {
        try Script.run("""
            queue q groups=1
            publish q a1/g:a a2/g:a b1/g:b x y a3/g:a/p9
            lease w q 9 30s          -> x#1 a1#1 b1#1 y#1
            lease w q 9 30s          -> none
            ack w a1                 -> ok
            lease w q 9 30s          -> a2#1
            crash
            lease w q 9 30s          -> none
            checkpoint
            restart
            ack w a2 b1              -> ok ok
            lease w q 9 30s          -> a3#1
            ack w a3                 -> ok
            publish q a4/g:a         -> a4
            lease w q 9 30s          -> a4#1
            """)
    }

    @Test func aDelayedMessageHoldsItsGroupBack() throws {
        try Script.run("""
            queue q groups=1
            publish q a1/g:a/d10s a2/g:a b1/g:b
            lease w q 9 30s          -> b1#1
            tick 9s
            lease w q 9 30s          -> none
            crash
            lease w q 9 30s          -> none
            tick 1s
            lease w q 9 30s          -> a1#1
            lease w q 9 30s          -> none
            ack w a1                 -> ok
            lease w q 9 30s          -> a2#1
            """)
    }

    @Test func aFailedMessageComesAgainBeforeThoseBehindIt() throws {
        try Script.run("""
            queue q groups=1 attempts=3 backoff=5s
            publish q a1/g:a a2/g:a
            lease w q 9 10s          -> a1#1
            nack w policy a1         -> ok
            lease w q 9 10s          -> none
            tick 5s
            lease w q 9 10s          -> a1#2
            tick 11s
            stats q                  -> ready=2 leased=0 delayed=0
            publish q a3/g:a
            lease w q 9 10s          -> a1#3
            restart
            ack w a1                 -> ok
            lease w q 9 10s          -> a2#1
            release w a2             -> ok
            lease w q 9 10s          -> a2#1
            """)
    }

    @Test func aDeadMessageLetsItsGroupGoOn() throws {
        try Script.run("""
            queue q groups=1 attempts=1
            publish q a1/g:a a2/g:a a3/g:a
            lease w q 9 10s          -> a1#1
            nack w policy a1         -> ok
            lease w q 9 10s          -> a2#1
            tick 11s
            lease w q 9 10s          -> a3#1
            stats q.dead             -> ready=2 leased=0 delayed=0
            crash
            lease w q.dead 9 10s     -> a1#1 a2#1
            release w a1 a2          -> ok ok
            redrive q.dead           -> job 1
            work 5
            stats q                  -> ready=2 leased=1 delayed=0
            lease w q 9 10s          -> none
            ack w a3                 -> ok
            lease w q 9 10s          -> a1#1
            ack w a1                 -> ok
            lease w q 9 10s          -> a2#1
            """)
    }

    // MARK: Priorities

    @Test func theHighestPriorityComesFirst() throws {
        try Script.run("""
            queue q
            publish q p4 p0/p0 p9/p9 p1/p1 p8/p8 p2/p2 p7/p7 p3/p3 p6/p6 p5/p5 q9/p9 q0/p0 q4
            lease w q 3 30s          -> p9#1 q9#1 p8#1
            crash
            lease w q 9 30s          -> p7#1 p6#1 p5#1 p4#1 q4#1 p3#1 p2#1 p1#1 p0#1
            nack w 0s p6 p2          -> ok ok
            publish q r5/p5
            lease w q 9 30s          -> p6#2 r5#1 p2#2 q0#1
            queue r priorities=0
            publish r a b/p9 c/p0
            lease w r 9 30s          -> a#1 b#1 c#1
            """)
    }

    @Test func theBestPriorityOfAnyGroupComesFirst() throws {
        try Script.run("""
            queue q fair=1
            publish q a1/g:a a2/g:a/p9 b1/g:b/p1 b2/g:b/p9 x/p9
            lease w q 9 30s          -> x#1 a2#1 b2#1 a1#1 b1#1
            """)
    }

    // MARK: Fairness

    @Test func aHugeBacklogDoesNotStarveTenMessages() throws {
        try Script.run("""
            queue q fair=1
            flood q x 500 /g:x       -> ok
            flood q y 10 /g:y        -> ok
            count w q 20 30s         -> x:10 y:10
            flood q z 10 /g:z        -> ok
            crash
            count w q 10 30s         -> x:5 z:5
            checkpoint
            restart
            flood q y 5 /g:y         -> ok
            count w q 12 30s         -> y:4 x:4 z:4
            queue unfair
            flood unfair x 50 /g:x   -> ok
            flood unfair y 10 /g:y   -> ok
            count w unfair 20 30s    -> x:20
            """)
    }

    // MARK: Concurrency

    @Test func leasesOfAQueueAreLimited() throws {
        try Script.run("""
            queue q concurrency=2
            publish q a b c d
            lease w q 9 10s          -> a#1 b#1
            lease v q 9 10s          -> none
            lease v q 9 10s 60s      -> wait
            ack w a                  -> ok
            take v                   -> c#1
            crash
            lease v q 9 10s          -> none
            lease v q 9 10s 60s      -> wait
            tick 11s
            take v                   -> b#2 c#2
            """)
    }

    @Test func leasesOfAKeyAreLimited() throws {
        try Script.run("""
            queue q keyconcurrency=2
            publish q a1/g:a a2/g:a a3/g:a b1/g:b x y z
            lease w q 9 10s          -> x#1 a1#1 b1#1 y#1 a2#1 z#1
            lease w q 9 10s          -> none
            crash
            lease w q 9 10s          -> none
            lease w q 9 10s 60s      -> wait
            nack v 0s a2             -> ok
            take w                   -> a2#2
            ack w a1                 -> ok
            lease w q 9 10s          -> a3#1
            """)
    }

    // MARK: Rates

    @Test func deliveriesOfAQueueKeepToItsRate() throws {
        try Script.run("""
            queue q rate=10
            publish q a b c d e
            lease w q 9 30s          -> a#1
            lease w q 9 30s          -> none
            tick 99ms
            lease w q 9 30s          -> none
            tick 1ms
            lease w q 9 30s          -> b#1
            lease w q 9 30s 5s       -> wait
            tick 99ms
            take w                   -> wait
            tick 1ms
            take w                   -> c#1
            crash
            lease w q 9 30s          -> none
            checkpoint
            restart
            lease w q 9 30s          -> none
            tick 100ms
            lease w q 9 30s          -> d#1
            tick 5s
            publish q f g
            lease w q 9 30s          -> e#1
            """)
    }

    @Test func aHighRateAllowsWhatIsDueInATenthOfASecond() throws {
        try Script.run("""
            queue q rate=100
            flood q x 100            -> ok
            count w q 100 30s        -> x:10
            tick 10ms
            count w q 3 30s          -> x:1
            tick 50ms
            count w q 9 30s          -> x:5
            tick 10s
            count w q 99 30s         -> x:10
            """)
    }

    @Test func deliveriesOfAKeyKeepToItsRate() throws {
        try Script.run("""
            queue q keyrate=10
            publish q a1/g:a a2/g:a b1/g:b x y
            lease w q 9 30s          -> x#1 a1#1 b1#1 y#1
            ack w a1 b1              -> ok ok
            publish q b2/g:b
            lease w q 9 30s 5s       -> wait
            tick 99ms
            take w                   -> wait
            tick 1ms
            take w                   -> a2#1 b2#1
            ack w a2                 -> ok
            crash
            publish q a3/g:a
            lease w q 9 30s          -> none
            tick 100ms
            lease w q 9 30s          -> a3#1
            """)
    }

    // MARK: Times to live

    @Test func whatIsNotDeliveredInItsTimeDies() throws {
        try Script.run("""
            queue q ttl=10s
            publish q a b c/d20s e/l5s f/l60s
            tick 4999ms
            lease w q 1 30s          -> a#1
            stats q                  -> ready=3 leased=1 delayed=1
            tick 1ms
            stats q                  -> ready=2 leased=1 delayed=1
            history q.dead e         -> q: its time to live ended
            tick 5s
            stats q                  -> ready=1 leased=1 delayed=1
            crash
            stats q.dead             -> ready=2 leased=0 delayed=0
            tick 19s
            stats q                  -> ready=2 leased=1 delayed=0
            ack w a                  -> ok
            tick 1s
            stats q                  -> ready=1 leased=0 delayed=0
            tick 30s
            stats q                  -> ready=0 leased=0 delayed=0
            lease w q.dead 9 30s     -> b#1 c#1 e#1 f#1
            """)
    }

    @Test func aLeasedMessageIsJudgedWhenItsLeaseEnds() throws {
        try Script.run("""
            queue q ttl=10s attempts=9
            publish q a b c
            lease w q 9 20s          -> a#1 b#1 c#1
            tick 15s
            stats q                  -> ready=0 leased=3 delayed=0
            nack w 1s a              -> ok
            stats q.dead             -> ready=1 leased=0 delayed=0
            history q.dead a         -> q: its time to live ended; nacked no
            ack w b                  -> ok
            tick 6s
            stats q                  -> ready=0 leased=0 delayed=0
            history q.dead c         -> q: its time to live ended; expired the lease ended
            """)
    }

    @Test func deadLettersAreKeptForTheirTime() throws {
        try Script.run("""
            queue q ttl=10s
            queue q.dead ttl=60s dead= -> changed
            publish q a b
            lease w q 1 30s          -> a#1
            dead w a                 -> ok
            tick 10s
            stats q.dead             -> ready=2 leased=0 delayed=0
            tick 49s
            crash
            stats q.dead             -> ready=2 leased=0 delayed=0
            tick 1s
            stats q.dead             -> ready=1 leased=0 delayed=0
            tick 10s
            stats q.dead             -> ready=0 leased=0 delayed=0
            queue r ttl=1s dead=
            publish r x
            tick 1s
            stats r                  -> ready=0 leased=0 delayed=0
            """)
    }

    @Test func anOrderedGroupGoesOnBehindAMessageWhoseTimeEnded() throws {
        try Script.run("""
            queue q groups=1
            publish q a1/g:a/l5s a2/g:a a3/g:a
            lease w q 9 30s          -> a1#1
            tick 6s
            lease w q 9 30s 60s      -> wait
            nack v 0s a1             -> ok
            take w                   -> a2#1
            """)
    }

    // MARK: Delays, limits

    @Test func aDelayMayTakeYears() throws {
        try Script.run("""
            queue q delay=8y
            publish q a/d9y b c/d1s
            stats q                  -> ready=0 leased=0 delayed=3
            tick 1s
            lease w q 9 30s          -> c#1
            ack w c                  -> ok
            crash
            tick 8y
            lease w q 9 30s          -> b#1
            checkpoint
            restart
            tick 364d
            stats q                  -> ready=1 leased=0 delayed=1
            tick 1d
            lease w q 9 30s          -> a#1 b#2
            """)
    }

    @Test func limitsCountEveryStateAndDoNotLoseTheDead() throws {
        try Script.run("""
            queue q length=3 attempts=1
            queue q.dead length=1
            publish q a b/d60s c d   -> a b c !QUEUE_FULL
            lease w q 9 30s          -> a#1 c#1
            publish q d              -> !QUEUE_FULL
            nack w policy a c        -> ok ok
            stats q.dead             -> ready=2 leased=0 delayed=0
            publish q.dead x         -> !QUEUE_FULL
            publish q d e f          -> d e !QUEUE_FULL
            queue q length=4         -> changed
            publish q f              -> f
            queue q length=1         -> changed
            publish q g              -> !QUEUE_FULL
            stats q                  -> ready=3 leased=0 delayed=1
            queue s bytes=90
            publish s 0123456789 0123456789 0123456789 0123456789 -> 0123456789 0123456789 0123456789 !QUEUE_FULL
            crash
            publish s 0123456789     -> !QUEUE_FULL
            """)
    }

    // MARK: Changes while work goes on

    @Test func aChangedLimitHoldsAtOnce() throws {
        try Script.run("""
            queue q concurrency=1
            publish q a b c d
            lease w q 9 30s          -> a#1
            lease v q 1 30s 60s      -> wait
            queue q concurrency=2    -> changed
            take v                   -> b#1
            queue q concurrency=0 rate=1 -> changed
            lease v q 9 30s          -> c#1
            lease v q 9 30s 60s      -> wait
            queue q rate=0           -> changed
            take v                   -> d#1
            publish q e
            tick 1s
            queue q ttl=5s           -> changed
            tick 3s
            stats q                  -> ready=1 leased=4 delayed=0
            tick 1s
            stats q                  -> ready=0 leased=4 delayed=0
            stats q.dead             -> ready=1 leased=0 delayed=0
            """)
    }

    @Test func aChangedOrderHoldsForWhatIsStoredFromThenOn() throws {
        try Script.run("""
            queue q
            publish q a1/g:a a2/g:a
            queue q groups=1         -> changed
            publish q a3/g:a a4/g:a
            lease w q 9 30s          -> a1#1 a3#1 a2#1
            queue q groups=0         -> changed
            crash
            lease w q 9 30s          -> a4#1
            nack w 5s a3             -> ok
            publish q a5/g:a
            queue q groups=1         -> changed
            ack w a4                 -> ok
            lease w q 9 30s          -> a5#1
            tick 5s
            lease w q 9 30s          -> a3#2
            """)
    }

    @Test func whatIsPausedStaysSoOverACrash() throws {
        try Script.run("""
            queue q fair=1
            publish q a/g:a b/g:b
            lease w q 1 10s          -> a#1
            pause q deliveries maintenance
            lease v q 1 10s 60s      -> wait
            publish q c/g:a          -> c
            crash
            lease v q 1 10s 60s      -> wait
            ack w a                  -> ok
            checkpoint
            crash
            lease v q 9 10s 60s      -> wait
            pause q publishes maintenance
            take v                   -> b#1 c#1
            publish q d              -> !QUEUE_PAUSED
            crash
            publish q d              -> !QUEUE_PAUSED
            resume q
            publish q d              -> d
            """)
    }

    @Test func aPurgedQueueWithGroupsGoesOn() throws {
        try Script.run("""
            queue q groups=1 keyrate=1
            publish q a1/g:a a2/g:a b1/g:b/d60s x
            lease w q 9 30s          -> x#1 a1#1
            purge q ready            -> removed 1
            publish q a3/g:a b2/g:b
            lease w q 9 30s          -> none
            purge q delayed          -> removed 1
            lease w q 9 30s          -> b2#1
            crash
            ack w a1                 -> ok
            lease w q 9 30s          -> none
            tick 1s
            lease w q 9 30s          -> a3#1
            delete q all             -> removed 3
            queue q groups=1 dead=   -> created
            publish q a1/g:a
            lease w q 9 30s          -> a1#1
            """)
    }
}
