import ContentStore
import Digests
import Foundation
import MCMS
import MCMSFiles
import NIOCore
import ObjectStoreRig
import S3
import SpindleText
import Synchronization
import Testing

/// Files whose payloads are in a bucket of a real server, asked straight or through a proxy that lies.
@Suite(.serialized) struct S3StoreTests {
    private static let part: Int64 = 5 << 20

    private static func client(_ store: SeaweedFS, _ endpoint: String? = nil, attemptsMax: Int = 3) -> S3Client {
        var configuration = S3Configuration(
            endpoint: endpoint ?? store.endpoint, bucket: store.bucket,
            credentials: S3Credentials(accessKey: SeaweedFS.accessKey, secretKey: SeaweedFS.secretKey))
        configuration.backoff.min = .milliseconds(1)
        configuration.backoff.max = .milliseconds(20)
        configuration.attemptsMax = attemptsMax
        return S3Client(configuration)
    }

    private static func payloads(_ test: TestFiles, _ store: SeaweedFS, _ endpoint: String? = nil, prefix: String = "") -> S3PayloadStore {
        var configuration = S3PayloadStore.Configuration()
        configuration.prefix = prefix
        configuration.multipartAboveBytes = 6 << 20
        configuration.partBytes = part
        return S3PayloadStore(client(store, endpoint), staging: StagingArea(test.folder), configuration: configuration)
    }

    private static let digestOf = """
        print(hashlib.sha256(client.get_object(Bucket=bucket, Key=arguments[0])['Body'].read()).hexdigest(), client.head_object(Bucket=bucket, Key=arguments[0])['ETag'])
        """

    private func key(_ hash: String) -> String { "cas/sha256/\(hash.prefix(2))/\(hash)/payload" }

    private func whole(_ payload: any PayloadBytes, _ bytes: Int) async throws -> [UInt8] {
        var read: [UInt8] = []
        for try await piece in FilePieces(file: payload, bytes: Int64(bytes)) { read += piece.readableBytesView }
        return read
    }

