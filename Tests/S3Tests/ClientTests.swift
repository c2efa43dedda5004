import Digests
import Foundation
import NIOCore
import ObjectStoreRig
import S3
import Testing

func client(_ endpoint: String, _ store: SeaweedFS, _ change: (inout S3Configuration) -> Void = { _ in }) -> S3Client {
    var configuration = S3Configuration(
        endpoint: endpoint, bucket: store.bucket, credentials: S3Credentials(accessKey: SeaweedFS.accessKey, secretKey: SeaweedFS.secretKey))
    configuration.backoff.min = .milliseconds(1)
    configuration.backoff.max = .milliseconds(20)
    configuration.timeout = .seconds(20)
    change(&configuration)
    return S3Client(configuration)
}

func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state)
    }
}

/// A bucket of a real server, asked straight and through a proxy that lies.
@Suite(.serialized) struct ClientTests {
    @Test func objectsArePutReadListedAndRemoved() async throws {
        let store = try await SeaweedFS(options: ["-s3.domainName=s3.test"])
        let s3 = client(store.endpoint, store)
        let bytes = pattern(3 << 20)
        let body = try S3Body(bytes)
        let key = "a b/한글+&.bin"
        let put = try await s3.put(key, body)
        #expect(put.etag == Hexadecimal.text(body.digests.md5))
        let object = try #require(try await s3.head(key))
        #expect(object.bytes == Int64(bytes.count) && object.etag == put.etag)
        #expect(abs((object.modifiedAt ?? 0) - Int64(Date().timeIntervalSince1970 * 1_000)) < 60_000)
        #expect(object.checksum.map { $0.crc32c == body.digests.crc32c.crcText && !$0.isComposite } != false)
        #expect(Array(try await s3.get(key, 5..<1_000_005).readableBytesView) == Array(bytes[5..<1_000_005]))
        #expect(Array(try await s3.get(key, Int64(bytes.count - 1)..<Int64(bytes.count)).readableBytesView) == Array(bytes.suffix(1)))
        #expect(try await store.boto("print(hashlib.sha256(client.get_object(Bucket=bucket, Key=arguments[0])['Body'].read()).hexdigest())", key)
            == Hexadecimal.text(body.digests.sha256))
        // The same bucket by its own name.
        let named = client("http://s3.test:\(store.port)", store) {
            $0.addressing = .virtualHost
            $0.hosts = ["\(store.bucket).s3.test": "127.0.0.1"]
        }
        #expect(try await named.head(key)?.bytes == Int64(bytes.count))
        #expect(try await s3.head("nothing") == nil)
        try await s3.delete(key)
        try await s3.delete(key)
        #expect(try await s3.head(key) == nil)
        // Pages.
        let keys = (0..<25).map { "many/\($0 < 10 ? "0" : "")\($0)" }
        for key in keys { _ = try await s3.put(key, try S3Body(Array(key.utf8))) }
        var (found, token, pages): ([String], String?, Int) = ([], nil, 0)
        repeat {
            let page = try await s3.page(of: "many/", after: token, keysMax: 10)
            found += page.keys
            token = page.next
            pages += 1
        } while token != nil && pages < 20
        #expect(found == keys && pages == 3)
        // An upload in parts.
        let id = try await s3.beginUpload("parts")
        let pieces = [pattern(5 << 20, seed: 2), pattern(5 << 20, seed: 3), pattern(100, seed: 4)]
        var parts: [S3Part] = []
        for (index, piece) in pieces.enumerated() { parts.append(try await s3.putPart("parts", upload: id, number: index + 1, try S3Body(piece))) }
        #expect(try await s3.uploads(of: "par").map(\.id) == [id])
        let completed = try await s3.completeUpload("parts", upload: id, parts)
        #expect(completed.etag.hasSuffix("-3"))
        #expect(try await s3.head("parts")?.bytes == Int64(10 << 20) + 100)
        let given = try await s3.beginUpload("given-up")
        _ = try await s3.putPart("given-up", upload: given, number: 1, try S3Body([1]))
        let begun = try #require(try await s3.uploads(of: "given").first)
        #expect(begun.id == given && begun.begunAt.map { abs($0 - Int64(Date().timeIntervalSince1970 * 1_000)) < 60_000 } == true)
        try await s3.abortUpload("given-up", upload: given)
        try await s3.abortUpload("given-up", upload: given)
        #expect(try await s3.uploads(of: "given").isEmpty)
    }

    @Test func whatMayPassIsAskedAgainAndWhatIsRefusedIsNot() async throws {
        let store = try await SeaweedFS()
        let body = try S3Body(pattern(300_000))
        func ask(_ lie: @escaping @Sendable (LyingProxy.Request) -> LyingProxy.Lie, timeout: Duration = .seconds(20)) async throws
            -> (error: S3Error?, requests: Int)
        {
            let proxy = try LyingProxy(to: store.port, lie)
            let s3 = client(proxy.endpoint, store) { $0.timeout = timeout }
            do {
                _ = try await s3.put("key", body)
                return (nil, proxy.requests.count)
            } catch let error as S3Error {
                return (error, proxy.requests.count)
            }
        }
        for (lie, name) in [(LyingProxy.Lie.answer(500), "500"), (.answer(503), "503"), (.answer(429), "429"), (.hangUp(after: 100_000), "hang up")] {
            let passed = try await ask { $0.number < 3 ? lie : .none }
            #expect(passed.error == nil && passed.requests == 3, "\(name) \(passed)")
        }
        let away = try await ask { _ in .answer(503, body: "<Error><Code>SlowDown</Code><Message>slow</Message></Error>") }
        #expect(away.error?.kind == .unavailable && away.error?.code == "SlowDown" && away.requests == 5)
        let silent = try await ask({ $0.number == 1 ? .silence : .none }, timeout: .milliseconds(400))
        #expect(silent.error == nil && silent.requests == 2)
        for status in [400, 403, 404, 405, 409, 412] {
            let refused = try await ask { _ in .answer(status) }
            #expect(refused.error?.status == status && refused.requests == 1, "\(refused)")
        }
        // A byte that flips on the way there is seen by the server, which is told what must arrive.
        let flipped = try await ask { _ in .flipSent(at: 5_000) }
        #expect(flipped.error?.kind == .damaged && flipped.requests == 1, "\(String(describing: flipped.error))")
        // Nobody is there.
        let none = client("http://127.0.0.1:1", store) { $0.attemptsMax = 2 }
        let error = await #expect(throws: S3Error.self) { try await none.put("key", body) }
        #expect(error?.kind == .unavailable)
    }

    @Test func whatIsWrongIsSaidInWords() async throws {
        let store = try await SeaweedFS()
        func failure(_ s3: S3Client) async -> S3Error? {
            await #expect(throws: S3Error.self) { try await s3.put("key", try S3Body([1])) }
        }
        let wrong = await failure(client(store.endpoint, store) { $0.credentials = S3Credentials(accessKey: SeaweedFS.accessKey, secretKey: "wrong") })
        #expect(wrong?.code == "SignatureDoesNotMatch" && wrong?.kind == .unfit)
        let stranger = await failure(client(store.endpoint, store) { $0.credentials = S3Credentials(accessKey: "nobody", secretKey: "wrong") })
        #expect(stranger?.code == "InvalidAccessKeyId" && stranger?.kind == .unfit)
        let bucket = await failure(client(store.endpoint, store) { $0.bucket = "no-such-bucket" })
        #expect(bucket?.code == "NoSuchBucket" && bucket?.kind == .unfit)
        var configuration = S3Configuration(
            endpoint: store.endpoint, bucket: store.bucket, credentials: S3Credentials(accessKey: SeaweedFS.accessKey, secretKey: SeaweedFS.secretKey))
        configuration.attemptsMax = 1
        let late = await failure(S3Client(configuration) { Int64(Date().timeIntervalSince1970 * 1_000) - 3_600_000 })
        #expect(late?.kind == .unfit && late?.description.contains(#/clock is 3[56][0-9][0-9] s behind/#) == true, "\(String(describing: late))")
        for error in [wrong, stranger, bucket, late] { #expect(error?.description.contains(SeaweedFS.secretKey) == false) }
    }

    @Test func aServerIsTrustedByTheAuthorityThatIsNamed() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (chain, key) = (folder.path + "/cert.pem", folder.path + "/key.pem")
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments =
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", chain, "-days", "2"]
            + ["-subj", "/CN=s3.test", "-addext", "subjectAltName=DNS:s3.test,IP:127.0.0.1"]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let store = try await SeaweedFS(certificate: (chain, key))
        let trusting = client(store.secureEndpoint, store) { $0.caFile = chain }
        _ = try await trusting.put("key", try S3Body([1, 2, 3]))
        #expect(try await trusting.head("key")?.bytes == 3)
        let strange = client(store.secureEndpoint, store) { $0.attemptsMax = 1 }
        let error = await #expect(throws: S3Error.self) { try await strange.head("key") }
        #expect(error?.kind == .unavailable && error?.description.contains("caFile") == true, "\(String(describing: error))")
    }

    @Test func a200WhoseBodyIsAnErrorIsNone() async throws {
        let store = try await SeaweedFS()
        let error = "<?xml version=\"1.0\"?>\n   <Error><Code>InternalError</Code><Message>try again</Message></Error>"
        let proxy = try LyingProxy(to: store.port) { request in
            request.method == "POST" && request.target.contains("uploadId") && request.number < 6 ? .answer(200, body: error) : .none
        }
        let s3 = client(proxy.endpoint, store)
        let id = try await s3.beginUpload("key")
        let part = try await s3.putPart("key", upload: id, number: 1, try S3Body([1, 2, 3]))
        _ = try await s3.completeUpload("key", upload: id, [part])
        // The third, fourth and fifth requests were answered so.
        #expect(proxy.requests.count == 6)
        #expect(try await s3.head("key")?.bytes == 3)
        let always = try LyingProxy(to: store.port) { $0.target.contains("uploadId=") ? .answer(200, body: error) : .none }
        let failure = await #expect(throws: S3Error.self) { try await client(always.endpoint, store).completeUpload("key", upload: id, [part]) }
        #expect(failure?.code == "InternalError" && failure?.kind == .unavailable && always.requests.count == 5)
    }
}
