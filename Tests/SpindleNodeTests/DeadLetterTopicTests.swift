import SpindleNode
import SpindleWire
import Testing

/// A queue may name a topic that is told when a message dies. Source: `protocol/topics.md`, "Dead letters".
@Suite struct DeadLetterTopicTests {
    @Test func eachWayToDieIsTold() throws {
        try Script.run("""
            queue q attempts=2 backoff=0s tell=ends
            deaths ends                     -> none
            publish q a b c d/l10s e
            lease w q 3 30s                 -> a#1 b#1 c#1
            dead w a                        -> ok
            nack w policy b                 -> ok
            deaths ends                     -> q:a#1(no)>q.dead
            lease w q 1 30s                 -> b#2
            release w b                     -> ok
            cancel q b e                    -> ready ready
            tick 10s
            ack w c                         -> ok
            publish q f
            lease w q 9 30s                 -> f#1
            tick 31s
            lease w q 9 30s                 -> f#2
            tick 31s
            deaths ends                     -> q:a#1(no)>q.dead q:-b#1(enough) q:-e#0(enough) q:d#0(its time to live ended)>q.dead q:f#2(the lease ended)>q.dead
            crash
            checkpoint
            restart
            deaths ends                     -> q:a#1(no)>q.dead q:-b#1(enough) q:-e#0(enough) q:d#0(its time to live ended)>q.dead q:f#2(the lease ended)>q.dead
            """)
    }

    @Test func aMessageThatIsDroppedOrCancelledWhileLeasedIsTold() throws {
        try Script.run("""
            queue q dead= tell=ends
            publish q a b
            lease w q 2 30s                 -> a#1 b#1
            dead w a                        -> ok
            cancel q b                      -> leased
            deaths ends                     -> q:a#1(no)
            nack w policy b                 -> ok
            deaths ends                     -> q:a#1(no) q:-b#1(cancelled)
            """)
    }

    /// What ends well tells nothing, and neither do dead letters of their own.
    @Test func nothingElseIsTold() throws {
        try Script.run("""
            queue q attempts=1 tell=ends
            publish q a b
            lease w q 2 30s                 -> a#1 b#1
            ack w a                         -> ok
            release w b                     -> ok
            deaths ends                     -> none
            lease w q 1 30s                 -> b#1
            dead w b                        -> ok
            lease w q.dead 1 30s            -> b#1
            dead w b                        -> ok
            deaths ends                     -> q:b#1(no)>q.dead
            queue q tell=
            publish q c
            lease w q 1 30s                 -> c#1
            dead w c                        -> ok
            deaths ends                     -> q:b#1(no)>q.dead
            """)
    }

    /// A settlement is one entry: its events come after the deaths that it tells.
    @Test func aSettlementTellsDeathsAndPublishes() throws {
        try Script.run("""
            queue q tell=ends results=60s
            queue r
            publish q a b
            lease w q 2 30s                 -> a#1 b#1
            settle w ack=a dead=b publish=r:x event=other:y -> ok
            deaths ends                     -> q:b#1(no)>q.dead
            lease w r 1 30s                 -> x#1
            topics *                        -> ends other
            crash
            deaths ends                     -> q:b#1(no)>q.dead
            """)
    }

    @Test func manyDeathsFitSmallEntries() throws {
        try Script.run("""
            queue q attempts=1 tell=ends
            flood q m 300                   -> ok
            bulk cancel q                   -> job 1
            work 20
            look q 1                        -> done matched=300 done=300 failed=0
            """)
    }

    /// Whoever names the topic publishes to it with each death.
    @Test func namingATopicNeedsTheRightToPublishToIt() throws {
        try Script.run("""
            principal bob admin=* publish=* events=mine
            by bob queue q tell=ends        -> !PERMISSION_DENIED
            by bob queue q tell=mine        -> created
            topics *                        -> mine
            queue q tell=ends               -> changed
            by bob queue q lease=9s         -> changed
            by bob queue q tell=ends        -> unchanged
            """)
    }
}
