import ContentStore
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
    /// In two parts, so that no scanner takes this program for the test file.
    private static let infectedText = #"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD"# + "-ANTIVIRUS-TEST-FILE!$H+H*"
    /// Of the sample's three.
    private static let lostChunk = 1
    /// What a server needs for the digests of the sample's first parts, with much to spare.
    private static let hashingTime = Duration.seconds(2)

    let api: DemoAPI
    let login: WebLogin
    let timeout: Duration
    let routing: String
    /// Nil: nothing goes wrong.
    let fault: DemoFault?
    /// Where the server stages files; for faults.
    let store: String
    var timeline: DemoTimeline
    /// What is still missing for the whole way to have been seen.
    private(set) var missing: [String] = []

    init(api: DemoAPI, login: WebLogin, timeout: Duration, routing: String, fault: DemoFault?, store: String, timeline: DemoTimeline) {
        self.api = api
        self.login = login
        self.timeout = timeout
        self.routing = routing
        self.fault = fault
        self.store = store
        self.timeline = timeline
    }

    /// - Parameter path: the file; nil: one of 25 MB is made up.
    /// - Returns: whether all of it came.
    mutating func run(path: String?) async throws -> Bool {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("spindle-demo-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let source = try UploadSource.find([try path ?? sample(in: folder)])[0]
        let (signals, signal) = AsyncStream.makeStream(of: Signal.self)
        let followers = ["updates", "alerts"].map { stream in
            Task { [api] in
                do {
                    try await EventStream(client: api.client, url: "\(api.base)/events/\(stream)", token: api.token).follow { event in
                        signal.yield(.event(stream: stream, event: event, time: .now))
                    }
                    signal.yield(.ended(CommandFailure("the web server ended the event stream “\(stream)”.", advice: "Is it being stopped? `spindle status` shows it.")))
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
        let client = WebClient(client: api.client, base: api.base, login: login)
        let sent = try await send(source, uploader(client))
        guard try await awaitEnding(of: sent, source, uploader(client), &iterator) else { return false }
        if fault == .infected {
            try await lookForInfected(client, sent)
        } else {
            try await look(client, sent, source, copy: folder + "/copy")
        }
        return missing.isEmpty
    }

    private func uploader(_ client: WebClient) -> Uploader {
        Uploader(client: client, routing: routing, revision: nil, parallel: 4, patience: timeout, bar: nil)
    }

    /// Uploads the file. Its bytes are damaged, where they are to be, before the last part is there: after it the workers may be quicker.
    private mutating func send(_ source: UploadSource, _ plain: Uploader) async throws -> RemoteFile {
        var uploader = plain
        let store = store
        switch fault {
        case .flippedByte:
            uploader.beforeLastPart = { upload in
                // Until the server has hashed what arrived: a byte that changes before is not damage, but what arrived.
                try await Task.sleep(for: Self.hashingTime)
                try StagedBytes(upload: upload.id, store: store).flip()
            }
        case .missingChunk:
            uploader.beforeLastPart = { try StagedBytes(upload: $0.id, store: store).lose(chunk: Self.lostChunk, of: ChunkGrid(bytes: source.bytes)) }
        case .infected, nil: break
        }
        let sent = try await uploader.put(source, as: nil, resumeToken: nil, waits: false)
        timeline.add("you", "file uploaded", "\(source.name), \(source.bytes) bytes" + (fault.map { ", with a fault: \($0.rawValue)" } ?? ""))
        return sent
    }

    private func sample(in folder: String) throws -> String {
        let path = folder + "/demo \(String(UInt32.random(in: .min ... .max), radix: 16)).nc"
        var bytes = Data(Self.infectedText.utf8)
        if fault != .infected {
            bytes = Data(count: Self.sampleBytes)
            bytes.withUnsafeMutableBytes { room in
                var random = SystemRandomNumberGenerator()
                for offset in stride(from: 0, through: room.count - 8, by: 8) { room.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self) }
            }
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        return path
    }

    /// False at the deadline, or where the file ended otherwise than it should.
    private mutating func awaitEnding(
        of file: RemoteFile, _ source: UploadSource, _ uploader: Uploader, _ signals: inout AsyncStream<Signal>.AsyncIterator
    ) async throws -> Bool {
        missing = (fault?.signs ?? []) + (fault == .infected ? [] : ["file.updated (committed)", "notification.alert (file.committed)"])
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
                if isAlert {
                    let type = fields.type == "file.shareOccupied" ? "file.committed" : fields.type ?? ""
                    missing.removeAll { $0 == "notification.alert (\(type))" }
                } else if let status = fields.status {
                    guard try await answer(status, of: file, fields, source, uploader) else { return false }
                }
            }
        }
        return true
    }

    /// Does what a status asks for. False: it is none that this demonstration should see.
    private mutating func answer(
        _ status: String, of file: RemoteFile, _ fields: EventFields, _ source: UploadSource, _ uploader: Uploader
    ) async throws -> Bool {
        let sign = "file.updated (\(status))"
        switch status {
        case "uploading":
            // Also what a new upload says.
            guard fields.reason != nil, missing.contains(sign) else { return true }
            let parts = try await uploader.sendAgain(file.id, source)
            timeline.add("you", "sent again", "part \(parts.map(String.init).joined(separator: ", ")), and nothing else")
            if parts != [Self.lostChunk] { missing.append("a request for part \(Self.lostChunk) only") }
        case "invalid":
            guard fault == .flippedByte, missing.contains(sign) else { return refuse(status, fields) }
            try StagedBytes(upload: file.id, store: store).flip()
            timeline.add("you", "disk mended", "the byte is as it was; the next attempt comes from storage-retry")
        case "quarantined":
            guard fault == .infected else { return refuse(status, fields) }
        case "committed":
            guard fault != .infected else { return refuse(status, fields) }
        default: return true
        }
        missing.removeAll { $0 == sign }
        return true
    }

    private mutating func refuse(_ status: String, _ fields: EventFields) -> Bool {
        let why = fields.reason.map { ": \($0)" } ?? ""
        missing = [
            fault == .infected && status == "committed"
                ? "the quarantine: the file was stored, so no scanner looks at files here (`scanner:` in the description)"
                : "the file's right ending: it is \(status)\(why)",
        ]
        return false
    }

    /// An infected file is nowhere but in quarantine.
    private mutating func lookForInfected(_ client: WebClient, _ sent: RemoteFile) async throws {
        let file: RemoteFile = try await client.call(.GET, "/api/files/\(sent.id)")
        timeline.add("server", "quarantined", "\(file.reason ?? "-"), scan \(file.verdict?.outcome ?? "none")")
        if file.status != "quarantined" { missing.append("the status “quarantined”") }
        if let path = file.sharePath { missing.append("its absence from the share: it is at \(path)") }
        do {
            _ = try await client.send(client.request(.GET, "/api/files/\(sent.id)/content"))
            missing.append("the refusal of its download")
        } catch let refusal as WebClient.Refusal {
            timeline.add("you", "download refused", "\(refusal.status): \(refusal.detail)")
            if refusal.status != 409 { missing.append("the refusal of its download with 409") }
        }
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
