import SpindleNode
import SpindleWire
import Testing

/// Every operation with each right that it needs, and without: what a principal may not do is refused and changes nothing.
///
/// The principal `p` may do what a row says, and nothing else. It holds the lease of `held`, which was granted while it might lease.
@Suite struct PermissionTests {
    private static let before = """
        queue esprit-gen dead=
        queue team.dead dead=
        queue team.in dead=team.dead results=5m
        queue team.other dead=team.dead results=5m
        publish team.in corpse held waits
        publish team.other foreign
        event team.t x
        event other.t x
        principal p lease=*
        lease p team.in 2 10m          -> corpse#1 held#1
        dead p corpse                  -> ok
        """

    struct Row: Sendable, CustomTestStringConvertible {
        var rights: String
        var line: String
        var expected: String
        init(_ rights: String, _ line: String, _ expected: String) {
            self.rights = rights
            self.line = line
            self.expected = expected
        }
        var testDescription: String { "\(rights.isEmpty ? "no right" : rights): \(line)" }
        var isDenied: Bool { expected.contains("PERMISSION_DENIED") }
        var rightNames: Set<String> { Set(rights.split(separator: " ").compactMap { $0.split(separator: "=").first.map(String.init) }) }
    }

    private static let allButPublish = "lease=* read=* admin=* events=* subscribe=*"
    private static let allButLease = "publish=* read=* admin=* events=* subscribe=*"
    private static let allButAdmin = "publish=* lease=* read=* events=* subscribe=*"
    private static let allButRead = "publish=* lease=* events=* subscribe=*"
    private static let allButEvents = "publish=* lease=* read=* admin=* subscribe=*"
    private static let allButSubscribe = "publish=* lease=* read=* admin=* events=*"

    private static let messages: [Row] = [
        Row("publish=team.*", "by p publish team.in x", "x"),
        Row("publish=team.*", "by p publish esprit-gen x", "!PERMISSION_DENIED"),
        Row(allButPublish, "by p publish team.in x", "!PERMISSION_DENIED"),
        Row("publish=team.*", "await p team.in 0s waits", "pending"),
        Row(allButPublish, "await p team.in 0s waits", "!PERMISSION_DENIED"),
        Row("lease=team.in", "lease p team.in 1 30s", "waits#1"),
        Row("lease=team.in", "lease p team.other 1 30s", "!PERMISSION_DENIED"),
        Row(allButLease, "lease p team.in 1 30s", "!PERMISSION_DENIED"),
        Row("lease=team.in", "ack p held", "ok"),
        Row("lease=team.other", "ack p held", "PERMISSION_DENIED"),
        Row(allButLease, "ack p held", "PERMISSION_DENIED"),
        Row("lease=team.in", "nack p policy held", "ok"),
        Row(allButLease, "nack p policy held", "PERMISSION_DENIED"),
        Row("lease=team.in", "dead p held", "ok"),
        Row(allButLease, "dead p held", "PERMISSION_DENIED"),
        Row("lease=team.in", "release p held", "ok"),
        Row(allButLease, "release p held", "PERMISSION_DENIED"),
        Row("lease=team.in", "extend p 60s held", "ok"),
        Row(allButLease, "extend p 60s held", "PERMISSION_DENIED"),
        Row("lease=team.in", "settle p ack=held", "ok"),
        Row(allButLease, "settle p ack=held", "!PERMISSION_DENIED"),
        Row("lease=team.in", "settle p dead=held", "ok"),
        Row(allButLease, "settle p dead=held", "!PERMISSION_DENIED"),
        Row("lease=team.in publish=team.in", "settle p ack=held publish=team.in:next", "ok"),
        Row("lease=team.in publish=team.in", "settle p ack=held publish=esprit-gen:next", "!PERMISSION_DENIED"),
        Row(allButPublish, "settle p ack=held publish=team.in:next", "!PERMISSION_DENIED"),
        Row("lease=team.in events=team.*", "settle p ack=held event=team.t:next", "ok"),
        Row("lease=team.in events=team.*", "settle p ack=held event=team.new:next", "ok"),
        Row("lease=team.in events=team.*", "settle p ack=held event=other.t:next", "!PERMISSION_DENIED"),
        Row(allButEvents, "settle p ack=held event=team.t:next", "!PERMISSION_DENIED"),
    ]

