import Digests
import Foundation
import NIOHTTP1

/// A file on its way through the cluster: uploaded, scanned, stored, published, told of on the event streams, and downloaded again.
struct DemoFileRun {
    private enum Signal: Sendable {
        case event(stream: String, event: StreamEvent, time: ContinuousClock.Instant)
        case ended(CommandFailure)
        case deadline
    }

    private struct EventFields: Decodable {
        var fileId: String?
        var type: String?
        var status: String?
        var title: String?
        var reason: String?
    }

    private static let sampleBytes = 25_000_000

    let api: DemoAPI
    let timeout: Duration
    let routing: String
    var timeline: DemoTimeline
    /// What is still missing for the whole way to have been seen.
    private(set) var missing: [String] = []

    init(api: DemoAPI, timeout: Duration, routing: String, timeline: DemoTimeline) {
        self.api = api
        self.timeout = timeout
        self.routing = routing
        self.timeline = timeline
    }

    /// - Parameter path: the file; nil: one of 25 MB is made up.
    /// - Returns: whether all of it came.
    mutating func run(path: String?) async throws -> Bool {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("spindle-demo-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let source = try UploadSource.find([try path ?? Self.sample(in: folder)])[0]
        let (signals, signal) = AsyncStream.makeStream(of: Signal.self)
        let followers = ["updates", "alerts"].map { stream in
            Task { [api] in
                do {
                    try await EventStream(client: api.client, url: "\(api.base)/events/\(stream)", token: api.token).follow { event in
                        signal.yield(.event(stream: stream, event: event, time: .now))
                    }
                } catch {
                    signal.yield(.ended(error as? CommandFailure ?? CommandFailure("\(api.base) does not answer: \(ConnectionProblem.sentence(error)).")))
                }
            }
        }
        let timer = Task { [timeout] in
            // The deadline of the whole way.
            try await Task.sleep(for: timeout)
            signal.yield(.deadline)
        }
        defer {
            for follower in followers { follower.cancel() }
            timer.cancel()
        }
        var iterator = signals.makeAsyncIterator()
        var listening: Set<String> = []
        while listening.count < 2 {
            switch await iterator.next() {
            case .event(let stream, _, _): listening.insert(stream)
            case .ended(let failure): throw failure
            case .deadline, nil:
                missing = ["the event streams"]
                return false
            }
        }
        let client = WebClient(client: api.client, base: api.base, token: api.token)
        let uploader = Uploader(client: client, routing: routing, revision: nil, parallel: 4, patience: timeout, bar: nil)
        let sent = try await uploader.put(source, as: nil, resumeToken: nil, waits: false)
        timeline.add("you", "file uploaded", "\(source.name), \(source.bytes) bytes")
        guard try await awaitAlert(of: sent, &iterator) else { return false }
        try await look(client, sent, source, copy: folder + "/copy")
        return missing.isEmpty
    }

    private static func sample(in folder: String) throws -> String {
        let path = folder + "/demo \(String(UInt32.random(in: .min ... .max), radix: 16)).nc"
        var random = SystemRandomNumberGenerator()
        var bytes = Data(capacity: sampleBytes)
        while bytes.count < sampleBytes { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        try bytes.write(to: URL(fileURLWithPath: path))
        return path
    }

    /// False at the deadline, or where the file was not stored.
    private mutating func awaitAlert(of file: RemoteFile, _ signals: inout AsyncStream<Signal>.AsyncIterator) async throws -> Bool {
        missing = ["file.updated (committed)", "notification.alert (file.committed)"]
        while !missing.isEmpty {
            guard let next = await signals.next() else { return false }
            switch next {
            case .deadline: return false
            case .ended(let failure): throw failure
            case .event(let stream, let event, let time):
                guard let fields = try? JSONDecoder().decode(EventFields.self, from: Data(event.data.utf8)) else { continue }
                let isAlert = event.name == "notification.alert" && fields.title?.contains(file.logicalName) ?? false
                guard fields.fileId == file.id || isAlert else { continue }
                timeline.add(stream, event.name, [fields.status, fields.title, fields.reason].compactMap(\.self).joined(separator: ": "), at: time)
                if fields.status == "committed" { missing.removeAll { $0.hasPrefix("file.updated") } }
                if isAlert, fields.type == "file.committed" || fields.type == "file.shareOccupied" { missing.removeAll { $0.hasPrefix("notification") } }
                if ["quarantined", "invalid"].contains(fields.status ?? "") {
                    missing = ["the file was not stored: \(fields.status ?? "") \(fields.reason ?? "")"]
                    return false
                }
            }
        }
        return true
    }

    private mutating func look(_ client: WebClient, _ sent: RemoteFile, _ source: UploadSource, copy: String) async throws {
        let file: RemoteFile = try await client.call(.GET, "/api/files/\(sent.id)")
        let digest = Hexadecimal.text(try LocalFile(path: source.path).wholeDigest(bytes: source.bytes))
        timeline.add("server", "stored", "\(file.size ?? 0) bytes, SHA-256 \(file.sha256?.prefix(12) ?? "?")…, scan \(file.verdict?.outcome ?? "none")")
        if file.sha256 != digest { missing.append("the digest of what was sent") }
        if let path = file.sharePath { timeline.add("server", "on the share", path) } else { missing.append("the file on the share") }
        try await Download(client: client, file: file, patience: timeout).save(to: copy, bar: nil)
        let back = Hexadecimal.text(try LocalFile(path: copy).wholeDigest(bytes: source.bytes))
        timeline.add("you", "downloaded", "SHA-256 \(back.prefix(12))…, \(back == digest ? "the same" : "ANOTHER")")
        if back != digest { missing.append("the same digest of what came back") }
    }
}
