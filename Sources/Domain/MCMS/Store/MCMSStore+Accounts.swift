internal import SQLStore
package import SpindleText

extension Account {
    init(_ row: SQLRow) throws {
        self.init(
            name: try row.value("name"), displayName: try row.value("displayName"), role: try row.value("role"),
            isDisabled: try row.value("isDisabled"), createdAt: try row.value("createdAt"), changedAt: try row.value("changedAt"),
            lastSignInAt: try row.optional("lastSignInAt"))
    }

    static func find(_ db: any SQLConnection, _ name: String) throws -> Account? {
        try db.row("SELECT * FROM account WHERE name = $1", [name]).map(Account.init)
    }
}

/// What lets a person in.
package struct AccountCredential: Sendable {
    package let account: Account
    package let passwordHash: PasswordHash
    /// Changes with everything that ends the account's sessions.
    package let stamp: [UInt8]
}

/// A session that is begun by a password.
package struct PasswordSession: Sendable {
    package let digest: [UInt8]
    package let lifetimeMilliseconds: Int64

    package init(digest: [UInt8], lifetimeMilliseconds: Int64) {
        self.digest = digest
        self.lifetimeMilliseconds = lifetimeMilliseconds
    }
}

extension MCMSStore {
    package static let accountsMax = 10_000
    private static let stampBytes = 16

    /// Whether anybody has an account: then the trial has ended.
    package func hasAccounts() async throws -> Bool {
        try await database.read { try $0.exists("SELECT 1 FROM account") }
    }

    /// Every account, by name.
    package func accounts() async throws -> [Account] {
        try await database.read { db in
            try db.rows("SELECT * FROM account ORDER BY name LIMIT $1", [Self.accountsMax]).map(Account.init)
        }
    }

    package func account(named name: String) async throws -> Account {
        let key = AccountRules.nameIfValid(name) ?? name
        return try await database.read { db in
            guard let account = try Account.find(db, key) else { throw MCMSError.notFound(.account, id: name) }
            return account
        }
    }

    /// Returns nil if there is no such account, or its hash cannot be read.
    package func credential(of name: String) async throws -> AccountCredential? {
        try await database.read { db in
            guard let row = try db.row("SELECT * FROM account WHERE name = $1", [name]), let hash = PasswordHash(try row.value("passwordHash")) else {
                return nil
            }
            return AccountCredential(account: try Account(row), passwordHash: hash, stamp: try row.value("stamp"))
        }
    }

    /// Returns the account of a session; nil if the session ended because the account was disabled or its password changed.
    package func account(of session: WebSession) async throws -> Account? {
        guard session.principal.hasPrefix(Account.principalPrefix) else { return nil }
        let name = String(session.principal.dropFirst(Account.principalPrefix.count))
        return try await database.read { db in
            try db.row("SELECT * FROM account WHERE name = $1 AND stamp = $2 AND isDisabled = 0", [name, session.credential]).map(Account.init)
        }
    }

    package func createAccount(_ new: NewAccount, by caller: Caller) async throws -> Account {
        try await transaction(by: caller) { try Self.insert(new, $0) }
    }

    private static func insert(_ new: NewAccount, _ transaction: MCMSTransaction) throws -> Account {
        let db = transaction.db
        if try Account.find(db, new.name) != nil { throw MCMSError.nameTaken(new.name) }
        let count = try db.value("SELECT count(*) FROM account", as: Int.self) ?? 0
        guard count < accountsMax else { throw MCMSError.invalid(field: "name", problem: "would be account \(count + 1); there are at most \(accountsMax)") }
        try db.execute(
            """
            INSERT INTO account (name, displayName, role, passwordHash, stamp, createdAt, changedAt) VALUES ($1, $2, $3, $4, $5, $6, $6)
            """,
            [new.name, new.displayName, new.role, new.passwordHash.text, random(), transaction.now])
        try transaction.audit(AuditAction.accountCreated.rawValue, subject: new.name, detail: "role \(new.role.rawValue)")
        guard let account = try Account.find(db, new.name) else { throw MCMSError.notFound(.account, id: new.name) }
        return account
    }

    /// Changes an account. A new password ends its sessions, being disabled too; a new role holds from the next request.
    package func changeAccount(_ name: String, _ change: AccountChange, by caller: Caller) async throws -> Account {
        let key = AccountRules.nameIfValid(name) ?? name
        let displayName = try change.displayName.map { text throws(MCMSError) in try AccountRules.displayName(text) }
        return try await transaction(by: caller) { transaction in
            let db = transaction.db
            guard let old = try Account.find(db, key), var stamp = try db.value("SELECT stamp FROM account WHERE name = $1", [key], as: [UInt8].self) else {
                throw MCMSError.notFound(.account, id: name)
            }
            var told: [String] = []
            if let role = change.role, role != old.role { told.append("role \(old.role.rawValue) → \(role.rawValue)") }
            if let displayName, displayName != old.displayName { told.append("display name \(old.displayName) → \(displayName)") }
            if let isDisabled = change.isDisabled, isDisabled != old.isDisabled { told.append(isDisabled ? "disabled" : "enabled") }
            if change.passwordHash != nil { told.append("new password") }
            if change.passwordHash != nil || change.isDisabled == true {
                stamp = Self.random()
                try db.execute(
                    "DELETE FROM webSession WHERE principal = $1 AND digest <> $2", [old.principal, change.keptSession ?? []])
                if let kept = change.keptSession { try db.execute("UPDATE webSession SET credential = $2 WHERE digest = $1", [kept, stamp]) }
            }
            try db.execute(
                "UPDATE account SET role = $2, displayName = $3, isDisabled = $4, stamp = $5, changedAt = $6 WHERE name = $1",
                [key, change.role ?? old.role, displayName ?? old.displayName, change.isDisabled ?? old.isDisabled, stamp, transaction.now])
            if let hash = change.passwordHash { try db.execute("UPDATE account SET passwordHash = $2 WHERE name = $1", [key, hash.text]) }
            let hadAdministrator = old.role == .admin && !old.isDisabled
            if hadAdministrator, try !db.exists("SELECT 1 FROM account WHERE role = $1 AND isDisabled = 0", [AccountRole.admin]) {
                throw MCMSError.lastAdministrator(key)
            }
            if !told.isEmpty { try transaction.audit(AuditAction.accountChanged.rawValue, subject: key, detail: told.joined(separator: ", ")) }
            guard let account = try Account.find(db, key) else { throw MCMSError.notFound(.account, id: name) }
            return account
        }
    }

