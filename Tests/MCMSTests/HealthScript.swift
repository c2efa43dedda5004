import MCMSServer
import SpindleText
import Testing

/// Plays looks at an installation to a ``HealthMachine``, at times that a test chooses, and reads what it tells.
struct HealthScript {
    /// 10:42 in UTC, on a Tuesday.
    static let start = Timestamp(milliseconds: 1_900_000_000_000 - 1_900_000_000_000 % 86_400_000 + (10 * 60 + 42) * 60_000)

    static let site = HealthSite(
        groups: [.init(name: "results", queues: ["addin-result"]), .init(name: "files", queues: ["file-ingest"])],
        addin: .init(principal: "addin", queue: "esprit-gen", resultQueue: "addin-result", isPermanent: true), share: #"W:\"#, scanner: "clamd")

    static let sessions: [HealthWorkers.Session] = [
        .init(id: "1", name: "worker-results", principal: "worker", role: "worker", groups: ["results"]),
        .init(id: "2", name: "worker-files", principal: "worker", role: "worker", groups: ["files"]),
        .init(id: "3", name: "addin", principal: "addin", role: "addin"),
    ]

    static let queues: [HealthQueue] = [
        .init(name: "esprit-gen", limits: .init(length: 1_000, bytes: 1 << 30), deadLetterQueue: "esprit-gen.dead"),
        .init(name: "addin-result", deadLetterQueue: "addin-result.dead"), .init(name: "file-ingest", deadLetterQueue: "file-ingest.dead"),
        .init(name: "esprit-gen.dead"), .init(name: "addin-result.dead"), .init(name: "file-ingest.dead"),
    ]

    /// What is found where all is well.
    static let well: [HealthFacts] = [
        .queues(queues), .workers(.init(sessions: sessions, clockAheadMilliseconds: 3)), .database(HealthWork()), .share(HealthShare()), .store,
        .disks([HealthDisk(use: "data, files", path: "/data", bytesFree: 50 << 30, bytesTotal: 100 << 30, reserve: 1 << 30, filesFreePercent: 90)]),
        .scanner(.answers),
        .certificates([HealthCertificate(file: "/tls/web.pem", state: .good(until: start.adding(milliseconds: 200 * 86_400_000)))]),
    ]

    private(set) var machine: HealthMachine
    private(set) var seconds = 0.0
    /// Of the wall's clock against the steady one.
    var skew = 0.0

    init(site: HealthSite = HealthScript.site, limits: HealthLimits = HealthLimits()) {
        machine = HealthMachine(site: site, limits: limits)
    }

    /// After the time in which processes that start are awaited, with all well.
    static func running(site: HealthSite = HealthScript.site) -> HealthScript {
        var script = HealthScript(site: site)
        script.look()
        script.pass(30)
        return script
    }

    var now: HealthTime {
        HealthTime(wall: Self.start.adding(milliseconds: Int64((seconds + skew) * 1000)), steady: Int64(seconds * 1000))
    }

    /// Looks at everything: what is not given is well.
    mutating func look(_ facts: [HealthFacts] = [], failing: [HealthSource: HealthFailure] = [:]) {
        for well in Self.well {
            machine.lookBegins(well.source, at: now)
            let found = facts.first { $0.source == well.source } ?? well
            machine.lookEnds(well.source, failing[well.source].map { .failure($0) } ?? .success(found), at: now)
        }
    }

    /// Looks every two seconds for so long.
    mutating func pass(_ span: Double, _ facts: [HealthFacts] = [], failing: [HealthSource: HealthFailure] = [:]) {
        let end = seconds + span
        while seconds + 2 <= end {
            seconds += 2
            look(facts, failing: failing)
        }
        seconds = end
    }

    mutating func wait(_ span: Double) { seconds += span }
    mutating func begin(_ source: HealthSource) { machine.lookBegins(source, at: now) }
    mutating func end(_ result: HealthFacts) { machine.lookEnds(result.source, .success(result), at: now) }
    mutating func report() -> HealthReport { machine.report(at: now) }
    mutating func kinds() -> [String] { report().problems.map(\.key.kind.rawValue) }

    mutating func sentence(_ language: HealthLanguage) -> String { HealthText(language) { _ in 0 }.sentence(report()) }
}

extension HealthQueue {
    func with(_ change: (inout HealthQueue) -> Void) -> HealthQueue {
        var changed = self
        change(&changed)
        return changed
    }
}

extension HealthFacts {
    /// The queues where all is well, but one.
    static func queues(changing name: String, _ change: (inout HealthQueue) -> Void) -> HealthFacts {
        .queues(HealthScript.queues.map { $0.name == name ? $0.with(change) : $0 })
    }

    static func sessions(without name: String) -> HealthFacts { .workers(.init(sessions: HealthScript.sessions.filter { $0.name != name })) }
}
