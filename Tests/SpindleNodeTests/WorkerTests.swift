import Testing

/// Who is connected, what they hold, and what operators wish of them. Source: `protocol/workers.md`.
@Suite struct WorkerTests {
    @Test func whatEachHoldsIsShown() throws {
        try Script.run("""
            queue q
            publish q a b c d
            lease w q 2 30s            -> a#1 b#1
            lease v q 1 30s            -> c#1
            workers                    -> w(2) v(1)
            leases w                   -> a b
            progress w a 40 half
            leases w                   -> a@40 b
            ack w a                    -> ok
            leases w                   -> b
            lease w q 1 30s            -> d#1
            lease w q 1 30s 60s        -> wait
            workers                    -> w(2,waits) v(1)
            nack w policy d            -> ok
            leases w                   -> b
            reconnect w
            tick 31s
            workers                    -> none
            """)
    }

    @Test func leasesOfAGoneConnectionAreNobodysUntilExtended() throws {
        try Script.run("""
            queue q
            publish q a b
            lease w q 2 30s            -> a#1 b#1
            reconnect w
            workers                    -> gone(2)
            leases gone                -> a b
            extend w 30s a             -> ok
            workers                    -> w(1) gone(1)
            leases gone                -> b
            crash
            workers                    -> gone(2)
            extend w 30s b             -> ok
            leases gone                -> a
            ack w a b                  -> ok ok
            workers                    -> none
            """)
    }

    @Test func aQuietWorkerIsGivenNothingAndGoesOnWhenItMay() throws {
        try Script.run("""
            queue q
            publish q a
            lease w q 1 30s            -> a#1
            lease w q 1 30s 60s        -> wait
            control quiet w            -> 1
            wished w                   -> quiet: why
            workers                    -> w(1,waits,quiet)
            publish q b
            take w                     -> wait
            ack w a                    -> ok
            lease v q 1 30s            -> b#1
            control resume w           -> 1
            wished w                   -> resume: why
            publish q c
            take w                     -> c#1
            control terminate *        -> 4
            wished w                   -> terminate: why
            """)
    }

    @Test func aParkedLeaseEndsWithItsTimeAndWithItsQueue() throws {
        try Script.run("""
            queue q dead=
            lease w q 1 30s 10s        -> wait
            lease v q 1 30s 100s       -> wait
            control quiet w            -> 1
            control quiet v            -> 1
            tick 10s
            take w                     -> none
            delete q                   -> removed 0
            take v                     -> !NO_SUCH_QUEUE
            control resume v           -> 1
            queue p dead=              -> created
            publish p a
            take v                     -> wait
            lease v p 1 30s            -> a#1
            """)
    }

    @Test func onlyWhoMayAdministrateEverythingSteers() throws {
        try Script.run("""
            principal bob admin=q
            by bob control quiet *     -> !PERMISSION_DENIED
            by bob workers             -> !PERMISSION_DENIED
            control quiet nobody       -> 1
            """)
    }
}
