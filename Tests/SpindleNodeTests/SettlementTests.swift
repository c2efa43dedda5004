import SpindleNode
import SpindleWire
import Testing

/// What SETTLE, keys and tokens promise: one frame with a key twice, empty keys, tokens of others.
@Suite struct SettlementTests {
    @Test func aKeyComesInOnceHoweverManyGroupsOfASettleHaveIt() throws {
        try Script.run("""
            queue q window=1m
            queue r window=1m
            settle w publish=q:a/k:1 publish=q:b/k:1         -> !CONFLICT
            settle w publish=q:a/k:1 publish=q:b/k:2 publish=q:c/k:1    -> !CONFLICT
            stats q                  -> ready=0 leased=0 delayed=0
            settle w publish=q:a/k:1 publish=r:b/k:1         -> ok
            settle w publish=q:c publish=q:d                 -> ok
            stats q                  -> ready=3 leased=0 delayed=0
            settle w publish=q:e/k:1                         -> !CONFLICT
            queue q window=0s
            settle w publish=q:f/k:1 publish=q:g/k:1         -> ok
            crash
            stats q                  -> ready=5 leased=0 delayed=0
            stats r                  -> ready=1 leased=0 delayed=0
            """)
    }

    @Test func groupsOfASettleShareTheirQueuesRoom() throws {
        try Script.run("""
            queue q length=2
            settle w publish=q:a publish=q:b publish=q:c     -> !QUEUE_FULL
            settle w publish=q:a publish=q:b                 -> ok
            queue r bytes=50
            settle w publish=r:a publish=r:b publish=r:c     -> !QUEUE_FULL
            settle w publish=r:a publish=r:b                 -> ok
            stats q                  -> ready=2 leased=0 delayed=0
            stats r                  -> ready=2 leased=0 delayed=0
            """)
    }

    @Test func anEmptyKeyIsNoKeyAndAnEmptyGroupNone() throws {
        try Script.run("""
            queue q window=1m groups=1
            publish q a/k: b/k:      -> a b
            publish q c/k:           -> c
            settle w publish=q:d/k: publish=q:e/k:           -> ok
            publish q f/g: g/g:      -> f g
            lease w q 9 30s          -> a#1 b#1 c#1 d#1 e#1 f#1 g#1
            crash
            publish q h/k:           -> h
            checkpoint
            restart
            publish q i/k:           -> i
            """)
    }

    @Test func aTokenIsGoodForThePrincipalThatItWasGrantedToAndNoOther() throws {
        try Script.run("""
            queue q
            publish q a b c d
            principal ann lease=*
            principal an lease=*
            principal ann.b lease=*
            lease ann q 4 10m        -> a#1 b#1 c#1 d#1
            ack an a                 -> LEASE_LOST
            nack an policy a         -> LEASE_LOST
            dead ann.b a             -> LEASE_LOST
            release an a             -> LEASE_LOST
            extend an 60s a          -> LEASE_LOST
            settle an ack=a          -> !LEASE_LOST
            ack ann a                -> ok
            crash
            principal ann lease=*
            principal an lease=*
            ack an b                 -> LEASE_LOST
            ack ann b                -> ok
            checkpoint
            restart
            principal ann lease=*
            principal an lease=*
            extend an 60s c          -> LEASE_LOST
            extend ann 60s c         -> ok
            reconnect ann
            principal ann lease=*
            ack ann c d              -> ok ok
            """)
    }

    @Test func anotherClientOfThePrincipalMaySettleItsTokens() throws {
        try Script.run("""
            queue q
            publish q a
            lease w1 q 1 10m         -> a#1
            ack w2 a                 -> ok
            """)
    }
}
