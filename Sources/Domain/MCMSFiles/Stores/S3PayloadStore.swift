package import ContentStore
internal import Digests
internal import NIOCore
package import S3

/// A store in a bucket: `<prefix>cas/sha256/<two digits>/<digest>/payload`.
///
/// What is sent is read from the staged file, a piece at a time. The server compares each request's bytes with their SHA-256 and MD5, and what
/// it says of the object afterwards, its ETag and CRC32C, is compared here with what was sent; where it says neither, the object is read back.
/// The key follows from the bytes, so that two who store one payload at once write the same.
package struct S3PayloadStore: PayloadStore {
    package struct Configuration: Sendable {
        /// Before every key: empty, or with a slash at its end.
        package var prefix = ""
        /// Larger payloads are sent in parts; S3 takes at most 5 GiB in one piece.
        package var multipartAboveBytes: Int64 = 5 << 30
        /// S3's least is 5 MiB. Larger where a payload would have more than ``S3Client/partsMax`` of them.
        package var partBytes: Int64 = 64 << 20
        /// Of one payload, on their way at the same time.
        package var partsAtOnce = 3
        /// An upload whose object is not what was sent is repeated; so many are made.
        package var uploadsMax = 3
        /// Uploads in parts that are older belong to nobody.
        package var abandonedAfterMilliseconds: Int64 = 24 * 3_600_000

        package init() {}
    }

    /// Read with one request.
    static let rangeBytes = 2 << 20

    private let client: S3Client
    private let staging: StagingArea
    private let configuration: Configuration

    package init(_ client: S3Client, staging: StagingArea, configuration: Configuration = .init()) {
        self.client = client
        self.staging = staging
        self.configuration = configuration
    }

    package var name: String { "s3 \(client.configuration.name)" }

    /// What is no fault of a file is told as such.
    static func reaching<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as S3Error where [.unavailable, .unfit].contains(error.kind) {
            throw PayloadStoreUnavailable(reason: error.description)
        }
    }

    private func key(_ address: ContentAddress) -> String { configuration.prefix + address.payload }

    // MARK: Storing

    package func put(upload: String, as address: ContentAddress, bytes: Int64) async throws -> StoreReceipt {
        try await Self.reaching { try await store(upload, address, bytes) }
    }

    private func store(_ upload: String, _ address: ContentAddress, _ bytes: Int64) async throws -> StoreReceipt {
        let key = key(address)
        if let object = try await client.head(key), object.bytes == bytes, try await digest(key, bytes) == Hexadecimal.bytes(address.hash) {
            return StoreReceipt(wasThere: true, answer: answer(object, verified: "read"))
        }
        let staging = staging
        guard let staged = try await Blocking.run({ try staging.open(upload, forWriting: false) }) else {
            throw StoreFolderError(operation: "read", path: StagingArea.path(of: upload), reason: "it is gone, and the store does not have it")
        }
        var count = 1
        while true {
            do {
                let sent = bytes > configuration.multipartAboveBytes ? try await sendParts(staged, key, bytes) : try await send(staged, key, bytes)
                guard Hexadecimal.text(sent.sha256) == address.hash else {
                    throw StoreFolderError(operation: "store", path: staged.path, reason: "its bytes have changed since they were compared")
                }
                return try await confirmOrAbort(sent, address, bytes)
            } catch let error as S3Error where [.damaged, .notFound].contains(error.kind) && count < configuration.uploadsMax {
                // The server, or the way to it, lost something: from the start.
                count += 1
            }
        }
    }

    /// What was sent, and what a server may say of it.
    private struct Sent {
        var sha256: [UInt8]
        var etag: String
        var crc32c: UInt32
        /// Nil: it was sent whole.
        var compositeCRC32C: String?
        /// As its answer to the last request said it.
        var checksum: S3Checksum?
        /// Of what was sent in parts.
        var upload: String?
    }

    private func send(_ staged: StagedFile, _ key: String, _ bytes: Int64) async throws -> Sent {
        let body = try await body(staged, from: 0, bytes: bytes) { _ in }
        let answer = try await client.put(key, body)
        return Sent(
            sha256: body.digests.sha256, etag: Hexadecimal.text(body.digests.md5), crc32c: body.digests.crc32c, checksum: answer.checksum)
    }

    /// Reads a range for its digests; it is read again when it is sent.
    private func body(_ staged: StagedFile, from start: Int64, bytes: Int64, _ take: (ByteBuffer) throws -> Void) async throws -> S3Body {
        var digests = try S3DigestStream()
        for try await piece in FilePieces(file: staged, from: start, bytes: bytes) {
            try piece.withUnsafeReadableBytes { try digests.update($0) }
            try take(piece)
        }
        return S3Body(bytes: bytes, digests: try digests.finish()) { from, count in try await staged.read(from: start + from, bytes: count) }
    }

    private func sendParts(_ staged: StagedFile, _ key: String, _ bytes: Int64) async throws -> Sent {
        let id = try await client.beginUpload(key)
        do {
            return try await sendParts(staged, key, bytes, upload: id)
        } catch {
            await abort(key, upload: id)
            throw error
        }
    }

    /// Also where this task was cancelled: a task of its own is not. What can't be aborted now is abandoned.
    private func abort(_ key: String, upload id: String) async {
        let client = client
        _ = await Task { try? await client.abortUpload(key, upload: id) }.value
    }

    private func sendParts(_ staged: StagedFile, _ key: String, _ bytes: Int64, upload id: String) async throws -> Sent {
        let least = (bytes + Int64(S3Client.partsMax) - 1) / Int64(S3Client.partsMax)
        let partBytes = max(configuration.partBytes, least)
        var whole = try WholeFile()
        var (md5s, crcs): ([UInt8], [UInt8]) = ([], [])
        let parts = try await withThrowingTaskGroup(of: S3Part.self) { group in
            var (parts, offset, running): ([S3Part], Int64, Int) = ([], 0, 0)
            for number in 1... where offset < bytes {
                let body = try await body(staged, from: offset, bytes: min(partBytes, bytes - offset)) { try whole.update($0) }
                md5s += body.digests.md5
                crcs += (0..<4).map { UInt8(truncatingIfNeeded: body.digests.crc32c >> (24 - 8 * $0)) }
                offset += body.bytes
                if running == configuration.partsAtOnce, let part = try await group.next() {
                    parts.append(part)
                    running -= 1
                }
                let client = client
                group.addTask { try await client.putPart(key, upload: id, number: number, body) }
                running += 1
                if offset >= bytes { break }
            }
            for try await part in group { parts.append(part) }
            return parts.sorted { $0.number < $1.number }
        }
        let answer = try await client.completeUpload(key, upload: id, parts)
        let (sha256, crc32c) = try whole.finish()
        let composite = crcs.withUnsafeBytes { CRC32C.extend(0, $0) }
        return Sent(
            sha256: sha256, etag: "\(Hexadecimal.text(try DigestStream.digest(of: md5s, .md5)))-\(parts.count)", crc32c: crc32c,
            compositeCRC32C: "\(composite.crcText)-\(parts.count)", checksum: answer.checksum, upload: id)
    }

    // MARK: Comparing

    /// A server that says that it has put the parts together may not have done so.
    private func confirmOrAbort(_ sent: Sent, _ address: ContentAddress, _ bytes: Int64) async throws -> StoreReceipt {
        do {
            return try await confirm(sent, address, bytes)
        } catch {
            if let id = sent.upload { await abort(key(address), upload: id) }
            throw error
        }
    }

    /// Compares what the server says of the object with what was sent.
    private func confirm(_ sent: Sent, _ address: ContentAddress, _ bytes: Int64) async throws -> StoreReceipt {
        let (key, operation) = (key(address), "S3 HEAD \(key(address))")
        guard let object = try await client.head(key) else { throw S3Error(.damaged, operation, message: "it is not there after it was stored") }
        guard object.bytes == bytes else { throw S3Error(.damaged, operation, message: "it has \(object.bytes) bytes after \(bytes) were stored") }
        var verified: [String] = []
        if let checksum = object.checksum ?? sent.checksum {
            // Some leave the number of parts out.
            let expected = checksum.isComposite ? sent.compositeCRC32C : sent.crc32c.crcText
            guard let expected, checksum.crc32c == expected || checksum.isComposite && expected.hasPrefix(checksum.crc32c + "-") else {
                throw S3Error(.damaged, operation, message: "its CRC32C is \(checksum.crc32c), and \(expected ?? sent.crc32c.crcText) was sent")
            }
            verified.append("crc32c")
        }
        // An ETag that is no MD5 says nothing: that of a server which encrypts is another number.
        if object.etag.lowercased() == sent.etag { verified.append("etag") }
        if verified.isEmpty {
            guard try await digest(key, bytes) == Hexadecimal.bytes(address.hash) else {
                throw S3Error(.damaged, operation, message: "its bytes are not those that were sent (ETag \(object.etag), expected \(sent.etag))")
            }
            verified.append("read")
        }
        return StoreReceipt(wasThere: false, answer: answer(object, verified: verified.joined(separator: "+")))
    }

    private func answer(_ object: S3Object, verified: String) -> String {
        let checksum = object.checksum.map { " crc32c=\($0.crc32c) (\($0.isComposite ? "composite" : "full object"))" } ?? ""
        return "size=\(object.bytes) etag=\(object.etag)\(checksum) verified=\(verified)"
    }

    /// SHA-256 of so many bytes of an object.
    private func digest(_ key: String, _ bytes: Int64) async throws -> [UInt8] {
        var whole = try DigestStream(.sha256)
        var offset: Int64 = 0
        while offset < bytes {
            let piece = try await client.get(key, offset..<min(bytes, offset + Int64(Self.rangeBytes)))
            try piece.withUnsafeReadableBytes { try whole.update($0) }
            offset += Int64(piece.readableBytes)
        }
        return try whole.finish()
    }

    // MARK: Looking

    /// Nil where the store is there and this payload is not: a bucket that is gone is no answer to that.
    private func object(_ address: ContentAddress) async throws -> S3Object? {
        try await Self.reaching {
            if let object = try await client.head(key(address)) { return object }
            try await client.checkBucket()
            return nil
        }
    }

    package func facts(of address: ContentAddress) async throws -> PayloadFacts? {
        try await object(address).map { PayloadFacts(bytes: $0.bytes, storedAt: $0.modifiedAt) }
    }

    package func verify(_ address: ContentAddress) async throws -> Bool {
        guard let object = try await object(address) else { return false }
        do {
            return try await Self.reaching { try await digest(key(address), object.bytes) } == Hexadecimal.bytes(address.hash)
        } catch let error as S3Error where [.damaged, .notFound].contains(error.kind) {
            return false
        }
    }

    package func open(_ address: ContentAddress) async throws -> (any PayloadBytes)? {
        guard let object = try await object(address) else { return nil }
        return S3Payload(client: client, path: key(address), bytes: object.bytes)
    }

    package func remove(_ address: ContentAddress) async throws { try await Self.reaching { try await client.delete(key(address)) } }

    package func all() async throws -> [ContentAddress] {
        var (found, token): ([ContentAddress], String?) = ([], nil)
        let base = configuration.prefix + "cas/\(ContentAddress.algorithm)/"
        repeat {
            let page = try await Self.reaching { try await client.page(of: base, after: token) }
            found += page.keys.compactMap { key in
                let address = key.dropFirst(configuration.prefix.count).split(separator: "/").dropLast().last.flatMap { ContentAddress(hash: String($0)) }
                return address.flatMap { self.key($0) == key ? $0 : nil }
            }
            token = page.next
        } while token != nil
        return found
    }

    // MARK: Upkeep

    /// Aborts uploads in parts that nobody works on any more.
    /// - Returns: how many.
    package func abortAbandoned(now: Int64) async throws -> Int {
        var count = 0
        for upload in try await client.uploads(of: configuration.prefix + "cas/") {
            guard let begun = upload.begunAt, now - begun >= configuration.abandonedAfterMilliseconds else { continue }
            try await client.abortUpload(upload.key, upload: upload.id)
            count += 1
        }
        return count
    }

    /// Writes, reads, lists and removes an object. Throws what does not work.
    package func probe(_ id: String) async throws {
        let key = configuration.prefix + "spindle-probe/\(id)"
        let bytes = Array("spindle \(id)".utf8)
        try await client.checkBucket()
        _ = try await client.put(key, try S3Body(bytes))
        let read = try await client.get(key, 0..<Int64(bytes.count))
        try await client.delete(key)
        guard read.readableBytesView.elementsEqual(bytes) else {
            throw S3Error(.damaged, "S3 GET \(key)", message: "it is not what was written a moment before")
        }
        _ = try await client.uploads(of: key)
    }
}

/// SHA-256 and CRC32C of a file that is sent in parts.
private struct WholeFile: ~Copyable {
    private var sha256: DigestStream?
    private var crc32c: UInt32 = 0

    init() throws { sha256 = try DigestStream(.sha256) }

    mutating func update(_ piece: ByteBuffer) throws {
        try piece.withUnsafeReadableBytes { bytes in
            try sha256?.update(bytes)
            crc32c = CRC32C.extend(crc32c, bytes)
        }
    }

    /// Once, at the end.
    mutating func finish() throws -> (sha256: [UInt8], crc32c: UInt32) {
        guard let stream = sha256.take() else { return ([], crc32c) }
        return (try stream.finish(), crc32c)
    }
}

/// A payload in a bucket, read in ranges as they are asked for.
private struct S3Payload: PayloadBytes {
    let client: S3Client
    let path: String
    let bytes: Int64

    func size() async throws -> Int64 { bytes }

    func read(from offset: Int64, bytes count: Int) async throws -> ByteBuffer {
        try await S3PayloadStore.reaching { try await client.get(path, offset..<(offset + Int64(count))) }
    }

    var readsAtOnce: Int { S3PayloadStore.rangeBytes }
}
