import ContentStore
import Digests
import Foundation
import MCMS
import MCMSFiles
import Testing

@Suite struct UploadTests {
    private let chunk = Int(ChunkGrid.chunkBytes)

    // MARK: Parts

    @Test func partsInAnyOrderBecomeOneStagedFileWithBothDigests() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(2 * chunk + 77)
        let upload = try await test.uploads.create(try test.new("A.nc", Int64(bytes.count), routing: routing), by: test.caller)
        for index in [2, 0, 1] { try await test.send(bytes, part: index, of: upload.id) }
        let file = try await test.staged(upload.id)
        #expect(file.status == .staged)
        #expect(file.sha256 == (try sha256(bytes)))
        #expect(file.md5 == Hexadecimal.text(try DigestStream.digest(of: bytes, .md5)))
        let command = try await test.command(file.id)
        #expect(command.chunks.map(\.size) == [ChunkGrid.chunkBytes, ChunkGrid.chunkBytes, 77])
        #expect(command.chunks[2].hash == (try sha256(Array(bytes[(2 * chunk)...]))))
        #expect(command.casHash == file.sha256)
        #expect(command.resumeToken == upload.resumeToken)
        #expect(try await test.messages(FileIngestCommand.self, to: FileQueues.ingest).count == 1)
    }

    @Test func aPartThatIsHereIsAnsweredWithoutItsBytes() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(chunk + 5)
        let upload = try await test.uploads.create(try test.new("A.nc", Int64(bytes.count), routing: try await test.routing()), by: test.caller)
        try await test.send(bytes, part: 1, of: upload.id)
        // A body that would break, if anybody read it.
        let outcome = try await test.uploads.receive(part: 1, of: upload.id, declared: nil, Pieces([], breaksAt: 0), bytes: { $0 })
        guard case .wasThere = outcome else { return #expect(Bool(false), "\(outcome)") }
    }

    @Test func whatIsWrongWithAPartIsSaidAndNothingIsKept() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(chunk + 5)
        let hashes = try [Array(bytes[..<chunk]), Array(bytes[chunk...])].map { try DigestStream.digest(of: $0) }
        let upload = try await test.uploads.create(
            try test.new("A.nc", Int64(bytes.count), routing: try await test.routing(), hashes: hashes), by: test.caller)
        func refused(_ part: Int, _ body: [UInt8], declared: [UInt8]? = nil) async -> FileError? {
            do {
                _ = try await test.uploads.receive(part: part, of: upload.id, declared: declared, Pieces(body), bytes: { $0 })
                return nil
            } catch { return error as? FileError }
        }
        #expect(await refused(2, [1])?.description == "“index” is 2, and the upload has 2 parts, from 0.")
        #expect(await refused(1, [1, 2])?.description == "“body” has 2 bytes, and part 1 has 5.")
        #expect(await refused(1, [1, 2, 3, 4, 5, 6])?.description == "“body” has more bytes than the upload still needs (5).")
        guard case .digestMismatch = await refused(1, [1, 2, 3, 4, 5]) else { return #expect(Bool(false)) }
        guard case .digestMismatch = await refused(1, Array(bytes[chunk...]), declared: hashes[0]) else { return #expect(Bool(false)) }
        #expect(try await test.store.chunks(of: upload.id).isEmpty)
        try await test.send(bytes, part: 1, of: upload.id)
        #expect(try await test.store.upload(upload.id).receivedBytes == 5)
    }

    @Test func theSameCreationWithTheSameHashesGoesOn() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(chunk + 5)
        let hashes = try [Array(bytes[..<chunk]), Array(bytes[chunk...])].map { try DigestStream.digest(of: $0) }
        let new = try test.new("A.nc", Int64(bytes.count), routing: routing, hashes: hashes)
        let first = try await test.uploads.create(new, by: test.caller)
        try await test.send(bytes, part: 0, of: first.id)
        let again = try await test.uploads.create(new, by: test.caller)
        #expect(again.id == first.id)
        #expect(again.receivedBytes == Int64(chunk))
        let stranger = try await test.uploads.create(new, by: Caller(actor: "x", principal: "other", correlationID: "c"))
        #expect(stranger.id != first.id)
    }

    @Test func aFileThatTheStoreHasIsStagedWithoutABody() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(chunk + 5)
        let first = try await test.upload("A.nc", bytes, routing: routing)
        #expect(try await test.handler().handle(try await test.command(first.id), attempt: 1) == .done("committed"))
        let hashes = try [Array(bytes[..<chunk]), Array(bytes[chunk...])].map { try DigestStream.digest(of: $0) }
        let second = try await test.uploads.create(try test.new("B.nc", Int64(bytes.count), routing: routing, hashes: hashes), by: test.caller)
        let file = try await test.staged(second.id)
        #expect(file.sha256 == first.sha256)
        #expect(file.md5 == first.md5)
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(test.names(below: "store/cas").count == 1)
        #expect(try await test.store.file(file.id).status == .committed)
    }

    /// The store's own copy is damaged: the bytes are asked for, and take its place.
    @Test func aDamagedPayloadDoesNotKeepAFileOut() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(chunk + 5)
        let first = try await test.upload("A.nc", bytes, routing: routing)
        _ = try await test.handler().handle(try await test.command(first.id), attempt: 1)
        let address = try #require(ContentAddress(hash: try sha256(bytes)))
        let path = test.root.appendingPathComponent("store/" + address.payload).path
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        var damaged = bytes
        damaged[3] ^= 1
        try test.folder.write(address.payload, damaged)
        let hashes = try [Array(bytes[..<chunk]), Array(bytes[chunk...])].map { try DigestStream.digest(of: $0) }
        let second = try await test.uploads.create(try test.new("B.nc", Int64(bytes.count), routing: routing, hashes: hashes), by: test.caller)
        let file = try await test.staged(second.id)
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("parts are missing"))
        for index in 0..<2 { try await test.send(bytes, part: index, of: file.id) }
        try await eventually { try await test.store.file(file.id).status == .staged }
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(try await test.payloads.verify(address))
    }

    @Test func knownChunksAreTakenFromTheStore() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(chunk + 5)
        let first = try await test.upload("A.nc", bytes, routing: routing)
        _ = try await test.handler().handle(try await test.command(first.id), attempt: 1)
        var changed = bytes
        changed[chunk] ^= 1
        let hashes = try [Array(changed[..<chunk]), Array(changed[chunk...])].map { try DigestStream.digest(of: $0) }
        let second = try await test.uploads.create(try test.new("B.nc", Int64(bytes.count), routing: routing, hashes: hashes), by: test.caller)
        #expect(try await test.store.chunks(of: second.id).keys.sorted() == [0])
        try await test.send(changed, part: 1, of: second.id)
        #expect(try await test.staged(second.id).sha256 == (try sha256(changed)))
    }

    @Test func anEmptyFileIsStagedAtOnce() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let upload = try await test.uploads.create(try test.new("empty", 0, routing: try await test.routing()), by: test.caller)
        let file = try await test.staged(upload.id)
        #expect(file.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
    }

    // MARK: tus

    private func append(
        _ test: TestFiles, _ id: String, by service: UploadService? = nil, at offset: Int, _ body: Pieces, checksum: UploadService.Checksum? = nil
    ) async throws -> UploadRecord {
        try await (service ?? test.uploads).append(to: id, at: Int64(offset), size: nil, checksum: checksum, body, bytes: { $0 })
    }

    /// However it is cut, the chunks are those of the grid.
    @Test(arguments: [[Int](), [1], [1, 2, 3], [10 << 20], [(10 << 20) - 1, (10 << 20) + 1]])
    func anyCuttingGivesTheSameChunks(cuts: [Int]) async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(2 * chunk + 9)
        let upload = try await test.uploads.create(
            try test.new("A.nc", Int64(bytes.count), routing: try await test.routing(), way: .tus), by: test.caller)
        var start = 0
        for cut in cuts + [bytes.count] {
            let record = try await append(test, upload.id, at: start, Pieces(Array(bytes[start..<cut]), pieceBytes: 300_001))
            #expect(record.receivedBytes == Int64(cut))
            start = cut
        }
        let file = try await test.staged(upload.id)
        #expect(file.sha256 == (try sha256(bytes)))
        let hashes = try await test.command(file.id).chunks.map(\.hash)
        #expect(hashes == (try [0..<chunk, chunk..<(2 * chunk), (2 * chunk)..<bytes.count].map { try sha256(Array(bytes[$0])) }))
    }

    @Test func whatCameBeforeABreakIsKept() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(chunk + 900)
        let upload = try await test.uploads.create(
            try test.new("A.nc", Int64(bytes.count), routing: try await test.routing(), way: .tus), by: test.caller)
        await #expect(throws: Pieces.Broken.self) { _ = try await append(test, upload.id, at: 0, Pieces(bytes, breaksAt: chunk + 400)) }
        #expect(try await test.store.upload(upload.id).receivedBytes == Int64(chunk + 400))
        // The next process knows no more than what was recorded.
        _ = try await append(test, upload.id, by: test.anotherService(), at: chunk + 400, Pieces(Array(bytes[(chunk + 400)...])))
        #expect(try await test.staged(upload.id).sha256 == (try sha256(bytes)))
    }

    @Test func aWrongOffsetIsAConflictThatSaysTheRightOne() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let upload = try await test.uploads.create(try test.new("A.nc", 10, routing: try await test.routing(), way: .tus), by: test.caller)
        await #expect(throws: FileError.offsetConflict(offset: 0)) { _ = try await append(test, upload.id, at: 3, Pieces([1])) }
    }

    @Test func bytesWithAWrongChecksumAreDiscarded() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(100)
        let upload = try await test.uploads.create(try test.new("A.nc", 100, routing: try await test.routing(), way: .tus), by: test.caller)
        let wrong = UploadService.Checksum(algorithm: .sha1, digest: [UInt8](repeating: 0, count: 20))
        await #expect(throws: FileError.self) { _ = try await append(test, upload.id, at: 0, Pieces(bytes), checksum: wrong) }
        #expect(try await test.store.upload(upload.id).receivedBytes == 0)
        let right = UploadService.Checksum(algorithm: .sha1, digest: try DigestStream.digest(of: bytes, .sha1))
        #expect(try await append(test, upload.id, at: 0, Pieces(bytes), checksum: right).receivedBytes == 100)
    }

    /// A connection that died without a word keeps nobody from resuming, and writes nothing more when it wakes.
    @Test(arguments: [false, true]) func aSilentRequestIsTakenOver(byAnotherProcess: Bool) async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(1_000)
        let upload = try await test.uploads.create(try test.new("A.nc", 1_000, routing: try await test.routing(), way: .tus), by: test.caller)
        let silent = SilentBody()
        let zombie = Task { try await test.uploads.append(to: upload.id, at: 0, size: nil, checksum: nil, silent, bytes: { $0 }) }
        silent.send([9, 9, 9])
        let service = byAnotherProcess ? test.anotherService() : test.uploads
        try await eventually { (try? await append(test, upload.id, by: service, at: 0, Pieces(bytes))) != nil }
        silent.send([9, 9, 9])
        silent.end()
        await #expect(throws: FileError.superseded) { _ = try await zombie.value }
        #expect(try await test.store.upload(upload.id).receivedBytes == 1_000)
    }

    /// The answer to the last PATCH got lost, and the client asks where to go on: it must not begin from the start.
    @Test func whenTheFileIsStoredItsUploadStillSaysThatAllIsHere() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let upload = try await test.uploads.create(try test.new("A.nc", 10, routing: try await test.routing(), way: .tus), by: test.caller)
        _ = try await append(test, upload.id, at: 0, Pieces(pattern(10)))
        let file = try await test.staged(upload.id)
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(try await test.store.upload(upload.id).receivedBytes == 10)
        #expect(try await append(test, upload.id, at: 10, Pieces([])).receivedBytes == 10)
        let outcome = try await test.uploads.receive(part: 0, of: upload.id, declared: nil, Pieces([], breaksAt: 0), bytes: { $0 })
        guard case .wasThere = outcome else { return #expect(Bool(false), "\(outcome)") }
        // It takes no room, and is no upload under way.
        #expect(try await test.store.figures().uploads == 0)
    }

    @Test func partialUploadsBecomeOneFile() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(chunk + 700)
        var partials: [UploadRecord] = []
        for range in [0..<333, 333..<(chunk + 1), (chunk + 1)..<bytes.count] {
            let partial = try await test.uploads.createPartial(size: Int64(range.count), metadata: "", by: test.caller)
            partials.append(try await append(test, partial.id, at: 0, Pieces(Array(bytes[range]))))
        }
        let new = try test.new("A.nc", nil, routing: try await test.routing(), way: .tus)
        let open = try await test.uploads.createPartial(size: 5, metadata: "", by: test.caller)
        await #expect(throws: FileError.self) { _ = try await test.uploads.concatenate([open], into: new, by: test.caller) }
        let upload = try await test.uploads.concatenate(partials, into: new, by: test.caller)
        #expect(try await test.staged(upload.id).sha256 == (try sha256(bytes)))
        // The pieces have given their room back.
        #expect(test.names(below: "store/staging") == ["\(open.id)/payload", "\(upload.id)/payload"].sorted())
    }

    // MARK: Limits

    @Test func aFileMayHaveExactlyTheMostBytes() async throws {
        let test = try TestFiles { $0.bytesMax = 100 }
        defer { test.remove() }
        let routing = try await test.routing()
        _ = try await test.uploads.create(try test.new("A.nc", 100, routing: routing), by: test.caller)
        await #expect(throws: FileError.tooLarge(bytes: 101, max: 100)) {
            _ = try await test.uploads.create(try test.new("B.nc", 101, routing: routing), by: test.caller)
        }
    }

    @Test func whatDoesNotFitIsRefusedAtCreation() async throws {
        // The reserve is more than any disk has.
        let test = try TestFiles(reserve: 1 << 60)
        defer { test.remove() }
        let routing = try await test.routing()
        do {
            _ = try await test.uploads.create(try test.new("A.nc", 1 << 20, routing: routing), by: test.caller)
            #expect(Bool(false))
        } catch let FileError.noRoom(needed, available, _) {
            // In the store, and on the share.
            #expect(needed == 2 << 20)
            #expect(available == 0)
        }
        #expect(try await test.store.files(of: routing, limit: 10, cursor: nil).items.isEmpty)
    }

    /// An upload that doesn't say its size fills no disk.
    @Test func anUploadOfUnknownSizeStopsWhereTheRoomEnds() async throws {
        let test = try TestFiles(reserve: 1 << 60)
        defer { test.remove() }
        let upload = try await test.uploads.create(try test.new("A.nc", nil, routing: try await test.routing(), way: .tus), by: test.caller)
        await #expect(throws: FileError.self) { _ = try await append(test, upload.id, at: 0, Pieces(pattern(100))) }
        #expect(try await test.store.upload(upload.id).receivedBytes == 0)
    }

    /// What an operator decides about is not its uploader's to remove.
    @Test func aFileInQuarantineIsNotGivenUp() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1], routing: try await test.routing())
        let scanner = FakeScanner(.success(ScanFinding(.infected, detail: "x", scannedBytes: 1)))
        _ = try await test.handler(.by(scanner)).handle(try await test.command(file.id), attempt: 1)
        await #expect(throws: FileError.self) { try await test.uploads.delete(file.id, reason: "no", by: test.caller) }
        #expect(test.names(below: "store") == ["staging/\(file.id)/payload"])
    }

    @Test func whatStandsStillIsGivenUp() async throws {
        let test = try TestFiles { $0.expiry = .milliseconds(-1) }
        defer { test.remove() }
        let upload = try await test.uploads.create(try test.new("A.nc", 100, routing: try await test.routing()), by: test.caller)
        await test.uploads.clean()
        await #expect(throws: FileError.self) { _ = try await test.store.upload(upload.id) }
        #expect(test.names(below: "store/staging").isEmpty)
    }

    @Test func whatNoUploadKnowsIsRemovedFromStaging() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let open = try await test.uploads.create(try test.new("A.nc", 100, routing: try await test.routing()), by: test.caller)
        _ = try StagingArea(test.folder).make("left-over", bytes: 5)
        await test.uploads.clean()
        #expect(test.names(below: "store/staging") == ["\(open.id)/payload"])
    }

    /// All bytes were here, and the process ended before it could say so.
    @Test func theNextProcessFinishesWhatWasAllThere() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(300)
        let upload = try await test.uploads.create(try test.new("A.nc", 300, routing: try await test.routing()), by: test.caller)
        let file = try #require(try StagingArea(test.folder).open(upload.id, forWriting: true))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        try file.sync()
        _ = try await test.store.record(upload.id, writer: nil, chunks: [0: try DigestStream.digest(of: bytes)], offset: nil, expiry: .seconds(60))
        try await test.anotherService().resume()
        #expect(try await test.staged(upload.id).sha256 == (try sha256(bytes)))
    }

    @Test(arguments: ["", "a/../b", "/etc/passwd", "CON", "a\u{0}b", "x ", "W:\\x", String(repeating: "가", count: 200), "a:b"])
    func namesThatMeanSomethingElseAreRefused(name: String) throws {
        let test = try TestFiles()
        defer { test.remove() }
        do {
            _ = try test.uploads.names(name: name, path: nil, routing: "r")
            #expect(Bool(false), "\(name) was taken")
        } catch {
            guard case .invalid("filename", _) = error else { return #expect(Bool(false), "\(error)") }
        }
    }

    // MARK: Limits

    /// A client that begins uploads and never ends them takes nobody else's place, and no memory without end.
    @Test func onePrincipalHasSoManyUploadsUnderWay() async throws {
        let test = try TestFiles { $0.openMax = 2 }
        defer { test.remove() }
        let routing = try await test.routing()
        let first = try await test.uploads.create(try test.new("1", 3, routing: routing), by: test.caller)
        _ = try await test.uploads.create(try test.new("2", nil, routing: routing, way: .tus), by: test.caller)
        await #expect(throws: FileError.tooManyUploads(max: 2)) {
            _ = try await test.uploads.create(try test.new("3", 3, routing: routing), by: test.caller)
        }
        await #expect(throws: FileError.tooManyUploads(max: 2)) {
            _ = try await test.uploads.createPartial(size: 3, metadata: "", by: test.caller)
        }
        // Somebody else may, and so may whoever has finished one.
        _ = try await test.uploads.create(try test.new("4", 3, routing: routing), by: Caller(actor: "other", principal: "other", correlationID: "c"))
        try await test.send([1, 2, 3], part: 0, of: first.id)
        _ = try await test.uploads.create(try test.new("5", 3, routing: routing), by: test.caller)
    }

    /// An upload that is resumed is none more.
    @Test func anUploadThatGoesOnIsNotCountedAgain() async throws {
        let test = try TestFiles { $0.openMax = 1 }
        defer { test.remove() }
        let routing = try await test.routing()
        let hashes = [try DigestStream.digest(of: [1, 2, 3])]
        let first = try await test.uploads.create(try test.new("A.nc", 3, routing: routing, hashes: hashes), by: test.caller)
        #expect(try await test.uploads.create(try test.new("A.nc", 3, routing: routing, hashes: hashes), by: test.caller).id == first.id)
    }
}
