import HTTPTypes
import MCMS
import MCMSServer
import ServiceLifecycle
import SpindleText
import Testing

/// The parts of an installation, as operators see them.
@Suite struct SystemTests {
    private static let time = Timestamp(milliseconds: 1_800_000_000_000)
    private static let log = BrokerFigures.Log(
        segments: 2, segmentBytes: 64, bytes: 128, liveBytes: 30, unsyncedBytes: 0, checkpointBytes: 9, isDiskFull: false, damaged: 0)

    /// What the view says when these were the last looks.
    private static func view(
        _ results: [Result<HealthFacts, HealthFailure>] = [], failing: [HealthSource: HealthFailure] = [:], brokers: [BrokerFigures] = []
    ) throws -> JSON {
        let site = HealthSite(share: #"W:\"#, scanner: "clamd")
        var machine = HealthMachine(site: site)
        var looks: [HealthSource: HealthLook] = [:]
        func look(_ source: HealthSource, _ result: Result<HealthFacts, HealthFailure>, _ second: Int64) {
            let now = HealthTime(wall: Timestamp(milliseconds: time.milliseconds + second * 1_000), steady: second * 1_000)
            machine.lookBegins(source, at: now)
            machine.lookEnds(source, result, at: now)
            looks[source] = HealthLook(at: now.wall, result: result)
        }
        for case .success(let facts) in results { look(facts.source, .success(facts), 0) }
        for (source, failure) in failing { look(source, .failure(failure), 1) }
        let report = machine.report(at: HealthTime(wall: Timestamp(milliseconds: time.milliseconds + 1_000), steady: 1_000))
        let source = SystemSource(name: "web", startedAt: Timestamp(milliseconds: time.milliseconds - 60_000))
        let bytes = try MCMSJSON.encode(SystemView(source, brokers, looks, report, site))
        return try MCMSJSON.decode(JSON.self, from: bytes)
    }

    @Test func aServerTellsItsVersionAndHowLongItRuns() throws {
        let server = try Self.view()["server"]
        #expect(server["name"] == "web" && server["version"].string == SpindleVersion.current)
        #expect(server["uptimeSeconds"] == 61)
    }

    @Test(arguments: [
        (BrokerFigures.Answer.told(log, notReady: nil), "ok"), (.told(log, notReady: "the disk is full: publishes are refused"), "error"),
        (.silent("connection refused"), "error"), (.elsewhere("its operations port is open on its own host only"), "unknown"),
    ])
    func aBrokersLogHasAState(answer: BrokerFigures.Answer, state: String) throws {
        let broker = try Self.view(brokers: [BrokerFigures(name: "broker-1", answer: answer)])["brokers"][0]
        #expect(broker["name"] == "broker-1" && broker["state"].string == state)
        if case .told = answer {
            #expect(broker["log"]["segments"] == 2 && broker["log"]["bytes"] == 128 && broker["log"]["unsyncedBytes"] == 0)
        } else {
            #expect(broker["log"] == nil && broker["reason"].string != nil)
        }
    }

    @Test func damageInTheLogIsAnError() throws {
        var log = Self.log
        log.damaged = 1
        #expect(try Self.view(brokers: [BrokerFigures(name: "b", answer: .told(log, notReady: nil))])["brokers"][0]["state"] == "error")
    }

    @Test func disksHaveTheStateThatTheFirstScreenTells() throws {
        let disks = [
            HealthDisk(use: "data", path: "/data", bytesFree: 500 << 30, bytesTotal: 1_000 << 30),
            HealthDisk(use: "files", path: "/files", bytesFree: 1 << 20, bytesTotal: 1_000 << 30, reserve: 1 << 30),
        ]
        let shared = HealthDisk(use: "share", path: "/share", bytesFree: 4 << 30, bytesTotal: 1_000 << 30)
        let view = try Self.view([.success(.disks(disks)), .success(.share(HealthShare(disk: shared)))])["disks"]
        #expect([0, 1, 2].map { view[$0]["use"].string } == ["data", "files", "share"])
        #expect([0, 1, 2].map { view[$0]["state"].string } == ["ok", "error", "warning"])
        #expect(view[1]["bytesTotal"] == .number(Double(1_000 << 30)) && view[1]["reserveBytes"] == .number(Double(1 << 30)))
    }

    @Test func certificatesTellTheirEndAndWhetherItIsNear() throws {
        func after(days: Int64) -> Timestamp { Timestamp(milliseconds: Self.time.milliseconds + days * 86_400_000) }
        let view = try Self.view([
            .success(
                .certificates([
                    HealthCertificate(file: "/tls/a.pem", state: .good(until: after(days: 400))),
                    HealthCertificate(file: "/tls/b.pem", state: .good(until: after(days: 5))),
                    HealthCertificate(file: "/tls/c.pem", state: .notYet(from: after(days: 1))),
                    HealthCertificate(file: "/tls/d.pem", state: .unreadable("no such file")),
                ]))
        ])["certificates"]
        #expect([0, 1, 2, 3].map { view[$0]["state"].string } == ["ok", "warning", "error", "error"])
        #expect(view[0]["name"] == "a.pem" && view[0]["endsAt"].string == after(days: 400).rfc3339)
        #expect(view[2]["beginsAt"].string == after(days: 1).rfc3339 && view[3]["reason"] == "no such file")
    }

    @Test func aPartThatFailsIsNamedAtOnceAndOneThatThereIsNotIsLeftOut() throws {
        let view = try Self.view([.success(.store)], failing: [.share: .unavailable("input/output error"), .scanner: .unavailable("refused")])
        #expect(view["share"]["name"] == #"W:\"# && view["share"]["state"] == "error" && view["share"]["reason"] == "input/output error")
        #expect(view["scanner"]["name"] == "clamd" && view["scanner"]["state"] == "error")
        #expect(view["store"]["state"] == "ok" && view["database"]["state"] == "unknown")
        #expect(try Self.view()["share"] == nil && (Self.view()["scanner"]) == nil)
    }
}
