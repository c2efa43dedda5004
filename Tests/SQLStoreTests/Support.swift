import Foundation
import SQLStore

/// A database file in a folder of its own.
struct TemporaryFile {
    let folder: URL
    var path: String { folder.appendingPathComponent("app.sqlite").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("sql-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func open(_ migrations: SQLMigrations = items) throws -> SQLiteDatabase { try SQLiteDatabase.open(path: path, migrations: migrations) }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// Two tables, with a rule of each kind.
    static var items: SQLMigrations {
        var migrations = SQLMigrations()
        migrations.add("test.1") { db in
            try db.execute(
                """
                CREATE TABLE item (
                    id INTEGER NOT NULL PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    size INTEGER CHECK (size >= 0),
                    parent INTEGER REFERENCES item (id)
                );
                CREATE TABLE event (item INTEGER);
                CREATE TRIGGER itemAdded AFTER INSERT ON item BEGIN INSERT INTO event (item) VALUES (NEW.id); END;
                CREATE TRIGGER eventKept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are kept'); END;
                """)
        }
        return migrations
    }
}

extension SQLDatabase {
    func names() async throws -> [String] { try await read { try $0.values("SELECT name FROM item ORDER BY id") } }
}
