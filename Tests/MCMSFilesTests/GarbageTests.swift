import ContentStore
import Foundation
import MCMS
import MCMSFiles
import Testing

@Suite struct GarbageTests {
    private func commit(_ test: TestFiles, _ name: String, _ bytes: [UInt8], _ routing: String) async throws -> RoutingFile {
        let file = try await test.upload(name, bytes, routing: routing)
        while true {
            switch try await test.handler().handle(try await test.command(file.id), attempt: 1) {
            case .done: return try await test.store.file(file.id)
            case .retry, .busy: continue
            case .postpone(let reason), .refused(let reason): throw FileError.invalid(field: "ingest", problem: reason)
            }
        }
    }

    private func collector(_ test: TestFiles, grace: Int64 = 0) -> GarbageCollector {
        GarbageCollector(files: test.store, payloads: test.payloads, refs: RefFolder(test.folder), graceMilliseconds: grace)
    }

    @Test func aPayloadGoesWithItsLastReferenceAndAfterItsGrace() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let one = try await commit(test, "A.nc", [1, 2, 3], routing)
        let two = try await commit(test, "B.nc", [1, 2, 3], routing)
        let hash = try sha256([1, 2, 3])
        _ = try await test.store.delete(one.id, by: test.caller)
        #expect(try await collector(test).collect(hash) == .inUse)
        _ = try await test.store.delete(two.id, by: test.caller)
        // Until the refs have gone, the payload stays.
        guard case .notYet = try await collector(test).collect(hash) else { return #expect(Bool(false)) }
        for command in try await test.messages(CasGarbageCommand.self, to: FileQueues.garbage) where command.fileId == one.id {
            _ = try await collector(test).collect(command)
        }
        for command in try await test.messages(CasGarbageCommand.self, to: FileQueues.garbage) where command.fileId == two.id {
            guard case .notYet = try await collector(test, grace: 60_000).collect(command) else { return #expect(Bool(false)) }
        }
        guard case .notYet(let left) = try await collector(test, grace: 60_000).collect(hash) else { return #expect(Bool(false)) }
        #expect((1...60_000).contains(left))
        #expect(try await collector(test).collect(hash) == .removed)
        #expect(test.names(below: "store/cas").isEmpty)
        #expect(try await collector(test).collect(hash) == .unknown)
    }

    @Test func aDeletedFilesRefGoesAndThatOfANewOneStays() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let old = try await commit(test, "A.nc", [1, 2, 3], routing)
        _ = try await test.store.delete(old.id, by: test.caller)
        let command = try #require(try await test.messages(CasGarbageCommand.self, to: FileQueues.garbage).last)
        #expect(command.fileId == old.id)
        let new = try await test.upload("A.nc", [4, 5], routing: routing)
        #expect(try await collector(test).collect(command) == .removed)
        #expect(test.names(below: "store/refs").isEmpty)
        _ = try await test.handler().handle(try await test.command(new.id), attempt: 1)
        // The message comes once more.
        #expect(try await collector(test).collect(command) == .unknown)
        #expect(test.names(below: "store/refs") == ["\(routing)/0/A.nc.json", "\(routing)/0/A.nc.meta.json"])
        // What was deleted is no stranger's on the share.
        #expect(try await test.store.file(new.id).sharePath == new.logicalPath)
        _ = try await test.store.delete(new.id, by: test.caller)
        let last = try #require(try await test.messages(CasGarbageCommand.self, to: FileQueues.garbage).last)
        #expect(try await collector(test).collect(last) == .removed)
        #expect(test.names(below: "store/refs").isEmpty && test.names(below: "store/cas").isEmpty)
    }

    /// What an ingest left that died for good is found; what is young may be an ingest's that goes on.
    @Test func straysAreCollectedWhenTheyAreOld() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let address = try #require(ContentAddress(hash: try sha256([7])))
        try test.folder.makeFolder(address.folder)
        try test.folder.write(address.payload, [7])
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        #expect(try await collector(test, grace: 3_600_000).collectAll(isDry: false, now: now).strays == [])
        #expect(try await collector(test, grace: 3_600_000).collectAll(isDry: true, now: now + 7_200_000).strays == [address.hash])
        #expect(try await test.payloads.facts(of: address)?.bytes == 1)
        #expect(try await collector(test, grace: 3_600_000).collectAll(isDry: false, now: now + 7_200_000).strays == [address.hash])
        #expect(try await test.payloads.facts(of: address) == nil)
    }

    /// The last reference goes while the same bytes come in: what is referred to is there.
    @Test func deletingAndIngestingTheSameBytesLosesNothing() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let hash = try sha256([1, 2, 3])
        let address = try #require(ContentAddress(hash: hash))
        var before = try await commit(test, "A.nc", [1, 2, 3], routing)
        for round in 0..<60 {
            let last = before
            async let deleted: Void = {
                _ = try await test.store.delete(last.id, by: test.caller)
                for _ in 0..<3 { _ = try await collector(test).collect(hash) }
            }()
            async let committed = commit(test, "\(round).nc", [1, 2, 3], routing)
            before = try await committed
            try await deleted
            #expect(try await test.payloads.verify(address), "round \(round)")
            #expect(before.status == .committed)
        }
    }
}
