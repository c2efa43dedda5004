import SpindleLog
import SpindleNode
import SpindleSimulator
import SpindleWire
import Testing

@Suite("Live records are moved forward in the log")
struct RelocationTests {
    @Test("nothing but the place changes", arguments: [
        """
        queue q
        publish q a b c d -> a b c d
        lease w1 q 1 30s -> a#1
        ack w1 a -> ok
        lease w1 q 1 30s -> b#1
        move -> 3
        ack w1 b -> ok
        lease w1 q 5 30s -> c#1 d#1
        ack w1 c d -> ok ok
        move -> 0
        """,
        // Again and again, with crashes between.
        """
        queue q attempts=3 backoff=1s
        publish q a b/p9 c/d5s d -> a b c d
        lease w1 q 1 30s -> b#1
        nack w1 2s b -> ok
        move -> 4
        crash
        move -> 4
        restart
        checkpoint
        move -> 4
        crash
        tick 6s
        lease w1 q 9 30s -> b#2 a#1 c#1 d#1
        ack w1 a b c d -> ok ok ok ok
        move -> 0
        """,
        // A move that was never durable did not happen.
        """
        queue q
        publish q a b -> a b
        stall on
        move -> 2
        crash
        stall off
        lease w1 q 2 30s -> a#1 b#1
        """,
        // A token of before holds after.
        """
        queue q lease=30s
        publish q a/k:x -> a
        lease w1 q 1 30s -> a#1
        move -> 1
        restart
        ack w1 a -> ok
        """,
        // A dead letter keeps its history's place.
        """
        queue q attempts=1 dead=q.dead
        publish q a -> a
        lease w1 q 1 30s -> a#1
        nack w1 policy a -> ok
        move -> 1
        crash
        lease w1 q.dead 1 30s -> a#1
        """,
    ])
    func scripts(text: String) throws { try Script.run(text) }

    /// Many messages of several queues and groups, moved in pieces in any order, between deliveries.
    @Test(arguments: 0..<20) func manyMoves(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let script = Script(try TestBroker())
        _ = try script.perform(["queue", "q"])
        _ = try script.perform(["queue", "r", "groups=1"])
        var expected = [[String](), [String]()]
        var next = 0
        for _ in 0..<60 {
            switch random.next() % 4 {
            case 0, 1:
                let queue = Int(random.next() % 2)
                let names = (0..<Int(random.next() % 40 + 1)).map { "m\(next + $0)" }
                next += names.count
                expected[queue] += names
                _ = try script.perform(["publish", ["q", "r"][queue]] + names)
            case 2:
                let queue = Int(random.next() % 2)
                let got = try script.perform(["lease", "w", ["q", "r"][queue], "3", "30s"])
                let names = got == "none" ? [] : got.split(separator: " ").map { String($0.split(separator: "#")[0]) }
                #expect(Array(expected[queue].prefix(names.count)) == names)
                expected[queue].removeFirst(names.count)
                if !names.isEmpty { _ = try script.perform(["ack", "w"] + names) }
            default:
                let end = script.broker.node.log.durable.rawValue
                _ = try script.broker.move(below: end - random.next() % (end / 2))
            }
        }
        #expect(try script.broker.recoveredState() == script.broker.encodedState())
        try script.broker.checkpoint()
        try script.broker.restart(crash: true)
        for (queue, names) in zip(["q", "r"], expected) {
            var got: [String] = []
            while true {
                let more = try script.perform(["lease", "late", queue, "50", "30s"])
                if more == "none" { break }
                let some = more.split(separator: " ").map { String($0.split(separator: "#")[0]) }
                got += some
                _ = try script.perform(["ack", "late"] + some)
            }
            #expect(got == names)
        }
    }
}
