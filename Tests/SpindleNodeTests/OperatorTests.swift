import SpindleWire
import Testing

/// What operators do to queues and messages, through whole frames, a log and a disk.
@Suite struct OperatorTests {
    @Test func aPurgeTakesWhatWaitsAndLeavesWhatIsLeased() throws {
        try Script.run("""
            queue q
            publish q a b c/p9 d/d60s e/k:1
            lease w q 1 30s          -> c#1
            purge q delayed          -> removed 1
            stats q                  -> ready=3 leased=1 delayed=0
            crash
            purge q ready            -> removed 3
            purge q both             -> removed 0
            stats q                  -> ready=0 leased=1 delayed=0
            crash
            stats q                  -> ready=0 leased=1 delayed=0
            ack w c                  -> ok
            publish q f/k:1          -> =f
            purge nowhere both       -> !NO_SUCH_QUEUE
            """)
    }

    @Test func aDeletedQueueIsGoneAndItsNumberServesAnother() throws {
        try Script.run("""
            queue q dead=
            queue r
            publish q a/k:1 b c
            lease w q 1 30s          -> a#1
            delete q                 -> !CONFLICT
            delete q all             -> removed 3
            publish q a              -> !NO_SUCH_QUEUE
            lease w q 1 30s          -> !NO_SUCH_QUEUE
            ack w a                  -> LEASE_LOST
            stats q                  -> none
            crash
            publish q a              -> !NO_SUCH_QUEUE
            queue other dead=        -> created
            publish other x          -> x
            queue q dead=            -> created
            stats q                  -> ready=0 leased=0 delayed=0
            publish q d/k:1          -> d
            publish r y              -> y
            checkpoint
            restart
            lease w other 9 30s      -> x#1
            lease w q 9 30s          -> d#1
            delete nowhere           -> !NO_SUCH_QUEUE
            """)
    }

    @Test func whoWaitsForADeletedQueueIsTold() throws {
        try Script.run("""
            queue q dead=
            lease w q 1 30s 60s      -> wait
            lease v q 1 30s 60s      -> wait
            delete q                 -> removed 0
            take w                   -> !NO_SUCH_QUEUE
            take v                   -> !NO_SUCH_QUEUE
            queue p dead=            -> created
            lease u p 1 30s 60s      -> wait
            publish p a              -> a
            take w                   -> wait
            take u                   -> a#1
            tick 61s
            take v                   -> wait
            """)
    }

    @Test func aDeadLetterQueueIsKeptWhileAnotherNeedsIt() throws {
        try Script.run("""
            queue q
            delete q.dead all        -> !CONFLICT
            delete q                 -> removed 0
            delete q.dead            -> removed 0
            """)
    }

    @Test func aPauseHoldsOverARestartAndEnds() throws {
        try Script.run("""
            queue q
            publish q a b
            lease w q 1 30s          -> a#1
            pause q deliveries lunch -> ok
            lease v q 1 30s 60s      -> wait
            publish q c              -> c
            take v                   -> wait
            extend w 30s a           -> ok
            ack w a                  -> ok
            crash
            lease v q 1 30s          -> none
            lease v q 1 30s 60s      -> wait
            resume q                 -> ok
            take v                   -> b#1
            pause q publishes        -> ok
            publish q d              -> !QUEUE_PAUSED
            lease w q 1 30s          -> c#1
            checkpoint
            restart
            publish q d              -> !QUEUE_PAUSED
            pause q deliveries       -> ok
            publish q d              -> d
            pause nowhere both       -> !NO_SUCH_QUEUE
            resume nowhere           -> !NO_SUCH_QUEUE
            """)
    }

    // MARK: Looking

    @Test func browsingShowsEveryStateAndChangesNothing() throws {
        try Script.run("""
            queue q
            publish q a b c/d60s d/p9
            lease w q 1 30s          -> d#1
            browse q                 -> a:ready#0 b:ready#0 c:delayed#0 d:leased#1
            browse q max=2           -> a:ready#0 b:ready#0 …
            browse q max=2 after=b   -> c:delayed#0 d:leased#1
            browse q after=d         -> none
            browse q states=leased,delayed  -> c:delayed#0 d:leased#1
            browse q tried=1         -> d:leased#1
            browse q triedmost=0     -> a:ready#0 b:ready#0 c:delayed#0
            browse q ids=d,b,nobody  -> b:ready#0 d:leased#1
            browse q older=1s        -> none
            tick 2s
            browse q older=1s ids=a  -> a:ready#0
            browse q newer=1s        -> none
            records q                -> a b c d
            records q bytes=1        -> a …
            records q bytes=42       -> a b …
            get q d                  -> leased#1 admin/w
            get q nobody             -> !NO_SUCH_MESSAGE
            stats q                  -> ready=2 leased=1 delayed=1
            browse nowhere           -> !NO_SUCH_QUEUE
            get nowhere a            -> !NO_SUCH_QUEUE
            """)
    }

