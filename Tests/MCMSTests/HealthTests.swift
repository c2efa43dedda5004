import Foundation
import MCMSServer
import SpindleText
import Testing

/// Facts in, sentences out.
@Suite struct HealthTests {
    /// A fault, as it is seen after it has lasted for eight seconds.
    struct Fault: Sendable, CustomStringConvertible {
        let description: String
        var facts: [HealthFacts] = []
        var failing: [HealthSource: HealthFailure] = [:]
        let kind: String
        let severity: HealthSeverity
        let english: String
        let korean: String

        init(
            _ description: String, _ facts: [HealthFacts] = [], failing: [HealthSource: HealthFailure] = [:], is kind: String,
            _ severity: HealthSeverity, _ english: String, _ korean: String
        ) {
            self.description = description
            self.facts = facts
            self.failing = failing
            self.kind = kind
            self.severity = severity
            self.english = english
            self.korean = korean
        }
    }

    private static let days: Int64 = 86_400_000
    private static let start = HealthScript.start

    static let faults: [Fault] = [
        Fault(
            "the broker is down, and three messages wait", [.database(HealthWork(outbox: .init(waiting: 3, oldestSince: start)))],
            failing: [.queues: .unavailable("connection refused"), .workers: .unavailable("connection refused")], is: "broker.unreachable", .error,
            "The broker doesn't answer since 10:42; 3 messages wait; nothing is lost",
            "10:42부터 브로커가 응답하지 않습니다; 메시지 3건이 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "the broker does not know the token", failing: [.queues: .refused("wrong token"), .workers: .refused("wrong token")],
            is: "broker.refuses", .error, "The broker refuses the web server since 10:42; nothing is lost",
            "10:42부터 브로커가 웹 서버를 거부합니다; 잃은 것은 없습니다"),
        Fault(
            "the database is locked", failing: [.database: .unavailable("database is locked")], is: "database.unavailable", .error,
            "The database can't be used since 10:42; nothing is lost", "10:42부터 데이터베이스를 사용할 수 없습니다; 잃은 것은 없습니다"),
        Fault(
            "the share is not mounted, and fourteen wait for it",
            [.share(HealthShare(problem: "its marker is not there")), .database(HealthWork(filesWaiting: 10)), .queues(changing: "addin-result") { $0.delayed = 4 }],
            is: "share.unreadable", .error, #"The share W:\ can't be read since 10:42; 14 jobs wait; nothing is lost"#,
            #"10:42부터 공유 폴더(W:\)를 읽을 수 없습니다; 작업 14건이 대기 중입니다; 잃은 것은 없습니다"#),
        Fault(
            "the share is mounted read-only", [.share(HealthShare(isReadOnly: true))], is: "share.readOnly", .error,
            #"The share W:\ can't be written since 10:42; nothing is lost"#, #"10:42부터 공유 폴더(W:\)에 쓸 수 없습니다; 잃은 것은 없습니다"#),
        Fault(
            "the store can't be written", [.database(HealthWork(filesWaiting: 1))], failing: [.store: .unavailable("Read-only file system")],
            is: "store.unwritable", .error, "The store of files can't be written since 10:42; 1 file waits; nothing is lost",
            "10:42부터 파일 저장소에 쓸 수 없습니다; 파일 1개가 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "the scanner is away, and nothing waits for it", failing: [.scanner: .unavailable("connection refused")], is: "scanner.unreachable", .warning,
            "The virus scanner doesn't answer since 10:42; nothing is lost", "10:42부터 바이러스 검사기가 응답하지 않습니다; 잃은 것은 없습니다"),
        Fault(
            "the scanner is away, and files wait", [.database(HealthWork(filesWaiting: 2))], failing: [.scanner: .unavailable("refused")],
            is: "scanner.unreachable", .error, "The virus scanner doesn't answer since 10:42; 2 files wait; nothing is lost",
            "10:42부터 바이러스 검사기가 응답하지 않습니다; 파일 2개가 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "nobody said who scans", [.scanner(.undecided)], is: "scanner.undecided", .warning,
            "No virus scanner is set up since 10:42; nothing is lost", "10:42부터 바이러스 검사기가 설정되지 않았습니다; 잃은 것은 없습니다"),
        Fault(
            "a worker has ended, and nothing waits", [.sessions(without: "worker-files")], is: "workers.missing", .warning,
            "A worker of “files” is missing since 10:42; nothing is lost", "10:42부터 “files” 그룹의 작업자 1개가 연결되어 있지 않습니다; 잃은 것은 없습니다"),
        Fault(
            "a worker has ended, and two files wait", [.sessions(without: "worker-files"), .queues(changing: "file-ingest") { $0.ready = 2 }],
            is: "workers.missing", .error, "A worker of “files” is missing since 10:42; 2 jobs wait; nothing is lost",
            "10:42부터 “files” 그룹의 작업자 1개가 연결되어 있지 않습니다; 작업 2건이 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "the workers were told to be quiet",
            [.workers(.init(sessions: HealthScript.sessions.map { .init(id: $0.id, name: $0.name, principal: $0.principal, groups: $0.groups, isQuiet: $0.groups == ["files"]) }))],
            is: "workers.quiet", .warning, "All workers of “files” are told to be quiet since 10:42; nothing is lost",
            "10:42부터 “files” 그룹의 작업자가 모두 대기 지시를 받은 상태입니다; 잃은 것은 없습니다"),
        Fault(
            "the add-in is silent, and a job waits", [.sessions(without: "addin"), .queues(changing: "esprit-gen") { $0.leased = 1 }], is: "addin.missing",
            .error, "No add-in is connected since 10:42; 1 job waits; nothing is lost", "10:42부터 연결된 애드인이 없습니다; 작업 1건이 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "a queue is paused", [.queues(changing: "esprit-gen") { ($0.pauseReason, $0.ready) = ("maintenance", 5) }], is: "queue.paused", .warning,
            "The queue “esprit-gen” is paused since 10:42; 5 messages wait; nothing is lost",
            "10:42부터 “esprit-gen” 대기열이 일시 중지되었습니다; 메시지 5건이 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "a queue is full", [.queues(changing: "esprit-gen") { $0.ready = 1_000 }], is: "queue.full", .error,
            "The queue “esprit-gen” is full since 10:42; nothing is lost", "10:42부터 “esprit-gen” 대기열이 가득 찼습니다; 잃은 것은 없습니다"),
        Fault(
            "a queue is nearly full of bytes", [.queues(changing: "esprit-gen") { $0.bytes = 1 << 30 - 1 << 20 }], is: "queue.full", .warning,
            "The queue “esprit-gen” is 99 % full since 10:42; nothing is lost", "10:42부터 “esprit-gen” 대기열이 99 % 찼습니다; 잃은 것은 없습니다"),
        Fault(
            "the oldest waits long", [.queues(changing: "esprit-gen") { ($0.ready, $0.oldestAgeSeconds) = (7, 720) }], is: "queue.waits", .warning,
            "The oldest message of “esprit-gen” waits 12 min; 7 messages wait; nothing is lost",
            "“esprit-gen” 대기열에서 가장 오래된 메시지가 12분째 대기 중입니다; 메시지 7건이 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "a message died an hour ago", [.queues(changing: "esprit-gen.dead") { ($0.ready, $0.oldestAgeSeconds) = (1, 3_600) }],
            is: "queue.deadLetters", .warning, "1 dead letter lies in “esprit-gen.dead” since 09:42; nothing is lost",
            "09:42부터 “esprit-gen.dead” 대기열에 처리하지 못한 메시지가 1건 있습니다; 잃은 것은 없습니다"),
        Fault(
            "messages died the day before", [.queues(changing: "esprit-gen.dead") { ($0.ready, $0.oldestAgeSeconds) = (3, 86_400) }],
            is: "queue.deadLetters", .warning, "3 dead letters lie in “esprit-gen.dead” since 10:42 on \(yesterday.english); nothing is lost",
            "\(yesterday.korean) 10:42부터 “esprit-gen.dead” 대기열에 처리하지 못한 메시지가 3건 있습니다; 잃은 것은 없습니다"),
        Fault(
            "the broker refuses a row of the outbox",
            [.database(HealthWork(outbox: .init(waiting: 2, oldestSince: start, oldestError: "QUEUE_PAUSED")))], is: "outbox.stuck", .error,
            "Messages can't leave the outbox since 10:42; 2 messages wait; nothing is lost",
            "10:42부터 메시지를 아웃박스에서 보내지 못하고 있습니다; 메시지 2건이 대기 중입니다; 잃은 것은 없습니다"),
        Fault(
            "a row of the outbox was given up", [.database(HealthWork(outbox: .init(dead: 1)))], is: "outbox.dead", .warning,
            "1 message of the outbox was given up since 10:42; nothing is lost", "10:42부터 아웃박스에서 전송을 포기한 메시지가 1건 있습니다; 잃은 것은 없습니다"),
        Fault(
            "a disk is nearly full", [disk(free: 1_400 << 20)], is: "disk.full", .warning, "The disk of data, files is nearly full: 1.3 GiB are free; nothing is lost",
            "디스크(데이터, 파일)가 거의 가득 찼습니다: 남은 공간 1.3 GiB; 잃은 것은 없습니다"),
        Fault(
            "a disk has less than files must leave", [disk(free: 900 << 20)], is: "disk.full", .error,
            "The disk of data, files is full: 900 MiB are free; nothing is lost", "디스크(데이터, 파일)가 가득 찼습니다: 남은 공간 900 MiB; 잃은 것은 없습니다"),
        Fault(
            "a disk has no room for names", [disk(free: 50 << 30, names: 1)], is: "disk.files", .warning,
            "The disk of data, files takes hardly any more files since 10:42", "10:42부터 디스크(데이터, 파일)에 파일을 더 만들 수 없게 되어 갑니다"),
        Fault(
            "a certificate ends soon", [certificate(.good(until: start.adding(milliseconds: 10 * days + 3_600_000)))], is: "certificate.ends", .warning,
            "The certificate web.pem expires in 10 days", "인증서 web.pem: 10일 후 만료됩니다"),
        Fault(
            "a certificate has ended", [certificate(.good(until: start.adding(milliseconds: -1)))], is: "certificate.ends", .error,
            "The certificate web.pem has expired", "인증서 web.pem: 만료되었습니다"),
        Fault(
            "a certificate can't be read", [certificate(.unreadable("no such file"))], is: "certificate.unusable", .error,
            "The certificate web.pem can't be used", "인증서 web.pem: 사용할 수 없습니다"),
        Fault(
            "a certificate is not good yet", [certificate(.notYet(from: start.adding(milliseconds: days + 3_600_000)))], is: "certificate.unusable", .error,
            "The certificate web.pem can't be used", "인증서 web.pem: 사용할 수 없습니다"),
        Fault(
            "the broker's clock is behind", [.workers(.init(sessions: HealthScript.sessions, clockAheadMilliseconds: -45_000))], is: "clock.differs", .warning,
            "The broker's clock is 45 s behind the web server's", "브로커의 시계가 웹 서버보다 45초 늦습니다"),
    ]

    private static func disk(free: Int64, names: Double = 50) -> HealthFacts {
        .disks([HealthDisk(use: "data, files", path: "/data", bytesFree: free, bytesTotal: 100 << 30, reserve: 1 << 30, filesFreePercent: names)])
    }

    private static func certificate(_ state: HealthCertificate.State) -> HealthFacts { .certificates([HealthCertificate(file: "/tls/web.pem", state: state)]) }

    private static var yesterday: (english: String, korean: String) {
        let date = Date(timeIntervalSince1970: Double(start.milliseconds) / 1000 - 86_400)
        let parts = Calendar(identifier: .gregorian).dateComponents(in: .gmt, from: date)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return ("\(parts.day ?? 0) \(months[(parts.month ?? 1) - 1])", "\(parts.month ?? 0)월 \(parts.day ?? 0)일")
    }

    @Test(arguments: faults) func eachFaultIsNamedWithinTenSecondsAndEndsAfterIt(fault: Fault) {
        var script = HealthScript.running()
        #expect(script.kinds() == [])
        script.pass(8, fault.facts, failing: fault.failing)
        // The fault was noticed at the first look, two seconds after it began.
        let report = script.report()
        #expect(report.problems.map(\.key.kind.rawValue) == [fault.kind], "\(fault)")
        #expect(report.severity == fault.severity && report.problems.first?.severity == fault.severity, "\(fault)")
        #expect(script.sentence(.en) == fault.english, "\(fault)")
        #expect(script.sentence(.ko) == fault.korean, "\(fault)")
        for language in HealthLanguage.allCases {
            let text = HealthText(language) { _ in 0 }
            for problem in report.problems {
                #expect(!text.why(problem).isEmpty && !text.action(problem).label.isEmpty, "\(fault)")
            }
        }
        script.pass(6)
        #expect(script.kinds() == [], "\(fault)")
        #expect(script.report().severity == .ok, "\(fault)")
    }

    @Test func everyKindHasAFault() {
        let shown = Set(Self.faults.map(\.kind)).union(["queue.fails", "clock.jumped"])
        #expect(shown == Set(HealthKind.allCases.map(\.rawValue)))
    }

    // MARK: Hysteresis

    @Test func aRestartOfThreeSecondsIsNoProblem() {
        let restarts: [(facts: [HealthFacts], failing: [HealthSource: HealthFailure])] = [
            ([.sessions(without: "worker-files")], [:]), ([.sessions(without: "addin")], [:]),
            ([], [.queues: .unavailable("connection refused"), .workers: .unavailable("connection refused")]),
        ]
        for (facts, failing) in restarts {
            var script = HealthScript.running()
            // Again and again: absences do not add up.
            for _ in 0..<20 {
                script.pass(4, facts, failing: failing)
                #expect(script.kinds() == [])
                script.pass(4)
                #expect(script.kinds() == [])
            }
        }
    }

    @Test func aProblemThatComesAndGoesIsToldOnce() {
        var script = HealthScript.running()
        script.pass(8, [.sessions(without: "addin")])
        let since = script.report().problems.first?.since
        for _ in 0..<10 {
            script.pass(2)
            #expect(script.kinds() == ["addin.missing"], "not gone for long enough")
            script.pass(2, [.sessions(without: "addin")])
        }
        #expect(script.report().problems.first?.since == since)
    }

    @Test func whatStartsTogetherIsAwaited() {
        var script = HealthScript()
        #expect(script.report().severity == .info)
        #expect(script.sentence(.en) == "Spindle is starting: not everything was looked at yet")
        let nobody: [HealthFacts] = [.workers(.init(sessions: []))]
        script.look(nobody)
        script.pass(18, nobody)
        #expect(script.kinds() == [])
        script.pass(4, nobody)
        #expect(Set(script.kinds()) == ["workers.missing", "addin.missing"])
    }

    @Test func anAddinThatIsAPersonsPCMayBeOffWhileNothingWaits() {
        var site = HealthScript.site
        site.addin?.isPermanent = false
        var script = HealthScript.running(site: site)
        script.pass(60, [.sessions(without: "addin")])
        #expect(script.kinds() == [])
        script.pass(8, [.sessions(without: "addin"), .queues(changing: "esprit-gen") { $0.ready = 1 }])
        #expect(script.kinds() == ["addin.missing"])
    }

    // MARK: Silence

    @Test func aShareThatHangsIsNamedAndHoldsUpNothingElse() {
        var script = HealthScript.running()
        script.begin(.share)
        script.wait(2)
        #expect(script.kinds() == [])
        script.wait(4)
        #expect(script.kinds() == ["share.unreadable"])
        #expect(script.report().problems.first?.reason == "no answer for 6 s")
        // Others go on being looked at.
        script.end(.queues(changing: "esprit-gen") { $0.pauseReason = "" })
        #expect(script.kinds() == ["share.unreadable", "queue.paused"])
        script.end(.share(HealthShare()))
        script.pass(6)
        #expect(script.kinds() == [])
    }

    @Test func whileTheBrokerIsSilentWhatWasToldStaysAndNothingIsConcluded() {
        var script = HealthScript.running()
        let paused = HealthFacts.queues(changing: "esprit-gen") { $0.pauseReason = "" }
        script.pass(2, [paused, .sessions(without: "addin")])
        #expect(script.kinds() == ["queue.paused"])
        script.pass(30, failing: [.queues: .unavailable("x"), .workers: .unavailable("x")])
        // That the add-in was away at the last look says nothing of now.
        #expect(script.kinds() == ["broker.unreachable", "queue.paused"])
        script.pass(6, [paused])
        #expect(script.kinds() == ["queue.paused"])
    }

    // MARK: Causes and consequences

    @Test func consequencesAreNotToldBesideTheirCause() {
        var script = HealthScript.running()
        let stuck = HealthFacts.database(HealthWork(outbox: .init(waiting: 9, oldestSince: script.now.wall)))
        script.pass(60, [stuck], failing: [.queues: .unavailable("x"), .workers: .unavailable("x")])
        #expect(script.kinds() == ["broker.unreachable"])
        #expect(script.report().problems.first?.count == 9)

        script = HealthScript.running()
        let old = HealthFacts.queues(changing: "esprit-gen") { ($0.ready, $0.oldestAgeSeconds) = (2, 5_000) }
        script.pass(8, [old, .sessions(without: "addin")])
        #expect(script.kinds() == ["addin.missing"])

        script = HealthScript.running()
        script.pass(8, [.queues(changing: "file-ingest") { ($0.ready, $0.oldestAgeSeconds, $0.pauseReason) = (2, 5_000, "") }])
        #expect(script.kinds() == ["queue.paused"])
    }

    @Test func attemptsFailOfOtherReasonsThanAStoreThatIsAway() {
        for (queue, kinds) in [("file-ingest", ["store.unwritable"]), ("esprit-gen", ["store.unwritable", "queue.fails"])] {
            var script = HealthScript.running()
            let failing = HealthFacts.queues(changing: queue) { $0.flow = .init(acknowledged: 0, failed: 9) }
            script.pass(8, [failing], failing: [.store: .unavailable("Read-only file system")])
            #expect(script.kinds() == kinds, "\(queue)")
        }
    }

    @Test func theWorstComesFirstAndTheOthersAreCounted() {
        var script = HealthScript.running()
        script.pass(
            8, [.queues(changing: "esprit-gen.dead") { ($0.ready, $0.oldestAgeSeconds) = (2, 60) }, .scanner(.undecided)],
            failing: [.store: .unavailable("Read-only file system")])
        #expect(script.kinds() == ["store.unwritable", "queue.deadLetters", "scanner.undecided"])
        #expect(script.sentence(.en) == "The store of files can't be written since 10:42; nothing is lost; 2 more problems")
        #expect(script.sentence(.ko) == "10:42부터 파일 저장소에 쓸 수 없습니다; 잃은 것은 없습니다; 다른 문제 2건")
    }

    // MARK: Attempts that fail

    @Test func attemptsThatFailInARowAreToldUntilOneSucceeds() {
        var script = HealthScript.running()
        func flow(_ acknowledged: Int, _ failed: Int) -> [HealthFacts] {
            [.queues(changing: "esprit-gen") { $0.flow = .init(acknowledged: acknowledged, failed: failed) }]
        }
        for failed in 1...4 {
            script.pass(2, flow(0, failed))
            #expect(script.kinds() == [])
        }
        script.pass(2, flow(0, 5))
        #expect(script.kinds() == ["queue.fails"])
        #expect(script.sentence(.en) == "Every attempt in “esprit-gen” fails since 10:42; nothing is lost")
        #expect(script.sentence(.ko) == "10:42부터 “esprit-gen” 대기열의 시도가 모두 실패합니다; 잃은 것은 없습니다")
        script.pass(6, flow(1, 5))
        #expect(script.kinds() == [])
        // A queue that was made after the last look.
        script.pass(2, [.queues(HealthScript.queues + [HealthQueue(name: "new", ready: 1, flow: .init(failed: 6))])])
        #expect(script.kinds() == ["queue.fails"])
        script.pass(6, flow(1, 5))
        #expect(script.kinds() == [])
        // Failures far apart are not in a row.
        for failed in 6...20 {
            script.pass(30, flow(1, failed))
            #expect(script.kinds() == [])
        }
    }

    // MARK: Clocks

    @Test(arguments: [(-90.0, "The clock of the web server was set back by 90 s", "웹 서버의 시계가 90초 뒤로 변경되었습니다"), (3_600, "The clock of the web server was set forward by 60 min", "웹 서버의 시계가 60분 앞으로 변경되었습니다")])
    func aClockThatIsSetIsToldForAWhile(jump: (seconds: Double, english: String, korean: String)) {
        var script = HealthScript.running()
        script.skew = jump.seconds
        script.pass(2)
        #expect(script.kinds() == ["clock.jumped"])
        #expect(script.sentence(.en) == jump.english)
        #expect(script.sentence(.ko) == jump.korean)
        script.pass(590)
        #expect(script.kinds() == ["clock.jumped"])
        script.pass(20)
        #expect(script.kinds() == [])
    }

    // MARK: All is well

    @Test(arguments: [
        (HealthWork.Jobs(), "All is well: no job runs, none waits", "모두 정상입니다: 실행 중인 작업이 없고, 대기 중인 작업이 없습니다"),
        (
            HealthWork.Jobs(running: 3, waiting: 2, oldestWaitSince: HealthScript.start.adding(milliseconds: 30_000)),
            "All is well: 3 jobs run, the oldest waits 2 s", "모두 정상입니다: 작업 3건이 실행 중이고, 가장 오래 기다린 작업은 2초째 대기 중입니다"
        ),
        (HealthWork.Jobs(running: 1, failedToday: 4), "All is well: 1 job runs, none waits", "모두 정상입니다: 작업 1건이 실행 중이고, 대기 중인 작업이 없습니다"),
    ])
    func allIsWell(jobs: HealthWork.Jobs, english: String, korean: String) {
        var script = HealthScript.running()
        script.pass(2, [.database(HealthWork(jobs: jobs))])
        #expect(script.sentence(.en) == english)
        #expect(script.sentence(.ko) == korean)
        #expect(script.report().numbers?.failedToday == jobs.failedToday)
    }

    @Test func samplesAreKeptForAnHourOneAMinute() {
        var script = HealthScript.running()
        for minute in 0..<200 {
            script.pass(60, [.database(HealthWork(jobs: .init(running: minute)))])
        }
        let past = script.report().past.map(\.jobsRunning)
        #expect(past.count == HealthMachine.samplesMax)
        #expect(past == past.sorted() && Set(past).count == past.count && past.last == 199)
    }

    // MARK: Languages

    @Test(arguments: [
        (nil, nil, .en), (nil, "ko", .ko), (nil, "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", .ko), (nil, "en-US,en;q=0.9,ko;q=0.8", .en),
        (nil, "de-DE,de;q=0.9", .en), (nil, "de,ko;q=0.5", .ko), (nil, "en;q=0,ko;q=0.1", .ko), (nil, "*", .en), (nil, ",;q=,ko;q=x", .en),
        ("en", "ko", .en), ("ko", "en", .ko), ("fr", "ko", .ko),
    ] as [(String?, String?, HealthLanguage)])
    func theReadersLanguage(asked: String?, accepted: String?, language: HealthLanguage) {
        #expect(HealthLanguage(asked: asked, accepted: accepted) == language)
    }

    @Test func namesOfStrangersStayWordsOfACommand() {
        let problem = HealthProblem(.queuePaused, "a b'; rm -rf /", severity: .warning, since: HealthScript.start)
        let action = HealthText(.en) { _ in 0 }.action(problem)
        #expect(action.command == #"spindle queue resume 'a b'\''; rm -rf /'"#)
        let certificate = HealthProblem(.certificateEnds, "/tls/client-web.pem", severity: .warning, since: HealthScript.start, amount: 3)
        #expect(HealthText(.en) { _ in 0 }.action(certificate).command == "spindle cert renew client-web")
        #expect(action.href == "#/queues/a%20b%27%3B%20rm%20-rf%20%2F")
    }
}
