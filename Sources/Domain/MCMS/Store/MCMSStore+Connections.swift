internal import Foundation
internal import SQLStore
package import SpindleText

/// A key that signs connection tokens.
package struct ConnectionKey: Sendable {
    package let id: String
    package let secret: [UInt8]
    let createdAt: Timestamp

    init(_ row: SQLRow) throws {
        id = try row.value("id")
        secret = try row.value("secret")
        createdAt = try row.value("createdAt")
    }
}

/// Connection tokens are signed by keys in the database, and each is marked there when it is used: so every web server of an installation
/// knows those of the others, and none is good twice.
extension MCMSStore {
    /// A key signs for a day.
    package static let connectionKeyMilliseconds: Int64 = 24 * 3_600_000
    /// It is known for another hour, far longer than what it signed last.
    package static let connectionKeyGraceMilliseconds: Int64 = 3_600_000
    private static let connectionKeyBytes = 32
    /// Marks that one use deletes: more than it adds, so that they don't pile up between the hours.
    private static let connectionMarksForgottenMax = 16

    /// The keys whose tokens may still be good, newest first.
    package func connectionKeys() async throws -> [ConnectionKey] {
        let now = clock()
        return try await database.read { try Self.connectionKeys($0, now: now) }
    }

    /// The key that signs now; a new one is made where the newest has signed for long enough.
    package func signingKey() async throws -> ConnectionKey {
        let now = clock()
        if let key = try await database.read({ try Self.signingKey($0, now: now) }) { return key }
        return try await database.write { db in
            // Another server may have made it meanwhile.
            if let key = try Self.signingKey(db, now: now) { return key }
            var random = SystemRandomNumberGenerator()
            let secret = (0..<Self.connectionKeyBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            try db.execute(
                "INSERT INTO connectionKey (id, secret, createdAt) VALUES ($1, $2, $3)", [UUID().uuidString.lowercased(), secret, now])
            guard let key = try Self.signingKey(db, now: now) else { throw MissingKey() }
            return key
        }
    }

    private struct MissingKey: Error {}

    private static func connectionKeys(_ db: any SQLConnection, now: Timestamp) throws -> [ConnectionKey] {
        let oldest = now.adding(milliseconds: -connectionKeyMilliseconds - connectionKeyGraceMilliseconds)
        return try db.rows("SELECT * FROM connectionKey WHERE createdAt > $1 ORDER BY createdAt DESC, id", [oldest]).map(ConnectionKey.init)
    }

    private static func signingKey(_ db: any SQLConnection, now: Timestamp) throws -> ConnectionKey? {
        let oldest = now.adding(milliseconds: -connectionKeyMilliseconds)
        return try connectionKeys(db, now: now).first { $0.createdAt > oldest }
    }

    /// Marks a connection token as used. Returns whether it was not used before.
    package func useConnectionToken(_ id: String, until expiresAt: Timestamp) async throws -> Bool {
        let now = clock()
        return try await database.write { db in
            try db.execute(
                """
                DELETE FROM usedConnectionToken WHERE id IN
                    (SELECT id FROM usedConnectionToken WHERE expiresAt <= $1 ORDER BY expiresAt LIMIT $2)
                """,
                [now, Self.connectionMarksForgottenMax])
            return try db.execute(
                "INSERT INTO usedConnectionToken (id, expiresAt) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", [id, expiresAt]) == 1
        }
    }

    /// Deletes keys and marks that nothing can refer to any more.
    static func forgetConnections(_ db: any SQLConnection, now: Timestamp) throws {
        try db.execute("DELETE FROM usedConnectionToken WHERE expiresAt <= $1", [now])
        let oldest = now.adding(milliseconds: -connectionKeyMilliseconds - connectionKeyGraceMilliseconds)
        try db.execute("DELETE FROM connectionKey WHERE createdAt <= $1", [oldest])
    }
}
