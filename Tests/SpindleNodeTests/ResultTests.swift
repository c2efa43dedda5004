import Testing

/// What messages leave behind, and AWAIT. Source: `protocol/messages.md`.
@Suite struct ResultTests {
    @Test func aResultIsKeptForItsTime() throws {
        try Script.run("""
            queue q results=60s
            publish q a b c
            lease w q 9 30s                 -> a#1 b#1 c#1
            done w a=r1 b c=4096*           -> ok ok ok
            await s q 0 a b c               -> acknowledged(r1) acknowledged acknowledged(4096 bytes)
            await s q 0 c a                 -> acknowledged(4096 bytes) acknowledged(r1)
            crash
            await s q 0 a b                 -> acknowledged(r1) acknowledged
            checkpoint
            restart
            await s q 0 a b nobody          -> acknowledged(r1) acknowledged !NO_SUCH_MESSAGE
            tick 59s
            await s q 0 a                   -> acknowledged(r1)
            tick 2s
            await s q 0 a b                 -> !NO_SUCH_MESSAGE !NO_SUCH_MESSAGE
            crash
            await s q 0 a                   -> !NO_SUCH_MESSAGE
            """)
    }

    @Test func anAwaitWaitsForAllOrForItsTime() throws {
        try Script.run("""
            queue q results=60s
            publish q a b
            await s q 10s a b               -> wait
            await t q 5s b                  -> wait
            await u q 0 a b                 -> pending pending
            lease w q 1 30s                 -> a#1
            done w a=x                      -> ok
            taken s                         -> wait
            tick 5s
            taken t                         -> pending
            lease w q 1 30s                 -> b#1
            done w b                        -> ok
            taken s                         -> acknowledged(x) acknowledged
            tick 60s
            taken s                         -> wait
            """)
    }

    @Test func nothingIsToldBeforeItIsDurable() throws {
        try Script.run("""
            queue q results=60s
            publish q a
            lease w q 1 30s                 -> a#1
            await s q 10s a                 -> wait
            stall on
            done w a=x                      -> wait
            taken s                         -> wait
            stall off
            taken s                         -> acknowledged(x)
            """)
    }

    @Test func everyEndingIsTold() throws {
        try Script.run("""
            queue q results=600s attempts=2 backoff=0ms
            queue r results=600s attempts=1 dead=
            publish q a b c d e
            publish r z
            lease w q 9 30s                 -> a#1 b#1 c#1 d#1 e#1
            lease v r 9 10s                 -> z#1
            await s q 100s a                -> wait
            dead w a                        -> ok
            taken s                         -> dead(no)
            release w b                     -> ok
            cancel q b c                    -> ready leased
            await s q 0 b c                 -> cancelled pending
            release w c                     -> ok
            await s q 0 b c                 -> cancelled cancelled
            nack w 1ms d                    -> ok
            tick 1ms
            lease w q 9 30s                 -> d#2
            tick 31s
            await s q 0 d                   -> dead(the lease ended)
            await s r 0 z                   -> dead(the lease ended)
            redrive q.dead ids=a            -> job 1
            work 20
            await s q 10s a                 -> wait
            lease w q 1 30s                 -> a#1
            done w a=again                  -> ok
            taken s                         -> acknowledged(again)
            crash
            await s q 0 a b d               -> acknowledged(again) cancelled dead(the lease ended)
            """)
    }

    @Test func whatIsPurgedOrDeletedIsNotKnown() throws {
        try Script.run("""
            queue q results=60s
            publish q a b
            await s q 100s a b              -> wait
            await t q 100s a                -> wait
            lease w q 1 30s                 -> a#1
            purge q both                    -> removed 1
            taken s                         -> wait
            done w a=x                      -> ok
            taken s                         -> acknowledged(x) !NO_SUCH_MESSAGE
            taken t                         -> acknowledged(x)
            publish q c
            await s q 100s c                -> wait
            delete q all                    -> removed 1
            taken s                         -> !NO_SUCH_MESSAGE
            queue p results=60s dead=       -> created
            await s p 0 a                   -> !NO_SUCH_MESSAGE
            crash
            await s p 0 a                   -> !NO_SUCH_MESSAGE
            """)
    }

    /// Nobody would ever be told of its end there.
    @Test func whatMovesToAnotherQueueIsNotAwaitedInVain() throws {
        try Script.run("""
            queue q results=60s
            queue r results=60s
            publish q a b
            await s q 100s a b              -> wait
            bulk move q to=r ids=a          -> job 1
            work 3
            taken s                         -> wait
            bulk move q to=r                -> job 2
            work 3
            taken s                         -> !NO_SUCH_MESSAGE !NO_SUCH_MESSAGE
            await s r 0 a                   -> pending
            """)
    }

    @Test func aMoveInTheLogTakesResultsAlong() throws {
        try Script.run("""
            queue q results=600s
            publish q a b c
            lease w q 2 30s                 -> a#1 b#1
            done w a=first b=second         -> ok ok
            move                            -> 3
            await s q 0 a b                 -> acknowledged(first) acknowledged(second)
            crash
            await s q 0 a b                 -> acknowledged(first) acknowledged(second)
            move                            -> 3
            checkpoint
            restart
            lease w q 9 30s                 -> c#1
            done w c=third                  -> ok
            await s q 0 c b a               -> acknowledged(third) acknowledged(second) acknowledged(first)
            """)
    }

    @Test func whatCannotBeAwaitedIsSaid() throws {
        try Script.run("""
            queue q results=60s
            queue none
            publish q a b
            publish none x
            await s none 0 x                -> !INVALID_ARGUMENT
            await s nowhere 0 a             -> !NO_SUCH_QUEUE
            await s q 0                     -> !INVALID_ARGUMENT
            principal bob lease=*
            await bob q 0 a                 -> !PERMISSION_DENIED
            await s q 100s a                -> wait
            lease w none 1 30s              -> x#1
            done w x=lost                   -> ok
            await s q 100s b                -> wait
            reconnect s
            lease w q 9 30s                 -> a#1 b#1
            done w a b                      -> ok ok
            taken s                         -> wait
            await s q 100s a                -> acknowledged
            drain
            """)
    }

    @Test func aResultThatIsTooLargeChangesNothing() throws {
        try Script.run("""
            queue q results=60s
            publish q a
            lease w q 1 30s                 -> a#1
            done w a=4097*                  -> !INVALID_ARGUMENT
            done w a=4096*                  -> ok
            await s q 0 a                   -> acknowledged(4096 bytes)
            """)
    }

    @Test func unreadableResultsAreSaidAndTheRestIsGiven() throws {
        try Script.run("""
            queue q results=60s
            publish q a b
            lease w q 9 30s                 -> a#1 b#1
            done w a=x b                    -> ok ok
            unreadable on
            await s q 0 a b                 -> !RECORD_DAMAGED acknowledged
            unreadable off
            await s q 0 a b                 -> acknowledged(x) acknowledged
            """)
    }
}