    @Test func headersAreReadFromTheLog() throws {
        try Script.run("""
            queue q
            publish q a/t:esprit.gen b/t:missing/h:part:1234 c/h:part:77/k:key1 d
            records q header=taskType:missing        -> b
            records q contains=taskType:esprit       -> a
            records q contains=:34                   -> b
            records q header=part:77                 -> c
            records q header=part:7                  -> none
            records q header=dedupKey:key1           -> c
            records q contains=part: states=ready    -> b c
            records q contains=part:7 header=dedupKey:key1  -> c
            records q contains=part:7 max=1 after=c  -> none
            lease w q 1 30s                          -> a#1
            browse q header=taskType:esprit.gen      -> a:leased#1
            unreadable on
            browse q header=part:77                  -> !INTERNAL_ERROR
            browse q header=part:77 ids=nobody       -> none
            """)
    }

    @Test func onlyWhatIsDurableIsShown() throws {
        try Script.run("""
            queue q
            publish q a/t:x
            stall on
            publish q b/t:x          -> wait
            browse q                 -> wait
            browse q header=taskType:x  -> wait
            get q a                  -> wait
            stall off
            browse q header=taskType:x  -> a:ready#0 ?:ready#0
            """)
    }

    @Test func historiesAndProgressAreShown() throws {
        try Script.run("""
            queue q attempts=2 backoff=0ms
            publish q a
            history q a              -> none
            lease w q 1 10s          -> a#1
            progress w a 40 half     -> ok
            get q a                  -> leased#1 admin/w 40% half
            progress w a 255         -> ok
            get q a                  -> leased#1 admin/w
            progress w a 70 more     -> ok
            nack w 0s a              -> ok
            get q a                  -> ready#1
            history q a              -> nacked no
            lease w q 1 10s          -> a#2
            get q a                  -> leased#2 admin/w
            tick 11s
            get q.dead a             -> ready#0
            history q.dead a         -> q: the lease ended; nacked no, expired the lease ended
            browse q.dead origin=q   -> a:ready#0
            browse q.dead origin=r   -> none
            browse q.dead reason=lease  -> a:ready#0
            browse q.dead reason=nobody -> none
            """)
    }

    // MARK: Changing

    @Test func cancelledMessagesAreGoneAndHoldersAreTold() throws {
        try Script.run("""
            queue q
            publish q a b c/d60s d
            lease w q 1 30s          -> a#1
            lease v q 1 30s          -> b#1
            cancel q a c d nobody d  -> leased delayed ready NO_SUCH_MESSAGE NO_SUCH_MESSAGE
            pushed w                 -> a: enough
            pushed v                 -> none
            get q a                  -> cancelled#1 admin/w
            browse q states=leased   -> a:cancelled#1 b:leased#1
            extend w 30s a           -> ok+cancelled
            extend v 30s b           -> ok
            crash
            stats q                  -> ready=0 leased=2 delayed=0
            extend w 30s a           -> ok+cancelled
            nack w 0s a              -> ok
            stats q                  -> ready=0 leased=1 delayed=0
            stats q.dead             -> ready=0 leased=0 delayed=0
            cancel q b               -> leased
            checkpoint
            restart
            tick 31s
            stats q                  -> ready=0 leased=0 delayed=0
            stats q.dead             -> ready=0 leased=0 delayed=0
            cancel nowhere a         -> !NO_SUCH_QUEUE
            """)
    }

    @Test func aCancelledPushWaitsForTheDisk() throws {
        try Script.run("""
            queue q
            publish q a
            lease w q 1 30s          -> a#1
            stall on
            cancel q a               -> wait
            pushed w                 -> none
            stall off
            pushed w                 -> a: enough
            """)
    }

    @Test func reschedulingMovesTheTime() throws {
        try Script.run("""
            queue q
            publish q a b/d60s c
            lease w q 1 30s          -> a#1
            reschedule q 5s a b c nobody  -> CONFLICT ok ok NO_SUCH_MESSAGE
            stats q                  -> ready=0 leased=1 delayed=2
            crash
            tick 5s
            lease v q 9 30s          -> b#1 c#1
            publish q d/d60s
            lease v q 1 30s 60s      -> wait
            reschedule q 0s d        -> ok
            take v                   -> d#1
            reschedule nowhere 0s d  -> !NO_SUCH_QUEUE
            """)
    }

    @Test func whoMayNotIsRefusedAndNothingChanges() throws {
        try Script.run("""
            queue q
            queue r
            publish q a
            principal reader read=q
            principal stranger publish=* lease=* read=r admin=r
            principal keeper admin=q,q.dead publish=r
            by reader browse q       -> a:ready#0
            by reader get q a        -> ready#0
            by keeper browse q       -> a:ready#0
            by stranger browse q     -> !PERMISSION_DENIED
            by stranger get q a      -> !PERMISSION_DENIED
            by reader delete q all   -> !PERMISSION_DENIED
            by reader purge q both   -> !PERMISSION_DENIED
            by reader pause q both   -> !PERMISSION_DENIED
            by reader resume q       -> !PERMISSION_DENIED
            by reader cancel q a     -> !PERMISSION_DENIED
            by reader reschedule q 0s a  -> !PERMISSION_DENIED
            by reader redrive q      -> !PERMISSION_DENIED
            by reader bulk cancel q  -> !PERMISSION_DENIED
            by stranger bulk move q to=r   -> !PERMISSION_DENIED
            by keeper bulk move q to=q.dead  -> !PERMISSION_DENIED
            by keeper bulk move q to=r -> job 1
            by reader look q 1       -> !PERMISSION_DENIED
            by stranger stop q 1     -> !PERMISSION_DENIED
            """)
    }
}