    /// Where dead letters go is as good as a publish: the declarer needs the right to publish there, and to declare what is not there yet.
    private static let routes: [Row] = [
        Row("admin=team.* publish=team.*", "by p queue team.x", "created"),
        Row("admin=team.* publish=team.*", "by p queue other.x", "!PERMISSION_DENIED"),
        Row(allButAdmin, "by p queue team.x", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=team.x", "by p queue team.x", "!PERMISSION_DENIED"),
        Row("admin=team.x publish=team.*", "by p queue team.x", "!PERMISSION_DENIED"),
        Row(allButPublish, "by p queue team.x", "!PERMISSION_DENIED"),
        Row("admin=team.x", "by p queue team.x dead=", "created"),
        Row("admin=team.*", "by p queue team.x.dead", "created"),
        Row("admin=team.* publish=team.*", "by p queue team.x dead=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=team.*,esprit-gen", "by p queue team.x dead=esprit-gen", "created"),
        Row("admin=* lease=* read=*", "by p queue team.x dead=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=*", "by p queue team.x dead=new.dead", "!PERMISSION_DENIED"),
        Row("admin=team.*,new.* publish=*", "by p queue team.x dead=new.dead", "created"),
        Row("admin=team.* publish=team.*", "by p queue team.in dead=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=esprit-gen", "by p queue team.in dead=esprit-gen", "changed"),
        Row("admin=team.*", "by p queue team.in dead=", "changed"),
        Row("admin=team.*", "by p queue team.in dead=team.dead", "unchanged"),
        Row("admin=team.*", "by p queue team.in attempts=2", "changed"),
        Row("admin=team.*", "by p queue team.in attempts=2 dead=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=team.*", "by p delete team.other all ; by p queue team.other dead=esprit-gen", "!PERMISSION_DENIED"),
    ]

    private static let queues: [Row] = [
        Row("admin=team.*", "by p delete team.other all", "removed 1"),
        Row("admin=team.*", "by p delete esprit-gen", "!PERMISSION_DENIED"),
        Row(allButAdmin, "by p delete team.other all", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p purge team.other both", "removed 1"),
        Row(allButAdmin, "by p purge team.other both", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p pause team.in both why", "ok"),
        Row(allButAdmin, "by p pause team.in both why", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p resume team.in", "ok"),
        Row(allButAdmin, "by p resume team.in", "!PERMISSION_DENIED"),
        Row("read=team.*", "by p stats team.other", "ready=1 leased=0 delayed=0"),
        Row("admin=team.*", "by p stats team.other", "ready=1 leased=0 delayed=0"),
        Row("read=team.in", "by p stats team.other", "none"),
        Row(allButRead, "by p stats team.other", "none"),
        Row("read=team.*", "by p browse team.other", "foreign:ready#0"),
        Row("admin=team.*", "by p browse team.other", "foreign:ready#0"),
        Row(allButRead, "by p browse team.other", "!PERMISSION_DENIED"),
        Row("read=team.*", "by p get team.other foreign", "ready#0"),
        Row(allButRead, "by p get team.other foreign", "!PERMISSION_DENIED"),
        Row("read=team.*", "by p why team.other foreign", "ready noConsumer"),
        Row("admin=team.*", "by p why team.other foreign", "ready noConsumer"),
        Row(allButRead, "by p why team.other foreign", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p cancel team.in waits", "ready"),
        Row(allButAdmin, "by p cancel team.in waits", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p reschedule team.in 5s waits", "ok"),
        Row(allButAdmin, "by p reschedule team.in 5s waits", "!PERMISSION_DENIED"),
    ]

    private static let done = "done matched=1 done=1 failed=0"
    private static let jobs: [Row] = [
        Row("admin=team.dead publish=team.in", "by p redrive team.dead ; work 3 ; by p look team.dead 1", done),
        Row(
            "admin=team.dead publish=team.other", "by p redrive team.dead ; work 3 ; by p look team.dead 1",
            "done matched=1 done=0 failed=1: 'p' may not publish to queue 'team.in'"),
        Row("admin=* read=* lease=*", "by p redrive team.dead", "!PERMISSION_DENIED"),
        Row("publish=* read=* lease=*", "by p redrive team.dead", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=esprit-gen", "by p redrive team.dead to=esprit-gen ; work 3 ; by p look team.dead 1", done),
        Row("admin=* publish=team.*", "by p redrive team.dead to=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=team.dead publish=team.in", "by p bulk redrive team.dead ; work 3 ; by p look team.dead 1", done),
        Row("admin=* publish=team.*", "by p bulk redrive team.dead to=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=* read=* lease=*", "by p bulk redrive team.dead", "!PERMISSION_DENIED"),
        Row("admin=team.* publish=esprit-gen", "by p bulk move team.other to=esprit-gen ; work 3 ; by p look team.other 1", done),
        Row("admin=* publish=team.*", "by p bulk move team.other to=esprit-gen", "!PERMISSION_DENIED"),
        Row(allButAdmin, "by p bulk move team.other to=esprit-gen", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p bulk cancel team.other ; work 3 ; by p look team.other 1", done),
        Row(allButAdmin, "by p bulk cancel team.other", "!PERMISSION_DENIED"),
        Row("admin=team.*", "by p bulk reschedule team.other delay=5s ; work 3 ; by p look team.other 1", done),
        Row(allButAdmin, "by p bulk reschedule team.other delay=5s", "!PERMISSION_DENIED"),
        Row(allButAdmin, "by p look team.other 1", "!PERMISSION_DENIED"),
        Row(allButAdmin, "by p stop team.other 1", "!PERMISSION_DENIED"),
    ]

    private static let topicsAndWorkers: [Row] = [
        Row("events=team.*", "by p event team.t x", "ok"),
        Row("events=team.*", "by p event team.new x", "ok"),
        Row("events=team.*", "by p event other.t x", "!PERMISSION_DENIED"),
        Row(allButEvents, "by p event team.t x", "!PERMISSION_DENIED"),
        Row("events=team.*", "by p retain team.a*", "created"),
        Row("events=team.*", "by p retain *", "!PERMISSION_DENIED"),
        Row(allButEvents, "by p retain team.*", "!PERMISSION_DENIED"),
        Row("subscribe=team.*", "by p subscribe team.t", "ok"),
        Row("subscribe=team.*", "by p subscribe team.t,other.t", "!PERMISSION_DENIED"),
        Row(allButSubscribe, "by p subscribe team.t", "!PERMISSION_DENIED"),
        Row("subscribe=team.*", "by p topics *", "team.t"),
        Row(allButSubscribe, "by p topics *", "none"),
        Row("read=*", "by p workers", "gone(1)"),
        Row("admin=*", "by p workers", "gone(1)"),
        Row("read=team.*", "by p workers", "!PERMISSION_DENIED"),
        Row(allButRead, "by p workers", "!PERMISSION_DENIED"),
        Row("admin=*", "by p control quiet p", "1"),
        Row("admin=team.*", "by p control quiet p", "!PERMISSION_DENIED"),
        Row(allButAdmin, "by p control quiet p", "!PERMISSION_DENIED"),
    ]

    private static let table = messages + routes + queues + jobs + topicsAndWorkers

    @Test(arguments: table)
    func anOperationIsDoneWithItsRightAndRefusedWithoutIt(_ row: Row) throws {
        let script = Script(try TestBroker())
        for line in Self.before.split(separator: "\n") { try Self.perform(String(line), script) }
        // The lease stays the principal's, whichever of its connections is there.
        script.broker.disconnect(script.session("p"))
        _ = try script.perform("principal p \(row.rights)".split(separator: " ").map(String.init))
        var lines = row.line.split(separator: ";").map { $0.split(separator: " ").map(String.init) }
        let last = lines.removeLast()
        for line in lines { _ = try script.perform(line) }
        script.broker.turn()
        let before = script.broker.encodedState()
        #expect(try script.perform(last) == row.expected)
        script.broker.turn()
        if row.isDenied { #expect(script.broker.encodedState() == before, "what was refused changed nothing") }
        #expect(try script.broker.recoveredState() == script.broker.encodedState(), "replay equals live state")
    }

    private static func perform(_ line: String, _ script: Script) throws {
        let parts = line.split(separator: "->").map { $0.split(separator: " ").map(String.init) }
        let result = try script.perform(parts[0])
        if parts.count > 1 { #expect(result == parts[1].joined(separator: " "), "\(line)") }
    }

    @Test func everyRequestThatNeedsARightIsInTheTable() throws {
        let words: [Opcode: String] = [
            .publish: "publish", .lease: "lease", .ack: "ack", .nack: "nack", .extend: "extend", .settle: "settle", .await: "await",
            .declare: "queue", .delete: "delete", .purge: "purge", .pause: "pause", .resume: "resume", .stats: "stats", .browse: "browse",
            .get: "get", .cancel: "cancel", .reschedule: "reschedule", .redrive: "redrive", .bulk: "bulk", .topicPublish: "event",
            .why: "why", .topicSubscribe: "subscribe", .topicDeclare: "retain", .topicStats: "topics", .workers: "workers", .workerControl: "control",
        ]
        let needNone: Set<Opcode> = [.hello, .auth, .ping, .withdraw, .topicUnsubscribe, .topicCredit]
        let pushes: Set<Opcode> = [.goingAway, .quiet, .cancelled, .topicEvents, .topicGap]
        for opcode in Opcode.allCases where !needNone.contains(opcode) && !pushes.contains(opcode) {
            let word = try #require(words[opcode], "\(opcode.name) has no row")
            let rows = Self.table.filter { row in
                row.line.split(separator: ";").last.map { $0.split(separator: " ").contains(Substring(word)) } == true
                    || row.line.split(separator: " ").contains(Substring(word))
            }
            #expect(rows.contains { !$0.isDenied && $0.expected != "none" }, "\(opcode.name) with its right")
            #expect(rows.contains { $0.isDenied || $0.expected == "none" }, "\(opcode.name) without its right")
        }
    }

    // MARK: Routes of dead letters

    @Test func theConfigurationMayRouteDeadLettersAnywhereAndATeamMayChangeTheRest() throws {
        let script = Script(try TestBroker())
        var fields = QueuePolicyFields()
        fields.deadLetterQueue = ""
        try script.broker.configure("esprit-gen", fields)
        fields.deadLetterQueue = "esprit-gen"
        try script.broker.configure("team.x", fields)
        _ = try script.perform("principal t admin=team.* publish=team.* lease=team.*".split(separator: " ").map(String.init))
        for (line, expected) in [
            ("by t queue team.x attempts=1", "changed"), ("by t publish team.x m", "m"), ("lease t team.x 1 30s", "m#1"),
            ("dead t m", "ok"), ("stats esprit-gen", "ready=1 leased=0 delayed=0"),
            ("by t queue team.x dead=team.y", "changed"), ("by t queue team.x dead=esprit-gen", "!PERMISSION_DENIED"),
        ] { #expect(try script.perform(line.split(separator: " ").map(String.init)) == expected, "\(line)") }
    }

    @Test func noDeadLetterOfATeamReachesAQueueThatTheTeamMayNotPublishTo() throws {
        try Script.run("""
            queue esprit-gen dead=
            principal t admin=team.* publish=team.* lease=team.*
            by t queue team.x dead=esprit-gen ttl=1s attempts=1    -> !PERMISSION_DENIED
            by t queue team.x ttl=1s attempts=1                    -> created
            by t queue team.x dead=esprit-gen                      -> !PERMISSION_DENIED
            by t publish team.x nacked expires old
            lease t team.x 2 500ms   -> nacked#1 expires#1
            dead t nacked            -> ok
            tick 2s
            stats team.x.dead        -> ready=3 leased=0 delayed=0
            by t bulk move team.x.dead to=esprit-gen               -> !PERMISSION_DENIED
            by t redrive team.x.dead to=esprit-gen                 -> !PERMISSION_DENIED
            stats esprit-gen         -> ready=0 leased=0 delayed=0
            """)
    }
}
