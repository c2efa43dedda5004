import ContentStore
import Digests
import Foundation
import MCMS
import MCMSFiles
import SQLStore
import Synchronization
import Testing

@Suite struct IngestTests {
    private let chunk = Int(ChunkGrid.chunkBytes)

    @Test func aFileIsStoredOnceReferredToAuditedAndPublished() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(chunk + 1)
        let file = try await test.upload("op10/A.nc", bytes, routing: routing, path: #"W:\jobs\A.nc"#)
        let command = try await test.command(file.id)
        #expect(try await test.handler().handle(command, attempt: 1) == .done("committed"))
        let hash = try sha256(bytes)
        #expect(test.names(below: "store") == [
            "cas/sha256/\(hash.prefix(2))/\(hash)/payload", "refs/\(routing)/0/op10%2FA.nc.json", "refs/\(routing)/0/op10%2FA.nc.meta.json",
        ])
        #expect(try Data(contentsOf: test.share.appendingPathComponent("jobs/A.nc")) == Data(bytes))
        let audits = try await test.store.audits(of: file.id)
        #expect(audits.map(\.verdict) == [.committed])
        #expect(audits[0].hash == hash && audits[0].chunkCount == 2 && audits[0].uploader == "김철수" && audits[0].uploadSessionId == file.id)
        #expect(try await test.history(routing).suffix(1) == [.fileCommitted])
        #expect(try await test.alerts().map(\.type) == ["file.committed"])
        // Its message comes again.
        #expect(try await test.handler().handle(command, attempt: 2) == .done("it is committed"))
        #expect(try await test.store.audits(of: file.id).count == 1)
        #expect(try await test.alerts().count == 1)
    }

    @Test func theAuditCanBeChangedByNobody() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1], routing: try await test.routing())
        _ = try await test.handler().handle(try await test.command(file.id), attempt: 1)
        for statement in ["UPDATE integrityAudit SET hash = 'x'", "DELETE FROM integrityAudit", "INSERT OR REPLACE INTO integrityAudit SELECT * FROM integrityAudit"] {
            await #expect(throws: (any Error).self, "\(statement)") { try await test.mcms.database.write { try $0.execute(statement) } }
        }
    }

    @Test func theSameNameAgainIsANewVersion() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let first = try await test.upload("A.nc", [1, 2, 3], routing: routing)
        _ = try await test.handler().handle(try await test.command(first.id), attempt: 1)
        // Windows takes both for one name.
        let second = try await test.upload("a.NC", [4, 5], routing: routing, path: "\(routing)/A.nc")
        _ = try await test.handler().handle(try await test.command(second.id), attempt: 1)
        let files = try await test.store.files(of: routing, limit: 10, cursor: nil).items
        #expect(files.map(\.id) == [second.id])
        #expect(files[0].logicalName == "A.nc")
        #expect(test.names(below: "store/refs") == ["\(routing)/0/A.nc.json", "\(routing)/0/A.nc.meta.json"])
        #expect(try Data(contentsOf: test.share.appendingPathComponent("\(routing)/A.nc")) == Data([4, 5]))
        // The first one's payload is nobody's now.
        #expect(try await test.messages(CasGarbageCommand.self, to: FileQueues.garbage).map(\.hash) == [try sha256([1, 2, 3])])
    }

    /// Each worker retries until its message is settled, as its queue would.
    private func settle(_ test: TestFiles, _ file: RoutingFile) async throws {
        let (handler, command) = (test.handler(), try await test.command(file.id))
        while true {
            switch try await handler.handle(command, message: file.id, attempt: 1) {
            case .done: return
            case .busy, .retry: await Task.yield()
            case .postpone(let reason), .refused(let reason): throw FileError.invalid(field: "ingest", problem: reason)
            }
        }
    }

    @Test func manyWorkersWithTheSameBytesStoreThemOnce() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        var files: [RoutingFile] = []
        for number in 0..<20 { files.append(try await test.upload("\(number).nc", [1, 2, 3], routing: routing)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for file in files { group.addTask { try await settle(test, file) } }
            try await group.waitForAll()
        }
        let hash = try sha256([1, 2, 3])
        #expect(test.names(below: "store/cas") == ["sha256/\(hash.prefix(2))/\(hash)/payload"])
        #expect(test.names(below: "store/staging").isEmpty && test.names(below: "store/refs").count == 40)
        for file in files { #expect(try await test.store.file(file.id).status == .committed) }
    }

    /// One after the other: the ref and the share are those of the version that is current in the end.
    @Test func versionsOfOneNameThatComeAtOnceEndAsOne() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        var versions: [RoutingFile] = []
        for number in 0..<8 as Range<UInt8> { versions.append(try await test.upload("A.nc", [number], routing: routing)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for version in versions { group.addTask { try await settle(test, version) } }
            try await group.waitForAll()
        }
        let current = try #require(try await test.store.files(of: routing, limit: 10, cursor: nil).items.first)
        let ref = try String(contentsOf: test.root.appendingPathComponent("store/refs/\(routing)/0/A.nc.json"), encoding: .utf8)
        #expect(ref.contains(current.id) && test.names(below: "store/refs").count == 2)
        let number = try #require(versions.firstIndex { $0.id == current.id })
        #expect(try Data(contentsOf: test.share.appendingPathComponent("\(routing)/A.nc")) == Data([UInt8(number)]))
    }

    @Test func whatOthersPutOnTheShareIsLeftAlone() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing(), path: "x/A.nc")
        let place = test.share.appendingPathComponent("x/A.nc")
        try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data([9]).write(to: place)
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(try Data(contentsOf: place) == Data([9]))
        let now = try await test.store.file(file.id)
        #expect(now.status == .committed && now.sharePath == nil)
        #expect(try await test.alerts().map(\.type) == ["file.shareOccupied"])
    }

    /// However many files wait, operators hear of it once an hour.
    @Test func aShareThatStaysAwayIsToldOfOnce() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let files = [try await test.upload("A.nc", [1], routing: routing), try await test.upload("B.nc", [2], routing: routing)]
        try FileManager.default.removeItem(at: test.share)
        for file in files { _ = try await test.handler().handle(try await test.command(file.id), attempt: 1) }
        #expect(try await test.alerts().isEmpty)
        let impatient = test.handler(shareAlertAfter: 0)
        for file in files { _ = try await impatient.handle(try await test.command(file.id), attempt: 2) }
        #expect(try await test.alerts().map(\.type) == ["file.shareUnavailable"])
    }

    /// A share that is not mounted is waited for, and no folder is made in its place.
    @Test func aShareThatIsAwayIsWaitedFor() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        try FileManager.default.removeItem(at: test.share)
        guard case .postpone = try await test.handler().handle(try await test.command(file.id), attempt: 1) else { return #expect(Bool(false)) }
        #expect(!FileManager.default.fileExists(atPath: test.share.path))
        let now = try await test.store.file(file.id)
        #expect(now.status == .ingesting && now.reason?.hasPrefix("the share is not there") == true)
        try FileManager.default.createDirectory(at: test.share, withIntermediateDirectories: false)
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 2) == .done("committed"))
        #expect(try await test.store.audits(of: file.id).count == 1)
    }

    // MARK: What goes wrong

    @Test func aFlippedByteIsFoundTriedAgainAndGivenUp() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let file = try await test.upload("A.nc", pattern(chunk + 10), routing: routing)
        let staged = try #require(try StagingArea(test.folder).open(file.id, forWriting: true))
        try [UInt8(0)].withUnsafeBytes { try staged.write($0, at: 5) }
        try [UInt8(1)].withUnsafeBytes { try staged.write($0, at: 6) }
        let handler = test.handler(retriesMax: 2)
        #expect(try await handler.handle(try await test.command(file.id), attempt: 1) == .done("invalid"))
        let invalid = try await test.store.file(file.id)
        #expect(invalid.status == .invalid && invalid.retryCount == 1)
        #expect(invalid.reason?.hasPrefix("chunk 0 of 2 has the SHA-256") == true)
        let again = try await test.command(file.id, queue: FileQueues.retry)
        #expect(again.retryCount == 1)
        _ = try await handler.handle(again, attempt: 1)
        _ = try await handler.handle(try await test.command(file.id, queue: FileQueues.retry), attempt: 1)
        #expect(try await test.history(routing).suffix(3) == [.fileInvalid, .fileInvalid, .storageCommitFailed])
        // Operators hear of it once, and the uploader at the end.
        #expect(try await test.alerts().map(\.type) == ["file.invalid", "file.storageCommitFailed"])
        #expect(try await test.alerts()[1].title == "김철수: please upload A.nc again")
        #expect(try await test.messages(FileIngestCommand.self, to: FileQueues.retry).count == 2)
        #expect(test.names(below: "store").isEmpty)
        #expect(try await test.store.audits(of: file.id).map(\.verdict) == [.mismatch, .mismatch, .mismatch])
    }

    @Test func partsThatAreGoneAreAskedForAgainAndNothingElse() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let bytes = pattern(2 * chunk + 10)
        let file = try await test.upload("A.nc", bytes, routing: routing)
        // Chunk 1 is gone from the disk: the file is written anew without it.
        let path = test.root.appendingPathComponent("store/" + StagingArea.path(of: file.id)).path
        try FileManager.default.removeItem(atPath: path)
        let hollow = try StagingArea(test.folder).make(file.id, bytes: Int64(bytes.count))
        for range in [0..<chunk, (2 * chunk)..<bytes.count] {
            try Array(bytes[range]).withUnsafeBytes { try hollow.write($0, at: Int64(range.lowerBound)) }
        }
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("parts are missing"))
        let asked = try #require(try await test.messages(MissingPartsCommand.self, to: FileQueues.missing).last)
        #expect(asked.parts.map(\.index) == [1])
        #expect(asked.parts[0].offset == Int64(chunk) && asked.parts[0].size == Int64(chunk))
        #expect(asked.parts[0].hash == (try sha256(Array(bytes[chunk..<(2 * chunk)]))))
        let upload = try await test.store.upload(idOrToken: asked.resumeToken)
        #expect(!upload.isComplete)
        #expect(try await test.store.file(file.id).status == .uploading)
        try await test.send(bytes, part: 1, of: file.id)
        try await eventually { try await test.store.file(file.id).status == .staged }
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(try await test.store.file(file.id).sha256 == (try sha256(bytes)))
    }

    @Test func aStrangersCommandIsRefused() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let good = try await test.command(file.id)
        func refused(_ change: (inout FileIngestCommand) -> Void) async throws -> Bool {
            var command = good
            change(&command)
            if case .refused = try await test.handler().handle(command, attempt: 1) { return true }
            return false
        }
        #expect(try await refused { $0.resumeToken = "guessed" })
        #expect(try await refused { $0.routingId = "other" })
        #expect(try await refused { $0.casHash = String(repeating: "a", count: 64) })
        #expect(try await refused { $0.uploadSessionId = "../../etc" })
        #expect(try await test.store.file(file.id).status == .staged)
    }

    /// Another program writes the same JSON, with less and with more in it.
    @Test func commandsOfOtherProgramsAreUnderstood() throws {
        let text = """
            {"casHash":"\(String(repeating: "a", count: 64))","chunks":[{"index":0,"size":3,"hash":"\(String(repeating: "b", count: 64))","etag":null}],
             "resumeToken":"t","logicalPath":"a/b","routingId":"r","revision":1,"size":3,"uploadSessionId":"u","somethingNew":{"x":1}}
            """
        let command = try MCMSJSON.decode(FileIngestCommand.self, from: text.utf8)
        #expect(command.chunks.count == 1 && command.retryCount == nil && command.uploader == nil)
    }

    // MARK: Scanning

    @Test func whatIsInfectedIsQuarantinedAndNowhereElse() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let file = try await test.upload("A.nc", [1, 2, 3], routing: routing)
        let scanner = FakeScanner(.success(ScanFinding(.infected, detail: "Eicar-Test-Signature", engine: "fake 1", scannedBytes: 3)))
        #expect(try await test.handler(.by(scanner)).handle(try await test.command(file.id), attempt: 1) == .done("quarantined"))
        let now = try await test.store.file(file.id)
        #expect(now.status == .quarantined && now.reason == "infected: Eicar-Test-Signature")
        #expect(now.verdict?.outcome == .infected)
        #expect(try await test.history(routing).last == .fileQuarantined)
        #expect(try await test.alerts().map(\.severity) == [.error])
        #expect(test.names(below: "store") == ["staging/\(file.id)/payload"])
        #expect(test.names(below: "share").isEmpty)
        // An operator lets it pass, and says why.
        await #expect(throws: MCMSError.self) { _ = try await test.store.release(file.id, reason: " ", by: test.caller) }
        _ = try await test.store.release(file.id, reason: "a false alarm", by: test.caller)
        #expect(try await test.handler(.by(scanner)).handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        let audit = try #require(try await test.store.audits(of: file.id).last)
        #expect(audit.scan?.outcome == .released && audit.scan?.detail?.contains("a false alarm") == true)
    }

    @Test func aScannerThatIsNotThereIsWaitedFor() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let scanner = FakeScanner(.failure(.unreachable("connection refused")))
        let handler = test.handler(.by(scanner), alertAfter: 0)
        for attempt in 1...5 {
            guard case .postpone = try await handler.handle(try await test.command(file.id), attempt: attempt) else { return #expect(Bool(false)) }
        }
        #expect(try await test.store.file(file.id).status == .scanning)
        #expect(try await test.alerts().map(\.type) == ["file.scannerUnreachable"])
        scanner.answer.withLock { $0 = .success(ScanFinding(.clean, engine: "fake", scannedBytes: 3)) }
        #expect(try await handler.handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(try await test.store.file(file.id).verdict?.scannedBytes == 3)
    }

    @Test func aScannerThatFailsIsAskedAgainThenTheFileIsKeptAway() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let scanner = FakeScanner(.failure(.failed("status 500")))
        let handler = test.handler(.by(scanner))
        #expect(try await handler.handle(try await test.command(file.id), attempt: 1) == .retry(reason: "the scanner failed: status 500"))
        #expect(try await handler.handle(try await test.command(file.id), attempt: 2) == .done("quarantined"))
        #expect(try await test.store.file(file.id).reason == "scan-failed: status 500")
        scanner.answer.withLock { $0 = .success(ScanFinding(.clean, scannedBytes: 3)) }
        _ = try await test.store.rescan(file.id, by: test.caller)
        #expect(try await handler.handle(try await test.command(file.id), attempt: 1) == .done("committed"))
    }

    @Test func withoutAScannerFilesWaitAndSayWhy() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        guard case .postpone = try await test.handler(.undecided).handle(try await test.command(file.id), attempt: 1) else { return #expect(Bool(false)) }
        let now = try await test.store.file(file.id)
        #expect(now.status == .staged && now.reason?.contains("scanner:") == true)
    }

    // MARK: Dead messages

    @Test func anIngestWhoseMessageDiesAsksForTheFileAgain() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let file = try await test.upload("A.nc", [1, 2, 3], routing: routing)
        let body = try await test.mcms.database.read { db in
            try #require(try db.value("SELECT payload FROM outbox WHERE destination = $1", [FileQueues.ingest], as: [UInt8].self))
        }
        let dead = try MCMSJSON.decode(
            DeadMessage.self,
            from: #"{"queue":"file-ingest","messageId":"0000000000000001","ending":"dead","diedAt":"2026-01-01T00:00:00.000Z","reason":"attemptsExhausted","attempts":5,"deadLetterQueue":"file-ingest.dead"}"#.utf8)
        #expect(try await test.handler().died(dead, .init(body: body, correlationID: nil)))
        #expect(try await test.store.file(file.id).status == .invalid)
        #expect(try await test.history(routing).last == .storageCommitFailed)
        #expect(try await test.alerts().map(\.type) == ["file.storageCommitFailed"])
        #expect(test.names(below: "store").isEmpty)
        // Told a second time, it does nothing.
        _ = try await test.handler().died(dead, .init(body: body, correlationID: nil))
        #expect(try await test.alerts().count == 1)
    }
}