    /// Begins a session of somebody whose password was right, unless what lets the person in changed meanwhile. Returns nil then.
    package func beginSession(_ session: PasswordSession, of credential: AccountCredential, ending old: [UInt8]?, by caller: Caller) async throws -> Account? {
        try await transaction(by: caller) { transaction in
            let db = transaction.db
            let name = credential.account.name
            let count = try db.execute(
                "UPDATE account SET lastSignInAt = $3 WHERE name = $1 AND stamp = $2 AND isDisabled = 0", [name, credential.stamp, transaction.now])
            guard count == 1, let account = try Account.find(db, name) else { return nil }
            if let old { try db.execute("DELETE FROM webSession WHERE digest = $1", [old]) }
            try Self.insertSession(
                db, digest: session.digest, principal: account.principal, credential: credential.stamp, isVisitor: false, now: transaction.now,
                lifetimeMilliseconds: session.lifetimeMilliseconds)
            try transaction.audit(AuditAction.signedIn.rawValue, subject: name)
            return account
        }
    }

    /// A number that rises with every change of who may do what, for processes that must notice those of others.
    package func peopleVersion() async throws -> Int64 {
        try await database.read { db in
            try [AuditAction.accountCreated, .accountChanged, .signedOutEverywhere].map { action in
                try db.value("SELECT id FROM auditLog WHERE action = $1 ORDER BY id DESC LIMIT 1", [action.rawValue], as: Int64.self) ?? 0
            }.max() ?? 0
        }
    }

    // MARK: Links

    package static let linkMilliseconds: Int64 = 24 * 3_600_000

    /// Remembers a link by which somebody makes an account, once.
    /// - Parameter isFirst: it is for the first account, worth nothing once there is one, and the only one of its kind.
    package func createLink(digest: [UInt8], role: AccountRole, isFirst: Bool, by caller: Caller) async throws -> Timestamp {
        try await transaction(by: caller) { transaction in
            let expires = transaction.now.adding(milliseconds: Self.linkMilliseconds)
            if isFirst { try transaction.db.execute("DELETE FROM accountLink WHERE isFirst = 1") }
            try transaction.db.execute(
                "INSERT INTO accountLink (digest, role, isFirst, createdAt, expiresAt) VALUES ($1, $2, $3, $4, $5)",
                [digest, role, isFirst, transaction.now, expires])
            try transaction.audit(AuditAction.linkMade.rawValue, detail: "role \(role.rawValue)\(isFirst ? ", for the first account" : "")")
            return expires
        }
    }

    /// Returns the role that a link gives.
    /// - Throws: ``MCMSError/linkUnusable``.
    package func role(ofLink digest: [UInt8]) async throws -> AccountRole {
        let now = clock()
        return try await database.read { try Self.role(ofLink: digest, $0, now: now) }
    }

    private static func role(ofLink digest: [UInt8], _ db: any SQLConnection, now: Timestamp) throws -> AccountRole {
        let row = try db.row("SELECT * FROM accountLink WHERE digest = $1 AND expiresAt > $2", [digest, now])
        guard let row, try !(row.value("isFirst", as: Bool.self) && db.exists("SELECT 1 FROM account")) else { throw MCMSError.linkUnusable }
        return try row.value("role")
    }

    /// Makes the account of a link. The link is used up, unless the account cannot be made.
    package func createAccount(_ new: NewAccount, usingLink digest: [UInt8], by caller: Caller) async throws -> Account {
        try await transaction(by: caller) { transaction in
            let role = try Self.role(ofLink: digest, transaction.db, now: transaction.now)
            guard role == new.role else { throw MCMSError.linkUnusable }
            try transaction.db.execute("DELETE FROM accountLink WHERE digest = $1", [digest])
            return try Self.insert(new, transaction)
        }
    }

    /// Ends what was given to an account and is in no session: connection tokens that a server got in its name.
    static func renewStamp(of principal: String, _ db: any SQLConnection) throws {
        guard principal.hasPrefix(Account.principalPrefix) else { return }
        let name = String(principal.dropFirst(Account.principalPrefix.count))
        try db.execute("UPDATE account SET stamp = $2 WHERE name = $1", [name, random()])
    }

    private static func random() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<stampBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }
}
