import ContentStore
import Dispatch
import Foundation
import Logging
import MCMS
import MCMSFiles
import MCMSServer
import SpindleClient
import SpindleCluster
import SpindleText

/// What the web server looks at to say whether all is well, from the description of its cluster.
struct HealthSetup {
    private static let often = Duration.seconds(2)
    private static let seldom = Duration.seconds(5)
    private static let fileMode: mode_t = 0o600

    let cluster: ClusterConfiguration
    let web: WebConfiguration
    let store: MCMSStore
    let payloads: any PayloadStore
    let client: SpindleClient
    let logger: Logger

    func watch() -> HealthWatch {
        HealthWatch(
            site: site,
            readers: [queues, workers, database] + (cluster.files == nil ? [] : [share, fileStore]) + scanner + [disks, certificates])
    }

    private var site: HealthSite {
        HealthSite(
            groups: cluster.workers.map { .init(name: $0.name, queues: $0.queues, processes: $0.processes) },
            addin: cluster.addin.map { .init(principal: $0.principal, queue: $0.queue, resultQueue: $0.resultQueue, isPermanent: $0.enabled) },
            share: cluster.files?.windowsRoots.first ?? cluster.files?.share ?? "", scanner: scannerName)
    }

    private var scannerName: String {
        switch cluster.files?.scanner {
        case .clamd(let clamd, _): "clamd \(clamd.address)"
        case .http(let http, _): http.url
        case .off, nil: ""
        }
    }

    // MARK: The broker

    private var queues: HealthReader {
        HealthReader(.queues, every: Self.often) { [client] in
            try await Self.asking { .queues(try await client.statistics().map(HealthQueue.init)) }
        }
    }

    private var workers: HealthReader {
        HealthReader(.workers, every: Self.often) { [client] in
            try await Self.asking {
                let sessions = try await client.workers(withLeases: false)
                // The broker has just heard this request.
                let ahead = sessions.map(\.heardAtMilliseconds).max().map { $0 - Timestamp.now().milliseconds }
                return .workers(HealthWorkers(sessions: sessions.filter { $0.id != 0 }.map(HealthWorkers.Session.init), clockAheadMilliseconds: ahead))
            }
        }
    }

    private static func asking(_ body: () async throws -> HealthFacts) async throws -> HealthFacts {
        do {
            return try await body()
        } catch let error as SpindleError {
            switch error.code {
            case .notAuthenticated, .authenticationFailed, .permissionDenied: throw HealthFailure.refused(error.message)
            default: throw HealthFailure.unavailable(error.message)
            }
        }
    }

    // MARK: The database

    private var database: HealthReader {
        let files = cluster.files == nil ? nil : FilesStore(store)
        return HealthReader(.database, every: Self.often) { [store] in
            let midnight = Calendar.current.startOfDay(for: Date())
            let work = try await store.workFigures(failedSince: Timestamp(milliseconds: Int64(midnight.timeIntervalSince1970 * 1000)))
            let fileWork = try await files?.workFigures()
            try await store.checkWritable()
            return .database(HealthWork(work, fileWork))
        }
    }

    // MARK: Files

    private var share: HealthReader {
        let root = (try? cluster.sharePath()) ?? ""
        let identity = try? cluster.shareIdentity()
        let others = [cluster.dataDirectory, cluster.resolve(cluster.files?.store ?? "")]
        let line = BlockingLine("health.share")
        return HealthReader(.share, every: Self.often) {
            try await line.run {
                if let problem = identity?.problem() { return .share(HealthShare(problem: problem)) }
                let figures = try FileSystemFigures(of: root)
                // A share on another machine's disk; that of this machine is looked at as such.
                let isApart = !others.contains { (try? FileSystemFigures(of: $0))?.device == figures.device }
                return .share(HealthShare(isReadOnly: figures.isReadOnly, disk: isApart ? HealthDisk("share", root, reserve: 0, figures) : nil))
            }
        }
    }

