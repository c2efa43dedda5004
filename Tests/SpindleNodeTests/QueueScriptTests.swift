import Testing

/// Queues as their users know them, through whole frames, a log and a disk.
@Suite struct QueueScriptTests {
    @Test func deliversInOrderAndOnce() throws {
        try Script.run("""
            queue q                  -> created
            publish q a b c          -> a b c
            lease w q 2 30s          -> a#1 b#1
            ack w a b                -> ok ok
            lease w q 5 30s          -> c#1
            lease w q 5 30s          -> none
            ack w c                  -> ok
            ack w c                  -> LEASE_LOST
            stats q                  -> ready=0 leased=0 delayed=0
            """)
    }

    @Test func anExpiredLeaseComesBackAndItsTokenIsStale() throws {
        try Script.run("""
            queue q attempts=5
            publish q a
            lease w q 1 10s          -> a#1
            tick 9s
            lease v q 1 10s          -> none
            tick 2s
            lease v q 1 10s          -> a#2
            ack w ~a                 -> LEASE_LOST
            ack v a                  -> ok
            """)
    }

    @Test func extendingKeepsALease() throws {
        try Script.run("""
            queue q
            publish q a
            lease w q 1 10s          -> a#1
            tick 8s
            extend w 10s a           -> ok
            tick 8s
            lease v q 1 10s          -> none
            tick 4s
            lease v q 1 10s          -> a#2
            extend w 10s ~a          -> LEASE_LOST
            """)
    }

    @Test func waitingLeasesAreServedInTurn() throws {
        try Script.run("""
            queue q
            lease w q 1 30s 5s       -> wait
            lease v q 1 30s 5s       -> wait
            publish q a              -> a
            take w                   -> a#1
            take v                   -> wait
            publish q b              -> b
            take v                   -> b#1
            lease w q 1 30s 5s       -> wait
            tick 6s
            take w                   -> none
            """)
    }

    @Test func nackFollowsTheBackOffAndThenTheMessageIsDead() throws {
        try Script.run("""
            queue q attempts=3 backoff=1s
            publish q a
            lease w q 1 30s          -> a#1
            nack w policy a          -> ok
            lease w q 1 30s          -> none
            stats q                  -> ready=0 leased=0 delayed=1
            tick 1s
            lease w q 1 30s          -> a#2
            nack w policy a          -> ok
            tick 1s
            lease w q 1 30s          -> none
            tick 1s
            lease w q 1 30s          -> a#3
            nack w policy a          -> ok
            stats q                  -> ready=0 leased=0 delayed=0
            stats q.dead             -> ready=1 leased=0 delayed=0
            lease w q.dead 1 30s     -> a#1
            ack w a                  -> ok
            stats q.dead             -> ready=0 leased=0 delayed=0
            """)
    }

    @Test func expiryCountsAsAnAttempt() throws {
        try Script.run("""
            queue q attempts=2
            publish q a
            lease w q 1 10s          -> a#1
            tick 11s
            lease w q 1 10s          -> a#2
            tick 11s
            lease w q 1 10s          -> none
            stats q.dead             -> ready=1 leased=0 delayed=0
            """)
    }

    @Test func aReleasedMessageDoesNotLoseAnAttempt() throws {
        try Script.run("""
            queue q attempts=1
            publish q a
            lease w q 1 10s          -> a#1
            release w a              -> ok
            lease w q 1 10s          -> a#1
            dead w a                 -> ok
            stats q.dead             -> ready=1 leased=0 delayed=0
            """)
    }

    @Test func priorityAndDelay() throws {
        try Script.run("""
            queue q
            publish q a b/p9 c/p0 d/d5s
            stats q                  -> ready=3 leased=0 delayed=1
            lease w q 9 30s          -> b#1 a#1 c#1
            tick 5s
            lease w q 9 30s          -> d#1
            """)
    }

    @Test func givenBackMessagesKeepTheirPlace() throws {
        try Script.run("""
            queue q
            publish q a b c
            lease w q 1 30s          -> a#1
            nack w 0s a              -> ok
            lease w q 3 30s          -> a#2 b#1 c#1
            """)
    }

    @Test func limitsRefuseItemsAndNothingElse() throws {
        try Script.run("""
            queue q length=2
            publish q a b c          -> a b !QUEUE_FULL
            lease w q 9 30s          -> a#1 b#1
            publish q d              -> !QUEUE_FULL
            ack w a                  -> ok
            publish q d              -> d
            queue small bytes=50
            publish small 0123456789 0123456789   -> 0123456789 !QUEUE_FULL
            """)
    }

    @Test func deduplicationByKeyWithinItsWindow() throws {
        try Script.run("""
            queue q window=10s
            publish q a/k:1 b/k:2 c/k:1  -> a b =c
            publish q d/k:2          -> =d
            duplicates q             -> 2
            restart
            publish q d/k:2          -> =d
            checkpoint
            restart
            publish q d/k:2          -> =d
            tick 10s
            publish q e/k:2          -> e
            stats q                  -> ready=3 leased=0 delayed=0
            """)
    }

    @Test func aRepeatedPublishIsStoredOnce() throws {
        try Script.run("""
            queue q
            produce 1 q a b          -> a b
            produce 1 q a b          -> =a =b
            produce 3 q c            -> c
            produce 2 q b c d        -> =b =c d
            duplicates q             -> 4
            crash
            produce 1 q a b c d e    -> =a =b =c =d e
            checkpoint
            restart
            produce 4 q d e          -> =d =e
            stats q                  -> ready=5 leased=0 delayed=0
            """)
    }

    @Test func everythingSurvivesARestart() throws {
        try Script.run("""
            queue q attempts=3 backoff=5s
            publish q a b c d/d60s e
            lease w q 2 30s          -> a#1 b#1
            nack w policy b          -> ok
            restart
            ack w a                  -> ok
            stats q                  -> ready=2 leased=0 delayed=2
            tick 5s
            lease w q 9 30s          -> b#2 c#1 e#1
            crash
            lease v q 9 30s          -> none
            tick 31s
            lease v q 9 30s          -> b#3 c#2 e#2
            checkpoint
            crash
            tick 31s
            lease v q 9 30s          -> c#3 d#1 e#3
            stats q.dead             -> ready=1 leased=0 delayed=0
            """)
    }

    @Test func nothingIsAnsweredBeforeItIsDurable() throws {
        try Script.run("""
            queue q
            stall on
            publish q a              -> wait
            lease w q 1 30s          -> wait
            stall off
            take w                   -> a#1
            stall on
            ack w a                  -> wait
            crash
            stall off
            ack w a                  -> ok
            """)
    }

    @Test func unknownNamesAndSettingsAreRefused() throws {
        try Script.run("""
            publish nowhere a        -> !NO_SUCH_QUEUE
            lease w nowhere 1 30s    -> !NO_SUCH_QUEUE
            queue bad/name           -> !INVALID_ARGUMENT
            queue q lease=1s groups=2 -> !INVALID_ARGUMENT
            queue q dead=q           -> !INVALID_ARGUMENT
            queue q                  -> created
            queue q                  -> unchanged
            queue q attempts=4       -> changed
            lease w q 1 1200m      -> !INVALID_ARGUMENT
            """)
    }
}
