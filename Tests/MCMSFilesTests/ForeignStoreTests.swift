import ContentStore
import Digests
import Foundation
import MCMSFiles
import ObjectStoreRig
import S3
import Synchronization
import Testing

/// The store against a server that somebody has started: `SPINDLE_S3_ENDPOINT=http://127.0.0.1:7480 SPINDLE_S3_BUCKET=b SPINDLE_S3_KEY_FILE=f`,
/// with one payload of `SPINDLE_S3_BYTES` (a little over 5 GiB, S3's limit of one request). The bucket must be there.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SPINDLE_S3_ENDPOINT"] != nil, "SPINDLE_S3_ENDPOINT names no server")) struct ForeignStoreTests {
    private static let environment = ProcessInfo.processInfo.environment

    private func client(_ endpoint: String) throws -> S3Client {
        let file = try String(contentsOfFile: try #require(Self.environment["SPINDLE_S3_KEY_FILE"]), encoding: .utf8)
        var configuration = S3Configuration(
            endpoint: endpoint, bucket: try #require(Self.environment["SPINDLE_S3_BUCKET"]), credentials: try S3Credentials(file: file))
        configuration.backoff.max = .seconds(1)
        return S3Client(configuration)
    }

    private func stage(_ test: TestFiles, bytes: Int64, seed: UInt64) async throws -> (id: String, address: ContentAddress) {
        let file = try StagingArea(test.folder).make("\(seed)", bytes: bytes)
        var whole = try DigestStream(.sha256)
        let piece = pattern(1 << 20, seed: seed)
        var offset: Int64 = 0
        while offset < bytes {
            // No two pieces are the same.
            var piece = Array(piece.prefix(Int(min(1 << 20, bytes - offset))))
            withUnsafeBytes(of: offset) { number in for index in 0..<min(8, piece.count) { piece[index] = number[index] } }
            try piece.withUnsafeBytes { try file.write($0, at: offset) }
            try whole.update(piece)
            offset += Int64(piece.count)
        }
        return ("\(seed)", ContentAddress(sha256: try whole.finish()))
    }

    @Test func aPayloadBeyondOneRequestIsStored() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = Self.environment["SPINDLE_S3_BYTES"].flatMap { Int64($0) } ?? (5 << 30) + 1_000_001
        let endpoint = try #require(Self.environment["SPINDLE_S3_ENDPOINT"])
        let staged = try await stage(test, bytes: bytes, seed: 11)
        let payloads = S3PayloadStore(try client(endpoint), staging: StagingArea(test.folder))
        try await payloads.probe(UUID().uuidString)
        let began = ContinuousClock.now
        let receipt = try await payloads.put(upload: staged.id, as: staged.address, bytes: bytes)
        let stored = ContinuousClock.now
        #expect(!receipt.wasThere && receipt.answer.contains("-\((bytes + (64 << 20) - 1) / (64 << 20)) "), "\(receipt)")
        #expect(try await payloads.put(upload: staged.id, as: staged.address, bytes: bytes).wasThere)
        let read = ContinuousClock.now
        func rate(_ duration: Duration) -> Int { Int(Double(bytes) / 1e6 / (duration / .seconds(1))) }
        print("\(endpoint): \(receipt.answer); stored at \(rate(stored - began)) MB/s, read and compared at \(rate(read - stored)) MB/s")
        try await payloads.remove(staged.address)
        #expect(try await payloads.facts(of: staged.address) == nil)
    }

    @Test func liesAreFoundThereToo() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let endpoint = try #require(Self.environment["SPINDLE_S3_ENDPOINT"])
        let port = try #require(endpoint.split(separator: ":").last.flatMap { Int($0) })
        var configuration = S3PayloadStore.Configuration()
        configuration.multipartAboveBytes = 6 << 20
        configuration.partBytes = 5 << 20
        for (number, bytes) in [Int64(1_000), 12 << 20].enumerated() {
            for (name, lie) in [("flip", LyingProxy.Lie.flipSent(at: 500)), ("swallow", .answer(200, headers: ["ETag": "\"00000000000000000000000000000007\""]))] {
                let staged = try await stage(test, bytes: bytes, seed: UInt64(number * 2 + (name == "flip" ? 0 : 1)) + 20)
                let once = Mutex(false)
                let proxy = try LyingProxy(to: port) { request in
                    request.method == "PUT" && once.withLock { let first = !$0; $0 = true; return first } ? lie : .none
                }
                let payloads = S3PayloadStore(try client(proxy.endpoint), staging: StagingArea(test.folder), configuration: configuration)
                #expect(try await !payloads.put(upload: staged.id, as: staged.address, bytes: bytes).wasThere, "\(name) \(bytes)")
                #expect(once.withLock { $0 })
                #expect(try await payloads.verify(staged.address))
                try await payloads.remove(staged.address)
            }
        }
        #expect(try await client(endpoint).uploads(of: "cas/").isEmpty)
    }
}