    private var fileStore: HealthReader {
        let path = cluster.resolve(cluster.files?.store ?? "") + "/.spindle-health-\(getpid())"
        let line = BlockingLine("health.store")
        // An object store is paid by the request, or shared with others.
        return HealthReader(.store, every: cluster.files?.objectStore == nil ? Self.often : Self.seldom) { [payloads] in
            try await line.run {
                let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, Self.fileMode)
                guard descriptor >= 0 else { throw HealthFailure.unavailable("\(path): \(String(cString: strerror(errno)))") }
                close(descriptor)
                unlink(path)
            }
            // No payload has this address: what counts is that the store says so.
            if let address = ContentAddress(hash: String(repeating: "0", count: 64)) { _ = try await payloads.facts(of: address) }
            return .store
        }
    }

    private var scanner: [HealthReader] {
        guard let files = cluster.files else { return [] }
        let scanner: Result<ProbedScanner?, any Error> = Result { try FilesSetup(cluster, store).scanner(logger: logger) }
        let isUndecided = files.scanner == nil
        if case .off = files.scanner { return [] }
        return [
            HealthReader(.scanner, every: Self.often) {
                if isUndecided { return .scanner(.undecided) }
                do {
                    try await scanner.get()?.ping()
                } catch {
                    throw HealthFailure.unavailable("\(error)")
                }
                return .scanner(.answers)
            }
        ]
    }

    // MARK: This machine

    private var disks: HealthReader {
        var folders = [("data", cluster.dataDirectory, 0)]
        if let domain = cluster.domain { folders.append(("database", URL(fileURLWithPath: cluster.resolve(domain.database)).deletingLastPathComponent().path, 0)) }
        if let files = cluster.files { folders.append(("files", cluster.resolve(files.store), files.keepFree)) }
        let line = BlockingLine("health.disks")
        return HealthReader(.disks, every: Self.seldom) { [folders] in
            try await line.run {
                var disks: [UInt64: HealthDisk] = [:]
                for (use, path, reserve) in folders {
                    guard let figures = try? FileSystemFigures(of: path), let disk = HealthDisk(use, path, reserve: Int64(reserve), figures) else { continue }
                    guard var known = disks[figures.device] else {
                        disks[figures.device] = disk
                        continue
                    }
                    known.use += ", \(use)"
                    known.reserve = max(known.reserve, disk.reserve)
                    disks[figures.device] = known
                }
                return .disks(disks.values.sorted { $0.use < $1.use })
            }
        }
    }

    private var certificates: HealthReader {
        let setup = WebServerSetup(cluster: cluster, web: web)
        let brokers = cluster.brokers.filter { $0.host == web.host }
        let files = setup.certificateFiles() + brokers.flatMap(cluster.certificateFiles(ofBroker:))
        let line = BlockingLine("health.certificates")
        return HealthReader(.certificates, every: Self.seldom) {
            try await line.run { .certificates(Set(files).sorted().map { HealthCertificate(file: $0, now: Date()) }) }
        }
    }
}

/// Calls that may hang, such as those of a share: each line has a thread of its own while it works, none of Swift's few.
private final class BlockingLine: Sendable {
    private let queue: DispatchQueue

    init(_ label: String) { queue = DispatchQueue(label: label) }

    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}

extension HealthQueue {
    fileprivate init(_ queue: QueueStatistics) {
        self.init(
            name: queue.name, ready: queue.ready, delayed: queue.delayed, leased: queue.leased, bytes: queue.bytes,
            oldestAgeSeconds: queue.oldestAge / .seconds(1), flow: Flow(acknowledged: queue.acknowledged, failed: queue.nacked + queue.expired),
            limits: Limits(length: queue.policy.lengthMax, bytes: queue.policy.bytesMax), pauseReason: queue.isPaused ? queue.pauseReason : nil,
            deadLetterQueue: queue.policy.deadLetterQueue)
    }
}

extension HealthWorkers.Session {
    fileprivate init(_ session: WorkerSession) {
        self.init(
            id: "\(session.id)", name: session.clientName, principal: session.principal, role: session.labels.first { $0.name == "role" }?.value,
            groups: session.labels.filter { $0.name == "group" }.map(\.value), isQuiet: session.isQuiet)
    }
}

extension HealthWork {
    fileprivate init(_ work: WorkFigures, _ files: FileWorkFigures?) {
        self.init(
            jobs: Jobs(
                running: work.jobsRunning + (files?.running ?? 0), waiting: work.jobsWaiting + (files?.waiting ?? 0),
                oldestWaitSince: [work.oldestWaitSince, files?.oldestWaitSince].compactMap { $0 }.min(), failedToday: work.jobsFailed),
            outbox: OutboxRows(
                waiting: work.outbox.waiting, dead: work.outbox.dead, oldestSince: work.outbox.oldestSince,
                oldestError: work.outbox.oldestError.isEmpty ? nil : work.outbox.oldestError),
            filesWaiting: (files?.waiting ?? 0) + (files?.running ?? 0))
    }
}

extension HealthDisk {
    /// Nil where the file system does not say how large it is.
    fileprivate init?(_ use: String, _ path: String, reserve: Int64, _ figures: FileSystemFigures) {
        guard figures.bytesTotal > 0 else { return nil }
        self.init(
            use: use, path: path, bytesFree: figures.bytesFree, bytesTotal: figures.bytesTotal, reserve: reserve,
            filesFreePercent: figures.filesFreePercent)
    }
}

extension HealthCertificate {
    fileprivate init(file: String, now: Date) {
        func time(_ date: Date) -> Timestamp { Timestamp(milliseconds: Int64(date.timeIntervalSince1970 * 1000)) }
        do {
            let expiry = try CertificateExpiry(file: file)
            self.init(
                file: file, state: expiry.verdict(now: now) == .notYet ? .notYet(from: time(expiry.notValidBefore)) : .good(until: time(expiry.notValidAfter)))
        } catch {
            self.init(file: file, state: .unreadable("\(error)"))
        }
    }
}
