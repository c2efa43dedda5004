internal import Foundation
internal import MCMS
package import SpindleText

/// A broker's log, as the broker tells it.
package struct BrokerFigures: Sendable, Hashable {
    package struct Log: Sendable, Hashable, Codable {
        package var segments: Int
        package var segmentBytes: Int
        /// Of all segments in use.
        package var bytes: Int
        /// Of the records that are still needed.
        package var liveBytes: Int
        /// Logged and not synced yet: nobody was told that it is stored.
        package var unsyncedBytes: Int
        package var checkpointBytes: Int
        package var isDiskFull: Bool
        /// Places at which scrubbing found damage.
        package var damaged: Int

        package init(
            segments: Int, segmentBytes: Int, bytes: Int, liveBytes: Int, unsyncedBytes: Int, checkpointBytes: Int, isDiskFull: Bool, damaged: Int
        ) {
            self.segments = segments
            self.segmentBytes = segmentBytes
            self.bytes = bytes
            self.liveBytes = liveBytes
            self.unsyncedBytes = unsyncedBytes
            self.checkpointBytes = checkpointBytes
            self.isDiskFull = isDiskFull
            self.damaged = damaged
        }
    }

    package enum Answer: Sendable, Hashable {
        /// - Parameter notReady: why it takes no new work; nil: it does.
        case told(Log, notReady: String?)
        /// It should answer here, and does not.
        case silent(String)
        /// Its operations port is not open to this machine.
        case elsewhere(String)
    }

    package var name: String
    package var answer: Answer

    package init(name: String, answer: Answer) {
        self.name = name
        self.answer = answer
    }
}

/// What this process knows of itself and of the brokers.
package struct SystemSource: Sendable {
    let name: String
    let startedAt: Timestamp
    let brokers: @Sendable () async -> [BrokerFigures]

    package init(name: String = "web", startedAt: Timestamp = Timestamp.now(), brokers: @escaping @Sendable () async -> [BrokerFigures] = { [] }) {
        self.name = name
        self.startedAt = startedAt
        self.brokers = brokers
    }
}

