import AsyncHTTPClient
import ContentStore
import Foundation
import Logging
import MCMS
import MCMSFiles
import MCMSServer
import SpindleCluster

/// What the roles that touch files are made of, from the description of their cluster.
struct FilesSetup {
    let cluster: ClusterConfiguration
    let files: FilesConfiguration
    let store: FilesStore
    let folder: DiskFolder
    let payloads: any PayloadStore

    init(_ cluster: ClusterConfiguration, _ store: MCMSStore) throws {
        guard let files = cluster.files else {
            throw CommandFailure("the description has no files.", advice: "Add `files:` with its `hosts:` and its `share:`, as in `spindle config show`.")
        }
        self.cluster = cluster
        self.files = files
        self.store = FilesStore(store)
        do {
            folder = try DiskFolder(path: cluster.resolve(files.store))
        } catch {
            throw CommandFailure("the folder of files can't be used: \(error)", advice: "Correct `store:` under `files:` in the description.")
        }
        if let bucket = files.objectStore {
            payloads = try ObjectStoreSetup(cluster, bucket).payloads(StagingArea(folder))
        } else {
            payloads = LocalPayloadStore(folder)
        }
    }

    /// What looks after the store, where it needs that.
    func upkeep(logger: Logger) -> [ObjectStoreUpkeep] {
        (payloads as? S3PayloadStore).map { [ObjectStoreUpkeep($0, logger: logger)] } ?? []
    }

    var room: DiskRoom { DiskRoom(store: folder.path, share: cluster.resolve(files.share), reserve: Int64(files.keepFree)) }

    func uploads(logger: Logger) -> UploadService {
        var limits = UploadService.Limits()
        limits.bytesMax = Int64(files.uploadMax)
        limits.expiry = files.uploadExpiry
        limits.openMax = files.uploadsOpenMax
        limits.windowsRoots = files.windowsRoots
        return UploadService(store: store, folder: folder, payloads: payloads, room: room, limits: limits, logger: logger)
    }

    func services(logger: Logger) -> FileServices {
        let scanning =
            switch files.scanner {
            case nil: "undecided"
            case .off: "none"
            case .clamd(let clamd, _): "clamd \(clamd.address)"
            case .http(let http, _): "http \(http.url)"
            }
        return FileServices(store: store, uploads: uploads(logger: logger), payloads: payloads, scanning: scanning)
    }

    // MARK: Workers

    /// - Parameter scanner: nil if the description has none, or says `none`.
    func ingest(_ scanner: ProbedScanner?) throws -> FileIngestHandler {
        var configuration = FileIngestHandler.Configuration()
        configuration.retriesMax = files.retriesMax
        if let bucket = files.objectStore { configuration.storeAlertAfterMilliseconds = Int64(bucket.alertAfter / .milliseconds(1)) }
        switch files.scanner {
        case nil, .off: break
        case .clamd(_, let retry), .http(_, let retry):
            configuration.scanAttemptsMax = retry.attemptsMax
            configuration.scannerAlertAfterMilliseconds = Int64(retry.alertAfter / .milliseconds(1))
        }
        return FileIngestHandler(
            files: store, folder: folder, payloads: payloads, scan: scanner.map { .by($0) } ?? (files.scanner == nil ? .undecided : .off),
            share: SharePublisher(root: try cluster.sharePath(), identity: try cluster.shareIdentity()), configuration: configuration)
    }

    var garbage: GarbageCollector { GarbageCollector(files: store, payloads: payloads, refs: RefFolder(folder), graceMilliseconds: Int64(files.garbageGrace / .milliseconds(1))) }

    /// Nil if the description has none, or says `none`.
    func scanner(logger: Logger) throws -> ProbedScanner? {
        switch files.scanner {
        case nil, .off: return nil
        case .clamd(let clamd, _):
            var configuration = ClamdScanner.Configuration(address: Self.address(clamd.address))
            configuration.windowBytes = Int64(clamd.window)
            configuration.overlapBytes = Int64(clamd.overlap)
            configuration.timeoutSeconds = Int(clamd.timeout / .seconds(1))
            return ProbedScanner(ClamdScanner(configuration), logger: logger)
        case .http(let http, _):
            var configuration = HTTPScanner.Configuration(url: http.url)
            configuration.clean = http.clean
            configuration.infected = http.infected
            configuration.timeoutSeconds = Int64(http.timeout / .seconds(1))
            configuration.bytesMax = http.bytesMax.map { Int64($0) } ?? .max
            if let file = http.tokenFile {
                let path = cluster.resolve(file)
                guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                    throw CommandFailure("the scanner's token \(path) can't be read.", advice: "Correct `tokenFile:` in the description.")
                }
                configuration.headers = [(http.tokenHeader, text.trimmingCharacters(in: .whitespacesAndNewlines))]
            }
            return ProbedScanner(HTTPScanner(configuration), logger: logger)
        }
    }

    private static func address(_ text: String) -> ScanAddress {
        guard !text.hasPrefix("/"), let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else {
            return .unix(path: text)
        }
        return .tcp(host: String(text[..<colon]), port: port)
    }
}
