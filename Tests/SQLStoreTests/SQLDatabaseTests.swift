import Foundation
import SQLStore
import Synchronization
import Testing

@Suite struct SQLDatabaseTests {
    struct Crash: Error {}

    private static func add(_ id: Int, _ name: String) -> @Sendable (any SQLConnection) throws -> Void {
        { try $0.execute("INSERT INTO item (id, name) VALUES ($1, $2)", [id, name]) }
    }

    @Test func aThrowUndoesTheWholeTransaction() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        try await database.write(Self.add(1, "kept"))
        await #expect(throws: Crash.self) {
            try await database.write { db in
                try Self.add(2, "lost")(db)
                throw Crash()
            }
        }
        #expect(try await database.names() == ["kept"])
    }

    /// Another connection commits between two statements of one read.
    @Test func aReadSeesOneSnapshot() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        let other = try file.open()
        try await database.write(Self.add(1, "before"))
        let begun = AsyncStream<Void>.makeStream()
        let committed = DispatchSemaphore(value: 0)
        async let seen = database.read { db in
            let before = try db.values("SELECT name FROM item", as: String.self)
            begun.continuation.yield()
            committed.wait()
            return (before, try db.values("SELECT name FROM item", as: String.self))
        }
        _ = await begun.stream.first { _ in true }
        try await other.write(Self.add(2, "meanwhile"))
        committed.signal()
        let (first, second) = try await seen
        #expect(first == ["before"])
        #expect(second == ["before"])
        #expect(try await database.names() == ["before", "meanwhile"])
    }

    @Test func aReadWritesNothing() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        await #expect(throws: SQLError.self) { try await database.read(Self.add(1, "a")) }
        #expect(try await database.names() == [])
    }

    @Test func aCancelledTaskWritesNothing() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        await #expect(throws: CancellationError.self) {
            try await Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await database.write(Self.add(1, "a"))
            }.value
        }
        #expect(try await database.names() == [])
    }

    @Test func aDatabaseThatIsBusyOrFullIsTemporary() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        let other = try file.open()
        // Of this connection alone: the test need not wait as long as a program does.
        try await database.write { _ = try $0.rows("PRAGMA busy_timeout = 1") }
        let begun = AsyncStream<Void>.makeStream()
        let release = DispatchSemaphore(value: 0)
        async let holder: Void = other.write { _ in
            begun.continuation.yield()
            release.wait()
        }
        _ = await begun.stream.first { _ in true }
        let busy = await #expect(throws: SQLError.self) { try await database.write(Self.add(1, "a")) }
        release.signal()
        try await holder
        let full = await #expect(throws: SQLError.self) {
            try await database.write { db in
                _ = try db.rows("PRAGMA max_page_count = 1")
                for id in 1...100 { try Self.add(id, String(repeating: "\(id)", count: 1_000))(db) }
            }
        }
        guard case .busy = busy, case .full = full else {
            Issue.record("not busy and full: \(String(describing: busy)), \(String(describing: full))")
            return
        }
        #expect(busy?.isTemporary == true)
        #expect(full?.isTemporary == true)
        #expect(try await database.names() == [])
    }

    @Test func commitsAreToldUntilTheObservationIsCancelled() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        let count = Mutex(0)
        let observation = try await database.observe(table: "item") { count.withLock { $0 += 1 } }
        try await database.write { _ = try $0.execute("DELETE FROM item WHERE id = 7") }
        try await database.write(Self.add(1, "a"))
        await #expect(throws: Crash.self) {
            try await database.write { db in
                try Self.add(2, "b")(db)
                throw Crash()
            }
        }
        try await database.write { _ = try $0.execute("INSERT INTO event (item) VALUES (1)") }
        #expect(count.withLock { $0 } == 1, "neither what was undone, nor other tables")
        observation.cancel()
        try await database.write(Self.add(3, "c"))
        #expect(count.withLock { $0 } == 1)
    }

    // MARK: Opening

    @Test func stepsAreAppliedOnceInTheirOrder() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        var migrations = TemporaryFile.items
        migrations.add("test.2") { try Self.add(1, "second")($0) }
        try file.open(migrations).close()
        migrations.add("test.3") { try Self.add(2, "third")($0) }
        try file.open(migrations).close()
        #expect(try await file.open(migrations).names() == ["second", "third"])
    }

    @Test func aStepThatFailsIsUndoneAndTriedAgain() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        var broken = TemporaryFile.items
        broken.add("test.2") { db in
            try Self.add(1, "half")(db)
            try db.execute("INSERT INTO missing (id) VALUES (1)")
        }
        #expect(throws: SQLError.self) { try file.open(broken) }
        #expect(try await file.open().names() == [])
        var mended = TemporaryFile.items
        mended.add("test.2", Self.add(1, "whole"))
        #expect(try await file.open(mended).names() == ["whole"])
    }

    @Test func aFileOfANewerVersionIsRefused() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        var newer = TemporaryFile.items
        newer.add("test.99", Self.add(1, "a"))
        try file.open(newer).close()
        let error = #expect(throws: SQLiteDatabase.OpenError.self) { try file.open() }
        #expect(error?.description.contains("newer version") == true)
    }

    @Test func aFileThatIsNoDatabaseIsRefused() throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        try Data(repeating: 0x41, count: 10_000).write(to: URL(fileURLWithPath: file.path))
        #expect(throws: SQLError.self) { try file.open() }
    }

    @Test func aFolderThatIsMissingIsNamed() throws {
        let path = "/nonexistent/app.sqlite"
        let error = #expect(throws: SQLiteDatabase.OpenError.self) { try SQLiteDatabase.open(path: path, migrations: TemporaryFile.items) }
        #expect(error?.description.contains(path) == true)
    }

    @Test func commitsAreSyncedAndForeignKeysChecked() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let settings = try await file.open().write { db in
            try ["synchronous", "journal_mode", "foreign_keys"].map { try db.value("PRAGMA \($0)", as: SQLValue.self) }
        }
        #expect(settings == [.integer(2), .text("wal"), .integer(1)])
    }

    // MARK: Copies

    @Test func aBackupIsWholeAndItsOwnersAlone() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        try await database.write(Self.add(1, "a"))
        let path = file.folder.appendingPathComponent("copy.sqlite").path
        try database.backup(to: path)
        try await database.write(Self.add(2, "later"))
        for name in [file.path, file.path + "-wal", file.path + "-shm", path] {
            let mode = try FileManager.default.attributesOfItem(atPath: name)[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(name)")
        }
        #expect(try await SQLiteDatabase.open(path: path, migrations: TemporaryFile.items).names() == ["a"])
    }
}
