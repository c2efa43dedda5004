import SpindleNode
import SpindleQueue
import SpindleWire
import Testing

/// SETTLEs that name themselves take effect once, however often they are sent.
@Suite struct RepeatedSettleTests {
    @Test(arguments: [
        ("the second gets the first one's answer, and does nothing", """
            queue q
            queue r
            publish q a                               -> a
            lease w q 1 30s                           -> a#1
            settle w id=7:1 ack=a publish=r:x         -> ok
            settle w id=7:1 ack=a publish=r:x again   -> same
            stats r                                   -> ready=1 leased=0 delayed=0
            """),
        ("without a name the lease is gone", """
            queue q
            publish q a                               -> a
            lease w q 1 30s                           -> a#1
            settle w ack=a                            -> ok
            settle w ack=a                            -> !LEASE_LOST
            """),
        ("what has no tokens is stored once too", """
            queue r
            settle w id=7:1 publish=r:x               -> ok
            settle w id=7:1 publish=r:x again         -> same
            settle w id=7:2 publish=r:y               -> ok
            settle w id=8:1 publish=r:z               -> ok
            stats r                                   -> ready=3 leased=0 delayed=0
            """),
        ("on another connection, after a restart, and after one from a checkpoint", """
            queue r
            settle w id=7:1 publish=r:x event=t:e     -> ok
            reconnect w
            settle w id=7:1 publish=r:x event=t:e again -> same
            crash
            settle v id=7:1 publish=r:x event=t:e again -> same
            checkpoint
            restart
            settle v id=7:1 publish=r:x event=t:e again -> same
            stats r                                   -> ready=1 leased=0 delayed=0
            """),
        ("a refused one is not remembered", """
            queue r length=1
            publish r a                               -> a
            settle w id=7:1 publish=r:x               -> !QUEUE_FULL
            purge r both                              -> removed 1
            settle w id=7:1 publish=r:x               -> ok
            """),
        ("sequences may come late", """
            queue r
            settle w id=7:9 publish=r:x               -> ok
            settle w id=7:4 publish=r:y               -> ok
            settle w id=7:4 publish=r:y again         -> same
            """),
        ("another with its sequence is told apart by its groups", """
            queue r
            settle w id=7:1 publish=r:x               -> ok
            settle w id=7:1 publish=r:x publish=r:y   -> !CONFLICT
            """),
        ("settlers of two principals are two", """
            queue r
            principal t publish=*
            settle w id=7:1 publish=r:x               -> ok
            settle t id=7:1 publish=r:x               -> ok
            stats r                                   -> ready=2 leased=0 delayed=0
            """),
        ("it is answered when the first is durable", """
            queue r
            stall on
            settle w id=7:1 publish=r:x               -> wait
            settle v id=7:1 publish=r:x               -> wait
            crash
            stall off
            stats r                                   -> ready=0 leased=0 delayed=0
            settle v id=7:1 publish=r:x               -> ok
            """),
    ]) func script(name: String, text: String) throws { try Script.run(text) }

    @Test func whatIsTooOldToTellIsRefused() throws {
        let script = Script(try TestBroker())
        _ = try script.perform(["queue", "r"])
        for sequence in 1...SettlementTable.repliesMax + 1 {
            #expect(try script.perform(["settle", "w", "id=7:\(sequence)", "publish=r:x"]) == "ok")
        }
        #expect(try script.perform(["settle", "w", "id=7:1", "publish=r:x"]) == "!SEQUENCE_OUT_OF_ORDER")
        #expect(try script.perform(["settle", "w", "id=7:2", "publish=r:x"]) == "ok")
        #expect(try script.broker.recoveredState() == script.broker.encodedState(), "replay equals live state")
    }

    @Test func memoryIsBounded() {
        var table = SettlementTable()
        func settler(_ number: Int) -> SettlementTable.Settler { .init(principal: "p", id: UInt64(number)) }
        for number in 0..<SettlementTable.settlersMax + 10 { table.settled(settler(number), .init(sequence: 5, firstIDs: [1])) }
        #expect(table.settlerCount == SettlementTable.settlersMax)
        #expect(table.judge(settler(0), sequence: 5) == .new, "who was silent longest is forgotten")
        #expect(table.judge(settler(20), sequence: 5) == .repeated(firstIDs: [1]))
        for number in 20..<20 + SettlementTable.repliesMaxOfAll / SettlementTable.repliesMax + 5 {
            for sequence in 0..<SettlementTable.repliesMax { table.settled(settler(number), .init(sequence: UInt64(sequence + 6), firstIDs: [2])) }
        }
        #expect(table.replyCount <= SettlementTable.repliesMaxOfAll)
        #expect(table.judge(settler(20), sequence: 6) == .forgotten, "only its last reply was kept")
        #expect(table.judge(settler(20), sequence: UInt64(SettlementTable.repliesMax + 5)) == .repeated(firstIDs: [2]))
    }

    @Test func noPrincipalTakesTheShareOfAnother() {
        var table = SettlementTable()
        func settle(_ principal: String, _ id: Int, _ sequences: Range<Int>) {
            for sequence in sequences { table.settled(.init(principal: principal, id: UInt64(id)), .init(sequence: UInt64(sequence), firstIDs: [1])) }
        }
        for id in 1...50 { settle("modest", id, 0..<1000) }
        for id in 1...2 * SettlementTable.settlersMax { settle("greedy", id, 0..<1) }
        for id in 1...2 * SettlementTable.repliesMaxOfAll / SettlementTable.repliesMax { settle("greedy", id, 1..<SettlementTable.repliesMax) }
        #expect(table.settlerCount == SettlementTable.settlersMax)
        #expect(table.replyCount <= SettlementTable.repliesMaxOfAll)
        for id in 1...50 {
            let modest = SettlementTable.Settler(principal: "modest", id: UInt64(id))
            #expect((0..<1000).allSatisfy { table.judge(modest, sequence: UInt64($0)) == .repeated(firstIDs: [1]) }, "settler \(id)")
        }
        // A third takes its part from the one that has most.
        settle("late", 1, 0..<10)
        #expect(table.judge(.init(principal: "late", id: 1), sequence: 0) == .repeated(firstIDs: [1]))
        #expect(table.judge(.init(principal: "modest", id: 1), sequence: 0) == .repeated(firstIDs: [1]))
    }

    @Test func aTableAtItsLimitsSurvivesACheckpoint() throws {
        var builder = StateBuilder()
        try builder.declare("q", number: 0)
        for settler in 0..<300 {
            for sequence in 0..<30 {
                try builder.apply { writer in
                    writer.u8(30)
                    writer.u64(UInt64(settler + 1))
                    writer.u64(UInt64(sequence * 2))
                    writer.string("p")
                    writer.u16(64)
                    for offset in 0..<64 { writer.u32(UInt32(offset)) }
                }
            }
        }
        let bytes = StateBuilder.encoded(builder.state)
        #expect(StateBuilder.encoded(try StateBuilder.restored(bytes)) == bytes)
    }
}
