import Foundation
import SpindleDisk
import SpindleLog
import Testing

@Suite("Log on real files")
struct DiskLogStorageTests {
    @Test func aLogIsCreatedClosedAndOpenedAgain() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/deep/down"
        var places: [AppendedEntry] = []
        do {
            var log = try DiskLog(DiskLogStorage(path: path))
            #expect(log.recovered.isNew)
            for _ in 0..<10 { places.append(try log.append(count: 1000)) }
            try log.commit()
        }
        let log = try DiskLog(DiskLogStorage(path: path))
        #expect(!log.recovered.isNew)
        #expect(log.next == 10)
        #expect(log.recovered.tail == .clean)
        let reader = log.recovered.makeReader(storage: log.storage)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1000, alignment: 8)
        defer { buffer.deallocate() }
        for (number, place) in places.enumerated() {
            try reader.read(address: place.payloadAddress, into: buffer)
            #expect(buffer.load(as: UInt64.self) == UInt64(number))
            #expect(buffer[8...].allSatisfy { $0 == 0x5A })
        }
    }

    @Test func theFilesAreNotForOthers() throws {
        let directory = try TemporaryDirectory()
        let log = try DiskLog(DiskLogStorage(path: directory.path + "/log"))
        #expect(log.next == 0)
        let manager = FileManager.default
        let mode = { (path: String) in try manager.attributesOfItem(atPath: path)[.posixPermissions] as? Int }
        #expect(try mode(directory.path + "/log") == 0o700)
        for name in try manager.contentsOfDirectory(atPath: directory.path + "/log") {
            #expect(try mode(directory.path + "/log/" + name) == 0o600, "\(name)")
        }
    }

    @Test func aDirectoryHasOneOwner() throws {
        let directory = try TemporaryDirectory()
        do {
            let owner = try DiskLogStorage(path: directory.path)
            for access in [DiskLogStorage.Access.owner, .readOnly] {
                let error = #expect(throws: LogStorageError.self) { try DiskLogStorage(path: directory.path, access: access) }
                #expect(error?.operation == .lock)
                #expect(error?.reason.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
            }
            #expect(try owner.list().isEmpty)
        }
        _ = try DiskLogStorage(path: directory.path)
        _ = try DiskLogStorage(path: directory.path, access: .readOnly)
    }

    @Test func lookingChangesNothing() throws {
        let directory = try TemporaryDirectory()
        do {
            var log = try DiskLog(DiskLogStorage(path: directory.path))
            _ = try log.append(count: 100)
            try log.commit()
        }
        let looking = try DiskLogStorage(path: directory.path, access: .readOnly)
        #expect(throws: LogStorageError.self) { try looking.create(.preparing) }
        #expect(throws: LogStorageError.self) { try looking.remove(.segment(1)) }
        #expect(throws: LogStorageError.self) { try looking.rename(.segment(1), to: .spent(1)) }
        let verification = try LogInspector(storage: looking).verify()
        #expect(verification.isHealthy)
        #expect(verification.segments.map(\.entries) == [1])
        // Several may look at once.
        _ = try DiskLogStorage(path: directory.path, access: .readOnly)
    }

    @Test func errorsNameFileOperationAndCause() throws {
        let directory = try TemporaryDirectory()
        let storage = try DiskLogStorage(path: directory.path)
        let missing = #expect(throws: LogStorageError.self) { try storage.sync(.segment(3)) }
        #expect(missing?.operation == .sync)
        #expect(missing?.errno == 2)
        #expect(missing?.path == directory.path + "/00000000000000000003.segment")
        try storage.create(.segment(3))
        let taken = #expect(throws: LogStorageError.self) { try storage.create(.segment(3)) }
        #expect(taken?.errno == 17)
        try storage.create(.segment(4))
        let inTheWay = #expect(throws: LogStorageError.self) { try storage.rename(.segment(3), to: .segment(4)) }
        #expect(inTheWay?.errno == 17)
        try Data().write(to: URL(fileURLWithPath: directory.path + "/file"))
        #expect(throws: LogStorageError.self) { try DiskLogStorage(path: directory.path + "/file") }
    }

    @Test func foreignFilesAreLeftAlone() throws {
        let directory = try TemporaryDirectory()
        let foreign = directory.path + "/notes.txt"
        try Data("hello".utf8).write(to: URL(fileURLWithPath: foreign))
        try FileManager.default.createDirectory(
            atPath: directory.path + "/00000000000000000009.segment", withIntermediateDirectories: false)
        let log = try DiskLog(DiskLogStorage(path: directory.path))
        #expect(log.recovered.isNew)
        #expect(try Data(contentsOf: URL(fileURLWithPath: foreign)) == Data("hello".utf8))
    }

    @Test func readsAndWritesAtAnyOffset() throws {
        let directory = try TemporaryDirectory()
        let storage = try DiskLogStorage(path: directory.path)
        try storage.create(.segment(1))
        let text = Array("spindle".utf8)
        try text.withUnsafeBytes { try storage.write(.segment(1), at: 5000, $0) }
        try storage.sync(.segment(1))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
        defer { buffer.deallocate() }
        #expect(try storage.read(.segment(1), at: 4998, into: buffer) == 9)
        #expect(Array(buffer[..<9]) == [0, 0] + text)
        #expect(try storage.read(.segment(1), at: 9000, into: buffer) == 0)
        #expect(try storage.list() == [LogFile(name: .segment(1), size: 5007)])
    }

    @Test func aWriteThatTheDiskCutsShortIsContinuedAndThenReported() throws {
        let directory = try TemporaryDirectory()
        guard let small = try SmallFileSystem(at: directory.path + "/mnt", kilobytes: 256) else {
            print("skipped: mounting a tmpfs is not permitted here, so a write cut short was not tried")
            return
        }
        let storage = try DiskLogStorage(path: small.path)
        try storage.create(.preparing)
        let bytes = [UInt8](repeating: 9, count: 1 << 20)
        let error = #expect(throws: LogStorageError.self) {
            try bytes.withUnsafeBytes { try storage.write(.preparing, at: 0, $0) }
        }
        #expect(error?.isNoSpace == true)
        let written = try #require(try storage.list().first).size
        #expect(written > 100 << 10 && written < 256 << 10)
        let hint = #expect(throws: LogStorageError.self) { try storage.reserve(.preparing, byteCount: 1 << 20) }
        #expect(hint?.isNoSpace == true)
        #expect(try storage.freeBytes() < 64 << 10)
    }

    @Test func manyFilesStayReadableWithFewOpen() throws {
        let directory = try TemporaryDirectory()
        let storage = try DiskLogStorage(path: directory.path)
        let count = 300 as UInt64
        for number in 1...count {
            try storage.create(.segment(number))
            try withUnsafeBytes(of: number) { try storage.write(.segment(number), at: 0, $0) }
            try storage.sync(.segment(number))
        }
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        #expect(open < 250)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
        defer { buffer.deallocate() }
        for number in 1...count {
            #expect(try storage.read(.segment(number), at: 0, into: buffer) == 8)
            #expect(buffer.load(as: UInt64.self) == number)
        }
    }

    @Test func checkpointsAndReclaimingOnFiles() throws {
        let directory = try TemporaryDirectory()
        do {
            var log = try DiskLog(DiskLogStorage(path: directory.path))
            var preparer = log.recovered.makePreparer(storage: log.storage)
            for round in 0..<60 {
                while preparer.preparedThrough < log.appender.currentSegment + 2 {
                    guard case .prepared(let through) = try preparer.prepareNext() else { break }
                    log.appender.notePrepared(through: through, diskFull: false)
                }
                _ = try log.append(count: 20_000)
                try log.commit()
                if round % 10 == 9 {
                    try log.checkpoint()
                    _ = try log.recovered.makeReclaimer(storage: log.storage).reclaim(oldestLive: log.appender.durable)
                }
            }
            #expect(try log.storage.list().count < 20)
        }
        let log = try DiskLog(DiskLogStorage(path: directory.path))
        #expect(log.next == 60)
        #expect(log.recovered.replayedEntries == 0)
        #expect(log.recovered.first.rawValue > 10 * 65536)
    }
}
