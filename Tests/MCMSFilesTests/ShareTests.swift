import ContentStore
import Foundation
import Glibc
import MCMS
import MCMSFiles
import Testing

/// What a share does that a plain folder does not.
@Suite struct ShareTests {
    /// A file that is mounted on itself cannot be replaced: EBUSY, as for a file that ESPRIT has open on a Windows share.
    private final class HeldFile {
        private let path: String

        init?(_ path: String) {
            self.path = path
            guard mount(path, path, nil, UInt(MS_BIND), nil) == 0 else { return nil }
        }

        func release() { umount2(path, Int32(MNT_DETACH)) }
        deinit { release() }
    }

    private static let canHold: Bool = {
        let path = FileManager.default.temporaryDirectory.path + "/spindle-held-\(UUID().uuidString)"
        defer { unlink(path) }
        return FileManager.default.createFile(atPath: path, contents: nil) && HeldFile(path) != nil
    }()

    @Test(.enabled(if: canHold, "holding a file needs root, to mount it"))
    func aTargetThatIsHeldOpenIsWaitedForAndNoFaultOfTheFile() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let first = try await test.upload("A.nc", [1, 2, 3], routing: routing)
        #expect(try await test.handler().handle(try await test.command(first.id), attempt: 1) == .done("committed"))
        let place = test.share.path + "/\(routing)/A.nc"
        let held = try #require(HeldFile(place))
        let second = try await test.upload("A.nc", [4, 5], routing: routing)
        // As often as it takes: also after the last attempt that a fault of the file would have.
        for attempt in 1...8 {
            guard case .postpone(let why) = try await test.handler().handle(try await test.command(second.id), attempt: attempt) else {
                return #expect(Bool(false), "attempt \(attempt)")
            }
            #expect(why.contains("the share does not take the file now"), "\(why)")
        }
        let waiting = try await test.store.file(second.id)
        #expect(waiting.status == .ingesting && waiting.reason?.contains("busy") == true, "\(waiting)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: place)) == Data([1, 2, 3]))
        held.release()
        #expect(try await test.handler().handle(try await test.command(second.id), attempt: 9) == .done("committed"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: place)) == Data([4, 5]))
        #expect(test.names(below: "share") == ["\(routing)/A.nc"])
    }

    @Test func bytesThatLieThereAreNotWrittenAgain() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        let place = test.share.appendingPathComponent("x/A.nc")
        try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data([1, 2, 3]).write(to: place)
        let past = Date(timeIntervalSince1970: 1_000_000_000)
        try FileManager.default.setAttributes([.modificationDate: past], ofItemAtPath: place.path)
        let file = try await test.upload("A.nc", [1, 2, 3], routing: routing, path: "x/A.nc")
        #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        #expect(try FileManager.default.attributesOfItem(atPath: place.path)[.modificationDate] as? Date == past)
        #expect(try await test.store.file(file.id).sharePath == "x/A.nc")
    }

    /// Windows takes both for one name; a share on Linux would keep both, and Windows would show one of them.
    @Test func anotherSpellingTakesThePlaceOfTheFirst() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let routing = try await test.routing()
        for (name, bytes) in [("é A.nc", [UInt8(1)]), ("e\u{301} a.NC", [UInt8(2)])] {
            let file = try await test.upload(name, bytes, routing: routing)
            #expect(try await test.handler().handle(try await test.command(file.id), attempt: 1) == .done("committed"))
        }
        #expect(test.names(below: "share") == ["\(routing)/é A.nc"])
        #expect(try Data(contentsOf: test.share.appendingPathComponent("\(routing)/é A.nc")) == Data([2]))
    }
}