    private func stage(_ test: TestFiles, _ bytes: [UInt8]) throws -> (id: String, address: ContentAddress, bytes: Int64) {
        let id = UUID().uuidString
        let file = try StagingArea(test.folder).make(id, bytes: Int64(bytes.count))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        return (id, try #require(ContentAddress(hash: try sha256(bytes))), Int64(bytes.count))
    }

    @Test func filesAreStoredThereOnceAndReadFromThere() async throws {
        let store = try await SeaweedFS()
        let test = try TestFiles()
        defer { test.remove() }
        let proxy = try LyingProxy(to: store.port) { _ in .none }
        let payloads = Self.payloads(test, store, proxy.endpoint)
        let routing = try await test.routing()
        let bytes = pattern(12 << 20)
        let hash = try sha256(bytes)
        let file = try await test.upload("A.nc", bytes, routing: routing, path: #"W:\jobs\A.nc"#)
        let handler = test.handler(payloads: payloads)
        #expect(try await handler.handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        // Another reader finds it, in three parts.
        let found = try await store.boto(Self.digestOf, key(hash)).split(separator: " ")
        #expect(found.first.map(String.init) == hash && found.last?.hasSuffix("-3\"") == true)
        let audit = try #require(try await test.store.audits(of: file.id).first)
        #expect(audit.verdict == .committed && audit.storeAnswer.contains("size=\(bytes.count) etag=") && audit.storeAnswer.contains("-3"))
        #expect(audit.storeAnswer.contains("etag") && !audit.storeAnswer.hasSuffix("verified=read"), "\(audit.storeAnswer)")
        // Nothing of it is left here but its refs.
        #expect(test.names(below: "store") == ["refs/\(routing)/0/A.nc.json", "refs/\(routing)/0/A.nc.meta.json"])
        #expect(try Data(contentsOf: test.share.appendingPathComponent("jobs/A.nc")) == Data(bytes))
        // Again under another name: nothing is sent, and the share's copy comes from the bucket.
        let before = proxy.requests.filter { $0.method == "PUT" }.count
        let hashes = try stride(from: 0, to: bytes.count, by: Int(ChunkGrid.chunkBytes)).map { start in
            try DigestStream.digest(of: Array(bytes[start..<min(bytes.count, start + Int(ChunkGrid.chunkBytes))]))
        }
        let uploads = UploadService(
            store: test.store, folder: test.folder, payloads: payloads, room: DiskRoom(store: test.folder.path, share: test.share.path, reserve: 0),
            logger: quiet)
        let again = try await uploads.create(
            try test.new("B.nc", Int64(bytes.count), routing: routing, path: #"W:\jobs\B.nc"#, hashes: hashes), by: test.caller)
        #expect(again.sameAs == hash)
        #expect(try await handler.handle(try await test.command(try await test.staged(again.id).id), attempt: 1) == .done("committed"))
        #expect(proxy.requests.filter { $0.method == "PUT" }.count == before)
        #expect(try Data(contentsOf: test.share.appendingPathComponent("jobs/B.nc")) == Data(bytes))
        // A file that shares its first chunk is asked only for the others.
        let other = try await uploads.create(
            try test.new("C.nc", Int64(bytes.count), routing: routing, hashes: [hashes[0], try DigestStream.digest(of: [1])]), by: test.caller)
        #expect(try await test.store.chunks(of: other.id) == [0: hashes[0]])
        // Small ones, and empty ones.
        for (name, small) in [("D.nc", [7] as [UInt8]), ("E.nc", [])] {
            let file = try await test.upload(name, small, routing: routing)
            #expect(try await handler.handle(try await test.command(file.id), attempt: 1) == .done("committed"))
            #expect(try await store.boto(Self.digestOf, key(try sha256(small))).hasPrefix(try sha256(small)))
            let address = try #require(ContentAddress(hash: try sha256(small)))
            #expect(try await whole(try #require(try await payloads.open(address)), small.count) == small)
            #expect(try await payloads.verify(address))
        }
        // Collected when nothing refers to it, and strays too.
        let stray = try stage(test, pattern(100, seed: 9))
        _ = try await payloads.put(upload: stray.id, as: stray.address, bytes: stray.bytes)
        #expect(Set(try await payloads.all().map(\.hash)) == [hash, try sha256([7]), try sha256([]), stray.address.hash])
        let collector = GarbageCollector(files: test.store, payloads: payloads, refs: RefFolder(test.folder), graceMilliseconds: 0)
        let later = Int64(Date().timeIntervalSince1970 * 1_000) + 60_000
        #expect(try await collector.collectAll(isDry: false, now: later).strays == [stray.address.hash])
        #expect(try await payloads.facts(of: stray.address) == nil)
    }

    @Test func whatLiesIsFound() async throws {
        let store = try await SeaweedFS()
        let test = try TestFiles()
        defer { test.remove() }
        let lie = Mutex<@Sendable (LyingProxy.Request) -> LyingProxy.Lie>({ _ in .none })
        let proxy = try LyingProxy(to: store.port) { request in lie.withLock { $0 }(request) }
        let payloads = Self.payloads(test, store, proxy.endpoint, prefix: "pre/fix/")
        func lies(_ body: @escaping @Sendable (LyingProxy.Request) -> LyingProxy.Lie) { lie.withLock { $0 = body } }
        func stored(_ address: ContentAddress) async throws -> String { try await store.boto(Self.digestOf, "pre/fix/" + key(address.hash)) }

        // On the way there: of a small payload, and of a part. Once: it is sent again. Always: it is not stored.
        for (count, seed) in [(100_000, UInt64(1)), (12 << 20, 2)] {
            let staged = try stage(test, pattern(count, seed: seed))
            lies { $0.method == "PUT" ? .flipSent(at: 77_000) : .none }
            let error = await #expect(throws: S3Error.self) { try await payloads.put(upload: staged.id, as: staged.address, bytes: staged.bytes) }
            #expect(error?.kind == .damaged)
            #expect(try await payloads.facts(of: staged.address) == nil)
            let once = Mutex(false)
            lies { request in request.method == "PUT" && once.withLock { let first = !$0; $0 = true; return first } ? .flipSent(at: 77_000) : .none }
            let receipt = try await payloads.put(upload: staged.id, as: staged.address, bytes: staged.bytes)
            #expect(!receipt.wasThere)
            #expect(try await stored(staged.address).hasPrefix(staged.address.hash))
            // On the way back, everybody who reads sees it.
            #expect(try await payloads.verify(staged.address))
            lies { $0.method == "GET" && $0.target.contains("payload") ? .flipAnswered(at: 7) : .none }
            #expect(try await !payloads.verify(staged.address))
            let payload = try #require(try await payloads.open(staged.address))
            var pieces: [ByteBuffer] = []
            await #expect(throws: StoreFolderError.self) {
                let whole = FilePieces(file: payload, bytes: staged.bytes)
                for try await piece in VerifiedPieces(whole, sha256: Hexadecimal.bytes(staged.address.hash) ?? []) { pieces.append(piece) }
            }
            #expect(pieces.reduce(0) { $0 + $1.readableBytes } < count, "the last piece was handed out")
            await #expect(throws: StoreFolderError.self) {
                try await SharePublisher(root: test.share.path).publish(
                    payload, bytes: staged.bytes, sha256: staged.address.hash, at: "x/\(seed).nc", file: "f", replaceable: [])
            }
            #expect(test.names(below: "share").isEmpty)
            // A payload that is damaged there is not taken for it: it is stored again.
            lies { _ in .none }
            try await store.boto(
                "client.put_object(Bucket=bucket, Key=arguments[0], Body=b'x' * int(arguments[1]))", "pre/fix/" + key(staged.address.hash), "\(count)")
            #expect(try await !payloads.verify(staged.address))
            #expect(try await !payloads.put(upload: staged.id, as: staged.address, bytes: staged.bytes).wasThere)
            #expect(try await payloads.put(upload: staged.id, as: staged.address, bytes: staged.bytes).wasThere)
            #expect(try await stored(staged.address).hasPrefix(staged.address.hash))
        }

        // A part that got lost: the server says so at the end, or says nothing.
        let staged = try stage(test, pattern(12 << 20, seed: 3))
        let lost = Mutex(false)
        lies { request in
            guard request.method == "PUT", request.target.contains("partNumber=2"), lost.withLock({ let first = !$0; $0 = true; return first }) else { return .none }
            return .answer(200, headers: ["ETag": "\"\(Hexadecimal.text([UInt8](repeating: 7, count: 16)))\""])
        }
        #expect(try await !payloads.put(upload: staged.id, as: staged.address, bytes: staged.bytes).wasThere)
        #expect(lost.withLock { $0 })
        #expect(try await stored(staged.address).hasPrefix(staged.address.hash))
        let silent = try stage(test, pattern(12 << 20, seed: 4))
        let forgotten = Mutex(0)
        lies { request in
            guard request.method == "POST", request.target.contains("uploadId"), forgotten.withLock({ $0 += 1; return $0 == 1 }) else { return .none }
            return .answer(200, body: "<CompleteMultipartUploadResult><ETag>\"x-3\"</ETag></CompleteMultipartUploadResult>")
        }
        #expect(try await !payloads.put(upload: silent.id, as: silent.address, bytes: silent.bytes).wasThere)
        #expect(try await stored(silent.address).hasPrefix(silent.address.hash))

        // A server that says nothing which could be compared: the object is read.
        let mute = try stage(test, pattern(3_000, seed: 5))
        let asked = Mutex(0)
        lies { request in
            guard request.method == "HEAD", asked.withLock({ $0 += 1; return $0 > 1 }) else { return .none }
            return .answer(200, headers: ["Content-Length": "3000", "ETag": "\"opaque\""])
        }
        #expect(try await payloads.put(upload: mute.id, as: mute.address, bytes: mute.bytes).answer.hasPrefix("size=3000 etag=opaque verified="))

        // What was begun and given up is aborted; what nobody knows of, by its age.
        lies { _ in .none }
        let direct = Self.client(store)
        #expect(try await direct.uploads(of: "pre/fix/cas/").isEmpty)
        _ = try await direct.beginUpload("pre/fix/cas/sha256/left")
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        #expect(try await payloads.abortAbandoned(now: now) == 0)
        #expect(try await payloads.abortAbandoned(now: now + 25 * 3_600_000) == 1)
        #expect(try await direct.uploads(of: "pre/fix/cas/").isEmpty)
    }

    /// A store that is away costs no file an attempt, and no scanner its word.
    @Test func aStoreThatIsAwayIsWaitedFor() async throws {
        let store = try await SeaweedFS()
        let test = try TestFiles()
        defer { test.remove() }
        let isAway = Mutex(false)
        let proxy = try LyingProxy(to: store.port) { _ in isAway.withLock { $0 } ? .answer(503) : .none }
        let payloads = Self.payloads(test, store, proxy.endpoint)
        let routing = try await test.routing()
        let file = try await test.upload("A.nc", pattern(50_000), routing: routing)
        let command = try await test.command(file.id)
        isAway.withLock { $0 = true }
        for attempt in [1, 1_000] {
            guard case .postpone(let reason) = try await test.handler(payloads: payloads).handle(command, attempt: attempt) else { return #expect(Bool(false)) }
            #expect(reason.contains("503"))
        }
        let waiting = try await test.store.file(file.id)
        #expect(waiting.status == .ingesting && waiting.reason?.hasPrefix("the store can't be used: S3 ") == true && waiting.retryCount == 0)
        #expect(try await test.alerts().isEmpty)
        let impatient = test.handler(payloads: payloads, storeAlertAfter: 0)
        for _ in 0..<2 { _ = try await impatient.handle(command, attempt: 1) }
        #expect(try await test.alerts().map(\.type) == ["file.storeUnavailable"])
        isAway.withLock { $0 = false }
        #expect(try await impatient.handle(command, attempt: 1) == .done("committed"))

        // A duplicate that is to be scanned is read from the store.
        let hashes = [try DigestStream.digest(of: pattern(50_000))]
        let again = try await test.uploads.create(try test.new("B.nc", 50_000, routing: routing, hashes: hashes), by: test.caller)
        #expect(again.sameAs != nil)
        let duplicate = try await test.command(try await test.staged(again.id).id)
        let reader = ReadingScanner()
        isAway.withLock { $0 = true }
        guard case .postpone = try await test.handler(.by(reader), payloads: payloads).handle(duplicate, attempt: 1_000) else { return #expect(Bool(false)) }
        isAway.withLock { $0 = false }
        reader.begins.withLock { $0 = { isAway.withLock { $0 = true } } }
        guard case .postpone = try await test.handler(.by(reader), payloads: payloads).handle(duplicate, attempt: 1_000) else { return #expect(Bool(false)) }
        #expect(try await test.store.file(again.id).status == .ingesting)
        isAway.withLock { $0 = false }
        reader.begins.withLock { $0 = {} }
        #expect(try await test.handler(.by(reader), payloads: payloads).handle(duplicate, attempt: 1) == .done("committed"))
        #expect(reader.bytes.withLock { $0 } == 50_000)
    }

    @Test func whatTheBucketCanNotDoIsSaid() async throws {
        let store = try await SeaweedFS()
        let test = try TestFiles()
        defer { test.remove() }
        try await Self.payloads(test, store).probe("a")
        let proxy = try LyingProxy(to: store.port) { $0.method == "DELETE" ? .answer(403, body: "<Error><Code>AccessDenied</Code></Error>") : .none }
        let denied = await #expect(throws: S3Error.self) { try await Self.payloads(test, store, proxy.endpoint).probe("b") }
        #expect(denied?.description.contains("S3 DELETE spindle-probe/b: 403 AccessDenied") == true)
        let none = try LyingProxy(to: store.port) { _ in .answer(404, body: "<Error><Code>NoSuchBucket</Code></Error>") }
        let payloads = Self.payloads(test, store, none.endpoint)
        let missing = await #expect(throws: S3Error.self) { try await payloads.probe("c") }
        #expect(missing?.description.contains("Make the bucket") == true)
        // A bucket that is gone is no sign that a payload is gone.
        let address = try #require(ContentAddress(hash: try sha256([1])))
        await #expect(throws: PayloadStoreUnavailable.self) { try await payloads.facts(of: address) }
        await #expect(throws: PayloadStoreUnavailable.self) { try await payloads.verify(address) }
    }
}

/// Reads what it is given, and finds nothing.
private final class ReadingScanner: FileScanner {
    let begins = Mutex<@Sendable () -> Void>({})
    let bytes = Mutex<Int64>(0)
    let name = "reading"

    func probe() async throws(ScanError) -> String? { nil }

    func scan(_ file: any PayloadBytes, bytes: Int64) async throws(ScanError) -> ScanFinding {
        begins.withLock { $0 }()
        do {
            var count: Int64 = 0
            for try await piece in FilePieces(file: file, bytes: bytes) { count += Int64(piece.readableBytes) }
            self.bytes.withLock { $0 = count }
        } catch {
            throw .failed("\(error)")
        }
        return ScanFinding(.clean, scannedBytes: bytes)
    }
}
