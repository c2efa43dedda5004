import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// Topics as their subscribers know them: what is replayed, what is kept, what is told to be missing.
@Suite struct TopicTests {
    @Test func earliestGivesAllThatIsHeldOfEveryTopic() throws {
        try TopicScript.run("""
            retention noisy events=1             -> created
            event orders 1                       -> ok
            event noisy 1 2 3
            event orders 2
            event noisy 4 5
            subscribe s * earliest 10            -> orders:1 orders:2 noisy:5
            subscribe t noisy earliest 10        -> noisy:5
            subscribe u o*,n* earliest 2         -> orders:1 orders:2
            event noisy 6
            credit u 10                          -> gap noisy:6
            take s                               -> noisy:6
            """)
    }

    @Test func aGapIsToldInItsPlaceAndOnlyToThoseConcerned() throws {
        try TopicScript.run("""
            retention noisy events=1
            event orders 1
            mark start
            event orders 2
            event noisy 1 2
            event orders 3
            event noisy 3 4
            subscribe a * start 10               -> orders:2 gap orders:3 gap noisy:4
            subscribe b orders start 10          -> orders:2 orders:3
            subscribe c noisy start 10           -> gap noisy:4
            checkpoint
            crash
            subscribe a * start 10               -> orders:2 gap orders:3 gap noisy:4
            subscribe b orders start 10          -> orders:2 orders:3
            """)
    }

    @Test func retentionThatOvertakesASubscriberIsAGapInTheMiddle() throws {
        try TopicScript.run("""
            retention t events=3
            subscribe s t latest 1
            event t 1 2 3
            take s                               -> t:1
            event t 4 5 6
            credit s 1                           -> gap t:4
            credit s 9                           -> t:5 t:6
            event t 7
            take s                               -> t:7
            """)
    }

    @Test func ageIsEnforcedByTimeAlone() throws {
        try TopicScript.run("""
            retention t age=10s                  -> created
            event t 1
            event other 1
            tick 5s
            event t 2
            mark here
            subscribe s t earliest 0             ->
            tick 6s
            stats *                              -> other=1/1 t=1/2
            tick 6s
            stats *                              -> other=1/1 t=0/2
            credit s 5                           -> gap
            subscribe u t here 5                 ->
            subscribe v t earliest 5             ->
            event t 3
            take s                               -> t:3
            crash
            stats *                              -> other=1/1 t=1/3
            tick 1440m
            stats *                              -> other=0/1 t=0/3
            checkpoint
            crash
            stats *                              -> other=0/1 t=0/3
            """)
    }

    @Test func retentionIsDurableForTopicsThatComeAndAChangeDropsAtOnce() throws {
        try TopicScript.run("""
            retention a* events=2                -> created
            retention a* events=2                -> unchanged
            retention a.b* bytes=60              -> created
            crash
            event a 1 2 3
            event a.b 1 2 3 4 5
            event c 1 2 3
            stats *                              -> a=2/3 a.b=2/5 c=3/3
            retention a* events=1                -> changed
            retention * events=2                 -> created
            stats *                              -> a=1/3 a.b=2/5 c=2/3
            checkpoint
            crash
            event a 4
            event c 4
            stats *                              -> a=1/4 a.b=2/5 c=2/4
            retention c age=1s                   -> created
            tick 2s
            stats c                              -> c=0/4
            event c 5 6 7
            stats c                              -> c=3/7
            """)
    }

    @Test func aFrameOfEventsIsNoLargerThanAllowed() throws {
        let script = TopicScript(try TestBroker())
        let large = String(repeating: "x", count: 190_000)
        let texts = ["1", "2", large, "3", large]
        for text in texts { #expect(try script.perform(["event", "t", text]) == "ok") }
        #expect(try script.perform(["subscribe", "s", "t", "earliest", "9"]) == texts.map { "t:\($0)" }.joined(separator: " "))
        let name = String(repeating: "n", count: 255)
        for _ in 0..<4 { #expect(try script.perform(["event", name] + (0..<256).map { "\($0)" }).hasPrefix("ok")) }
        #expect(try script.perform(["subscribe", "u", name, "earliest", "9999"]).split(separator: " ").count == 1024)
    }

    @Test func aMoveInTheLogChangesNothingThatSubscribersSee() throws {
        try TopicScript.run("""
            event a 1 2
            event b 1
            mark here
            event a 3 4
            subscribe s * earliest 2             -> a:1 a:2
            move                                 -> 5
            credit s 9                           -> b:1 a:3 a:4
            event b 2
            take s                               -> b:2
            crash
            subscribe t * earliest 9             -> a:1 a:2 b:1 a:3 a:4 b:2
            subscribe u a here 9                 -> a:3 a:4
            move                                 -> 6
            retention a events=1                 -> created
            subscribe v * earliest 9             -> b:1 a:4 b:2
            subscribe w * here 9                 -> gap a:4 b:2
            move                                 -> 3
            checkpoint
            restart
            event a 5
            stats *                              -> a=1/5 b=2/2
            subscribe x * earliest 9             -> b:1 b:2 a:5
            move                                 -> 3
            crash
            subscribe y * earliest 9             -> b:1 b:2 a:5
            """)
    }

    @Test(arguments: [("", "INVALID_ARGUMENT"), ("a,b", "INVALID_ARGUMENT"), ("a b", "INVALID_ARGUMENT"), (String(repeating: "x", count: 256), "INVALID_ARGUMENT")])
    func whatIsNoPatternIsRefused(_ pattern: String, _ error: String) throws {
        let broker = try TestBroker()
        let frame = broker.ask(broker.connect(), .topicDeclare) { TopicDeclareRequest(pattern: pattern, retention: .init()).encode(into: &$0) }
        #expect(frame?.error.flatMap { ErrorCode(rawValue: $0.code)?.name } == error)
    }

    @Test func declaringNeedsThePermissionForTheWholePattern() throws {
        let broker = try TestBroker()
        let session = broker.connect(Principal(name: "p", topicPublish: [.init("a.*")], topicSubscribe: [.init("a.*")]))
        for (pattern, isAllowed) in [("a.*", true), ("a.b*", true), ("*", false), ("a*", false), ("b", false)] {
            let frame = broker.ask(session, .topicDeclare) { TopicDeclareRequest(pattern: pattern, retention: .init(eventsMax: 1)).encode(into: &$0) }
            #expect(frame?.isError == !isAllowed, "\(pattern)")
        }
    }

    @Test func aLongHistoryIsLookedThroughInSeveralTurns() throws {
        let script = try TopicScript.run("""
            retention busy events=1000000
            event quiet 1
            """)
        let broker = script.broker
        let session = broker.connect()
        // Many small events of another topic, in large batches.
        var records = WireWriter()
        for _ in 0..<10_000 { try MessageRecord(body: []).encode(into: &records) }
        let bytes = records.array()
        for _ in 0..<20 {
            let reply = broker.ask(session, .topicPublish) {
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "busy", count: 10_000, recordsByteCount: bytes.count, into: &$0)
                $0.bytes(bytes)
            }
            #expect(reply?.isError == false)
        }
        _ = try script.perform(["event", "quiet", "2"])
        #expect(try script.perform(["subscribe", "s", "quiet", "earliest", "5"]) == "quiet:1")
        #expect(broker.node.nextDeadline.map { $0 <= broker.now } == true, "the node asks for another turn at once")
        broker.turn()
        #expect(try script.perform(["take", "s"]) == "quiet:2")
    }
}
