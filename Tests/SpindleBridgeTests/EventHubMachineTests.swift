import SpindleBridge
import Testing

@Suite struct EventHubMachineTests {
    @Test func `a new client begins at the end, and gets its stream's events`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            connect b alerts
            take a → hello@1:64 wait
            take b → hello@1:64 wait
            event job 1:65
            event alert 1:66
            take a → job@1:65 wait
            take b → alert@1:66 wait
            """)
    }

    @Test func `before the broker answers something is sent, and the place later`() throws {
        var hub = HubScript()
        try hub.run("""
            connect a updates
            connect b updates 1:64
            connect c updates nonsense
            take a → ping wait
            start 1:64
            take a → hello@1:64 wait
            take b → ping hello@1:64 wait
            take c → ping gap@1:64({"reason":"the last event id is not one of this server"}) wait
            start 1:99            # a second subscription goes on: nothing changes
            event job 1:70
            take a → job@1:70 wait
            """)
    }

    @Test func `a cursor within the ring goes on without a hole`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            event job 1:65
            event alert 1:66
            event job 1:67
            connect a updates 1:65
            connect b updates 1:64
            connect c updates 1:67
            connect d updates 1:66
            take a → hello@1:65 job@1:67 wait
            take b → hello@1:64 job@1:65 job@1:67 wait
            take c → hello@1:67 wait
            take d → hello@1:66 job@1:67 wait
            replays →
            """)
    }

    @Test(arguments: [
        ("nonsense", "the last event id is not one of this server"), ("1", "the last event id is not one of this server"),
        ("2:64", "the last event id belongs to other data"),
    ])
    func `a cursor that means nothing here rebases`(_ cursor: String, _ reason: String) throws {
        var hub = HubScript()
        try hub.run("start 1:64\nevent job 1:65\nconnect a updates \(cursor)\nreplays →")
        try hub.run("take a → gap@1:65({\"reason\":\"\(reason)\"}) wait\nevent job 1:66\ntake a → job@1:66 wait")
    }

    @Test func `an older cursor is replayed, and live events come behind`() throws {
        var hub = HubScript { $0.ringEventsMax = 2 }
        try hub.run("""
            start 1:64
            event job 1:65
            event job 1:66
            event job 1:67        # the ring begins behind 65
            connect a updates 1:60
            take a → hello@1:60 wait
            replays → start r1@1:60
            event job 1:68        # now behind 66
            take a → wait
            r1 event job 1:61
            take a → job@1:61 wait
            r1 event alert 1:62
            r1 event job 1:65
            r1 step → stop
            take a → job@1:65 wait
            replays → stop r1 start r2@1:65
            r2 event job 1:66
            take a → job@1:66 job@1:67 job@1:68 wait
            replays → stop r2
            count → 1 0
            """)
    }

    @Test func `a replay may end with an event that the ring has, or that it will have`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates 1:60
            take a → hello@1:60 wait
            r1 event job 1:61
            take a → job@1:61 wait
            r1 event job 1:70     # faster than the hub's own subscription
            take a → wait
            replays → start r1@1:60 stop r1
            event job 1:70
            take a → job@1:70 wait
            """)
    }

    @Test func `a replay that ends ahead of the hub leaves its clients there, whoever else follows it`() throws {
        var hub = HubScript { $0.ringEventsMax = 1 }
        try hub.run("""
            start 1:64
            event job 1:65
            event job 1:66
            connect a updates 1:60
            connect b updates 1:60
            r1 gap 1:80 lost
            take a → hello@1:60 gap@1:80({"reason":"lost"}) wait
            event job 1:70
            take a → wait
            event job 1:81
            take a → job@1:81 wait
            take b → hello@1:60 gap@1:80({"reason":"lost"}) job@1:81 wait
            """)
    }

    @Test func `a client that takes nothing gathers one gap, however often history begins anew`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            take a → hello@1:64 wait
            gap 2:10 new
            gap 3:10 new
            gap 4:10 newer
            take a → gap@4:10({"reason":"newer"}) wait
            """)
    }

    @Test func `clients with the same or a later cursor share a replay`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates 1:60
            connect b updates 1:60
            connect c updates 1:62
            connect d updates 1:50
            replays → start r1@1:60 start r2@1:50
            r1 event job 1:61
            r1 event job 1:63
            take a → hello@1:60 job@1:61 job@1:63 wait
            take b → hello@1:60 job@1:61 job@1:63 wait
            take c → hello@1:62 job@1:63 wait
            gone a
            gone b
            replays →
            gone c
            replays → stop r1
            """)
    }

    @Test func `a cursor ahead of the hub is asked of the broker`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates 1:70
            replays → start r1@1:70
            take a → hello@1:70 wait
            event job 1:69        # not behind its place
            event job 1:71
            r1 event job 1:71
            take a → job@1:71 wait
            connect b updates 1:99
            replays → stop r1 start r2@1:99
            r2 gap 1:71 no such place
            take b → hello@1:99 gap@1:71({"reason":"no such place"}) wait
            """)
    }

    @Test func `history that is gone is said, and what is held follows`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates 1:10
            r1 gap 1:60 history was cut
            r1 event job 1:61
            take a → hello@1:10 gap@1:60({"reason":"history was cut"}) job@1:61 wait
            connect b updates 1:9
            r2 gap 1:66 history was cut
            event job 1:66
            event job 1:67
            take b → hello@1:9 gap@1:66({"reason":"history was cut"}) job@1:67 wait
            """)
    }

    @Test func `gaps of the subscription reach every stream`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            connect b alerts
            take a → hello@1:64 wait
            take b → hello@1:64 wait
            event job 1:65
            gap 1:70 cut
            event alert 1:71
            take a → job@1:65 gap@1:70({"reason":"cut"}) wait
            take b → gap@1:70({"reason":"cut"}) alert@1:71 wait
            connect c updates 1:60
            replays → start r1@1:60
            gap 2:5 new
            replays → stop r1
            take a → gap@2:5({"reason":"new"}) wait
            take c → hello@1:60 gap@2:5({"reason":"new"}) wait
            event job 2:6
            take a → job@2:6 wait
            take c → job@2:6 wait
            """)
    }

    @Test func `one caller leaves room for others`() throws {
        var hub = HubScript {
            $0.clientsMax = 4
            $0.clientsPerCallerMax = 2
        }
        try hub.run("""
            start 1:64
            connect a updates kim
            connect b alerts kim
            connect c updates kim → full for kim
            connect d updates
            gone a
            connect c updates kim
            connect e updates
            connect f updates → full
            """)
    }

    @Test func `changed tokens are looked at at once`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            take a → hello@1:64 wait
            recheck
            take a → recheck wait
            take a → wait
            """)
    }

    @Test func `limits: clients, replays, missed events`() throws {
        var hub = HubScript {
            $0.clientsMax = 3
            $0.replaysMax = 1
            $0.replayEventsMax = 2
        }
        try hub.run("""
            start 1:64
            connect a updates 1:50
            connect b updates 1:40
            take b → hello@1:40 gap@1:64({"reason":"too many clients are reading history"}) wait
            connect c updates
            connect d updates → full
            r1 event job 1:51
            r1 event job 1:52
            r1 event job 1:53
            take a → hello@1:50 gap@1:64({"reason":"too many events were missed"}) wait
            gone c
            connect d updates
            count → 3 0
            """)
    }

    @Test func `what cannot be shown in a browser is a gap`() throws {
        var hub = HubScript { $0.eventBytesMax = 4 }
        try hub.run("""
            start 1:64
            connect a updates
            event job 1:65 12345
            event job 1:66 1234
            take a → hello@1:64 gap@1:65({"reason":"an event of 5 bytes is too large for this stream"}) job@1:66(1234) wait
            """)
    }

    @Test func `a client that does not take its bytes is cut`() throws {
        var hub = HubScript {
            $0.clientBacklogBytesMax = 100
            $0.heartbeatMilliseconds = 10_000_000
            $0.recheckMilliseconds = 10_000_000
        }
        try hub.run("""
            start 1:64
            connect a updates
            connect b updates
            hang a
            take b → hello@1:64 wait
            event job 1:65
            event alert 1:66
            cuts →
            event job 1:67
            event job 1:68
            cuts → a
            take a → end slow
            take b → job@1:65 job@1:67 job@1:68 wait
            event job 1:69
            hang b
            clock 59999
            cuts →
            clock 60000
            cuts → b
            """)
    }

    @Test func `one that falls behind the ring reads on from the broker`() throws {
        var hub = HubScript {
            $0.ringEventsMax = 1
            $0.replaysMax = 1
        }
        try hub.run("""
            start 1:64
            connect a updates
            connect b alerts
            take a → hello@1:64 wait
            event job 1:65
            event job 1:66
            take a → wait
            replays → start r1@1:64
            take b → hello@1:64 wait                # shares it
            r1 event job 1:65
            take a → job@1:65 job@1:66 wait
            take b → wait
            replays → stop r1
            count → 2 0
            connect c updates 1:50
            event job 1:67
            event job 1:68
            take a → wait                           # and is woken
            take a → gap@1:68({"reason":"too many clients are reading history"}) wait
            """)
    }

    @Test func `heartbeat, check and rotation follow the clock`() throws {
        var hub = HubScript { $0.recheckMilliseconds = 30_000 }
        try hub.run("""
            start 1:64
            connect a updates
            take a → hello@1:64 wait
            clock 19999
            take a → wait
            clock 20000
            take a → ping@1:64 wait
            event alert 1:65
            clock 40000
            take a → recheck ping@1:65 wait     # the id moves on, though nothing of its stream happened
            leave a reauthenticate
            take a → reauth end reauthenticate
            connect b updates 1:50
            take b → hello@1:50 wait
            clock 60001
            take b → ping wait                  # it is not at the end yet: no id
            clock 900000
            event job 1:66
            r1 event job 1:51
            take b → recheck job@1:51 end rotation
            """)
    }

    @Test func `a stream that is never quiet rotates all the same`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            take a → hello@1:64 wait
            clock 919999
            event job 1:65
            take a → recheck job@1:65 end rotation
            """)
        hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            take a → hello@1:64 wait
            clock 920000
            event job 1:65
            take a → end rotation
            """)
    }

    @Test func `stopping ends every stream and lets nobody in`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates
            connect b updates 1:50
            connect c updates
            hang c
            stop
            cuts → c
            take a → end shutdown
            take b → end shutdown
            r1 step → stop
            connect d updates → stopping
            """)
    }

    @Test func `a replay that fails sends its clients away, to come back by their cursors`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a updates 1:50
            r1 fail
            take a → end replayFailed
            count → 0 0
            """)
    }

    @Test func `a replay reads no faster than its fastest follower`() throws {
        var hub = HubScript {
            $0.replayBytesMax = 200
            $0.batchBytesMax = 10
        }
        try hub.run("""
            start 1:64
            connect a updates 1:50
            r1 step → read
            take a → hello@1:50 wait
            r1 event job 1:51
            r1 event job 1:52
            r1 event job 1:53
            r1 step → wait
            take a → job@1:51 job@1:52 job@1:53 wait
            r1 step → read
            """)
    }

    @Test func `a client hears the topics that it names`() throws {
        var hub = HubScript()
        try hub.run("""
            start 1:64
            connect a addin.job.created
            connect b notification.*,addin.job.created
            connect c *
            connect d orders.* → no such topic
            connect e routing.created,orders → no such topic
            event job 1:65
            event alert 1:66
            event addin.job.created 1:67
            take a → hello@1:64 addin.job.created@1:67 wait
            take b → hello@1:64 alert@1:66 addin.job.created@1:67 wait
            take c → hello@1:64 job@1:65 alert@1:66 addin.job.created@1:67 wait
            connect f addin.job.* 1:66              # an id serves whatever topics
            take f → hello@1:66 addin.job.created@1:67 wait
            """)
    }

    @Test func `JSON lines tell what the events tell`() throws {
        var hub = HubScript()
        try hub.run(#"""
            start 1:64
            connect a json addin.job.updated,notification.*
            connect b updates
            take a → {"type":"hello","cursor":"1:64","resumed":false,"heartbeatMilliseconds":20000} wait
            event job 1:65 [1,\"x\"]
            event alert 1:66 it's_text
            gap 1:70 cut
            take a → {"type":"event","topic":"addin.job.updated","cursor":"1:65","data":"[1,\\\"x\\\"]"} {"type":"event","topic":"notification.alert","cursor":"1:66","data":"it's_text"} {"type":"gap","cursor":"1:70","reason":"cut"} wait
            take b → hello@1:64 job@1:65([1,\"x\"]) gap@1:70({"reason":"cut"}) wait
            event job 1:71 {"a":[1,"x"]}
            take a → {"type":"event","topic":"addin.job.updated","cursor":"1:71","data":{"a":[1,"x"]}} wait
            clock 20000
            take a → {"type":"ping","cursor":"1:71"} wait
            leave a reauthenticate
            take a → {"type":"reauth"} end reauthenticate
            """#)
    }

    @Test func `of progress a client that lags gets the latest`() throws {
        let progress = EventProgress(topic: "addin.job.updated", subjectField: "job", statusField: "status", statuses: ["leased"])
        var hub = HubScript {
            $0.progress = [progress]
            $0.ringEventsMax = 5
        }
        try hub.run(#"""
            start 1:64
            connect a updates
            connect b updates
            take a → hello@1:64 wait
            event job 1:65 {"job":"x","status":"leased"}
            take a → job@1:65({"job":"x","status":"leased"}) wait
            event job 1:66 {"job":"y","status":"leased"}
            event job 1:67 {"job":"x","status":"leased","at":2}
            event job 1:68 {"job":"x","status":"failed"}
            event job 1:69 {"job":"x","status":"leased","at":3}
            take a → job@1:66({"job":"y","status":"leased"}) job@1:68({"job":"x","status":"failed"}) job@1:69({"job":"x","status":"leased","at":3}) wait
            take b → hello@1:64 job@1:66({"job":"y","status":"leased"}) job@1:68({"job":"x","status":"failed"}) job@1:69({"job":"x","status":"leased","at":3}) wait
            event job 1:70 {"job":"z","status":"leased"}      # 65 is gone, then 66
            event job 1:71 {"job":"y","status":"leased"}
            event job 1:72
            event job 1:73
            take a → job@1:70({"job":"z","status":"leased"}) job@1:71({"job":"y","status":"leased"}) job@1:72 job@1:73 wait
            """#)
    }
}
