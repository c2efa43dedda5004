import SpindleNode
import SpindleWire
import Testing

/// LEASE over several queues: the first in its order that has a message gives it.
@Suite struct SeveralQueuesTests {
    @Test(arguments: [
        ("the first that has one gives it", """
            queue a
            queue b
            queue c
            publish c z            -> z
            publish b x y          -> x y
            lease w a,b,c 9 30s    -> x#1 y#1 of b
            lease w a,b,c 9 30s    -> z#1 of c
            lease w a,b,c 9 30s    -> none
            """),
        ("the order is the request's", """
            queue a
            queue b
            publish a x            -> x
            publish b y            -> y
            lease w b,a 9 30s      -> y#1 of b
            """),
        ("it waits in every line, and is answered once", """
            queue a
            queue b
            lease w a,b 1 30s 60s  -> wait
            publish b x            -> x
            take w                 -> x#1 of b
            publish a y            -> y
            take w                 -> wait
            lease v a 1 30s        -> y#1
            """),
        ("where both become ready in one turn, the order decides", """
            queue a
            queue b
            publish b x/d5s        -> x
            publish a y/d5s        -> y
            lease w a,b 1 30s 60s  -> wait
            tick 5s
            take w                 -> y#1 of a
            """),
        ("those who waited longer for a queue come first there", """
            queue a
            queue b
            lease v a 1 30s 60s    -> wait
            lease w a,b 1 30s 60s  -> wait
            publish a x y          -> x y
            take v                 -> x#1
            take w                 -> y#1 of a
            """),
        ("a pause of one queue leaves the others", """
            queue a
            queue b
            publish a x            -> x
            publish b y            -> y
            pause a deliveries     -> ok
            lease w a,b 1 30s      -> y#1 of b
            resume a               -> ok
            lease w a,b 1 30s      -> x#1 of a
            """),
        ("each queue's own lease holds", """
            queue a lease=10s
            queue b lease=40s
            publish b x            -> x
            lease w a,b 1 0s       -> x#1 of b
            tick 15s
            stats b                -> ready=0 leased=1 delayed=0
            """),
        ("the end of the wait is told once", """
            queue a
            queue b
            lease w a,b 1 30s 5s   -> wait
            tick 5s
            take w                 -> none
            publish a x            -> x
            take w                 -> wait
            """),
        ("the deletion of one queue ends it", """
            queue a
            queue b
            lease w b,a 1 30s 60s  -> wait
            delete a               -> removed 0
            take w                 -> !NO_SUCH_QUEUE
            publish b x            -> x
            take w                 -> wait
            """),
        ("a withdrawn one leaves every line", """
            queue a
            queue b
            lease w a,b 1 30s 60s  -> wait
            withdraw w             -> !CANCELLED withdrawn
            publish a x            -> x
            publish b y            -> y
            take w                 -> wait
            """),
        ("each queue is judged", """
            queue a
            queue b lease=5s
            lease w a,c 1 30s      -> !NO_SUCH_QUEUE
            lease w a,b,a 1 30s    -> !INVALID_ARGUMENT
            principal t lease=a
            lease t a,b 1 30s      -> !PERMISSION_DENIED
            """),
        ("a dead letter brings its history along", """
            queue a attempts=1
            queue b
            publish a x            -> x
            lease w a 1 30s        -> x#1
            nack w 0s x            -> ok
            lease w b,a.dead 1 30s -> x#1 of a.dead
            """),
        ("a rate that holds one back leaves the others", """
            queue a rate=1
            queue b
            publish a x y          -> x y
            publish b z            -> z
            lease w a,b 1 30s      -> x#1 of a
            lease w a,b 1 30s      -> z#1 of b
            lease w a,b 1 30s 60s  -> wait
            tick 2s
            take w                 -> y#1 of a
            """),
    ]) func script(name: String, text: String) throws { try Script.run(text) }

    @Test func asManyAsAreAllowedAndNoMore() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        let names = (0...WireLimits.queuesPerLeaseMax).map { "q\($0)" }
        for name in names { _ = broker.ask(session, .declare) { DeclareRequest(queue: name, policy: .init()).encode(into: &$0) } }
        func lease(_ names: ArraySlice<String>) throws -> TestBroker.Frame {
            try #require(broker.ask(session, .lease) {
                LeaseRequest(
                    queue: names[0], messagesMax: 1, bytesMax: 0, leaseMilliseconds: 0, waitMilliseconds: 0, others: Array(names.dropFirst())
                ).encode(into: &$0)
            })
        }
        #expect(try lease(names.dropLast()).isError == false)
        #expect(try lease(names[...]).error?.code == ErrorCode.invalidArgument.rawValue)
    }
}