/// The parts of an installation, each with its state: the first screen's, where that tells one.
package struct SystemView: Encodable, Sendable {
    package enum State: String, Encodable, Sendable {
        case ok, info, warning, error
        /// Not looked at yet, or not to be seen from this machine.
        case unknown

        init(_ severity: HealthSeverity) {
            self =
                switch severity {
                case .ok: .ok
                case .info: .info
                case .warning: .warning
                case .error: .error
                }
        }
    }

    struct Server: Encodable, Sendable {
        let name: String
        let state: State
        let version: String
        let startedAt: Timestamp
        let uptimeSeconds: Int64
    }

    struct Broker: Encodable, Sendable {
        let name: String
        let state: State
        let reason: String?
        let log: BrokerFigures.Log?

        init(_ broker: BrokerFigures) {
            name = broker.name
            switch broker.answer {
            case .told(let log, let notReady):
                (self.log, reason) = (log, notReady)
                state = notReady != nil || log.isDiskFull || log.damaged > 0 ? .error : .ok
            case .silent(let reason): (log, self.reason, state) = (nil, reason, .error)
            case .elsewhere(let reason): (log, self.reason, state) = (nil, reason, .unknown)
            }
        }
    }

    struct Disk: Encodable, Sendable {
        let use: String
        let path: String
        let state: State
        let bytesFree: Int64
        let bytesTotal: Int64
        /// Uploads are refused below it.
        let reserveBytes: Int64
        let filesFreePercent: Double?
    }

    struct Certificate: Encodable, Sendable {
        let name: String
        let file: String
        let state: State
        let endsAt: Timestamp?
        let beginsAt: Timestamp?
        let reason: String?
    }

    /// Something that is there or not: the share, the scanner, the store of files, the database.
    struct Part: Encodable, Sendable {
        let name: String?
        let state: State
        let reason: String?
    }

    let at: Timestamp
    let server: Server
    let brokers: [Broker]
    let disks: [Disk]
    let certificates: [Certificate]
    let database: Part
    /// Nil: the description has none.
    let share: Part?
    let store: Part?
    let scanner: Part?

    package init(_ source: SystemSource, _ brokers: [BrokerFigures], _ looks: [HealthSource: HealthLook], _ report: HealthReport, _ site: HealthSite) {
        let told = HealthStates(looks, report.problems)
        at = report.at
        server = Server(
            name: source.name, state: .ok, version: SpindleVersion.current, startedAt: source.startedAt,
            uptimeSeconds: max(0, (report.at.milliseconds - source.startedAt.milliseconds) / 1_000))
        self.brokers = brokers.map(Broker.init)
        disks = Self.disks(looks).map { disk in
            Disk(
                use: disk.use, path: disk.path, state: told.state([.diskFull, .diskFiles], of: disk.use), bytesFree: disk.bytesFree,
                bytesTotal: disk.bytesTotal, reserveBytes: disk.reserve, filesFreePercent: disk.filesFreePercent)
        }
        certificates = Self.certificates(looks).map { certificate in
            let state = told.state([.certificateEnds, .certificateUnusable], of: certificate.file)
            let name = URL(fileURLWithPath: certificate.file).lastPathComponent
            return switch certificate.state {
            case .good(let end): Certificate(name: name, file: certificate.file, state: state, endsAt: end, beginsAt: nil, reason: nil)
            case .notYet(let begin): Certificate(name: name, file: certificate.file, state: state, endsAt: nil, beginsAt: begin, reason: nil)
            case .unreadable(let reason): Certificate(name: name, file: certificate.file, state: state, endsAt: nil, beginsAt: nil, reason: reason)
            }
        }
        database = told.part(.database, [.databaseUnavailable], name: nil)
        share = looks[.share].map { _ in told.part(.share, [.shareUnreadable, .shareReadOnly], name: site.share) }
        store = looks[.store].map { _ in told.part(.store, [.storeUnwritable], name: nil) }
        scanner = looks[.scanner].map { _ in
            told.part(.scanner, [.scannerUnreachable, .scannerUndecided], name: site.scanner.isEmpty ? nil : site.scanner)
        }
    }

    private static func disks(_ looks: [HealthSource: HealthLook]) -> [HealthDisk] {
        var disks: [HealthDisk] = []
        if case .success(.disks(let found)) = looks[.disks]?.result { disks += found }
        if case .success(.share(let share)) = looks[.share]?.result, let disk = share.disk { disks.append(disk) }
        return disks
    }

    private static func certificates(_ looks: [HealthSource: HealthLook]) -> [HealthCertificate] {
        guard case .success(.certificates(let found)) = looks[.certificates]?.result else { return [] }
        return found
    }
}

/// The states of parts, by what was seen last and what the first screen tells.
private struct HealthStates {
    private let looks: [HealthSource: HealthLook]
    private let problems: [HealthProblem]

    init(_ looks: [HealthSource: HealthLook], _ problems: [HealthProblem]) {
        self.looks = looks
        self.problems = problems
    }

    func state(_ kinds: Set<HealthKind>, of subject: String) -> SystemView.State {
        problems.filter { kinds.contains($0.key.kind) && $0.key.subject == subject }.map(\.severity).max().map(SystemView.State.init) ?? .ok
    }

    /// A look that failed just now is told here at once: an operator who looks at parts wants to see it before it has lasted.
    func part(_ source: HealthSource, _ kinds: Set<HealthKind>, name: String?) -> SystemView.Part {
        if let problem = problems.filter({ kinds.contains($0.key.kind) }).max(by: { $0.severity < $1.severity }) {
            return SystemView.Part(name: name, state: SystemView.State(problem.severity), reason: problem.reason.isEmpty ? nil : problem.reason)
        }
        return switch looks[source]?.result {
        case .success: SystemView.Part(name: name, state: .ok, reason: nil)
        case .failure(let failure): SystemView.Part(name: name, state: .error, reason: failure.reason)
        case nil: SystemView.Part(name: name, state: .unknown, reason: nil)
        }
    }
}
