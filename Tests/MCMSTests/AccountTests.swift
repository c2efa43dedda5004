import Foundation
import HTTPTypes
import MCMS
import SQLStore
import Testing

/// Accounts as the store keeps them: names, passwords, links, and the audit.
@Suite struct AccountTests {
    @Test(arguments: [
        ("kim", "kim"), ("Kim", "kim"), ("kim ", "kim"), ("k.lee-2_x", "k.lee-2_x"), ("7a", "7a"), (String(repeating: "a", count: 64), String(repeating: "a", count: 64)),
        ("k", nil), ("", nil), ("김철수", nil), ("kim lee", nil), (".kim", nil), ("-kim", nil), ("kim/..", nil), ("kіm", nil), ("kim\u{200B}", nil),
        (String(repeating: "a", count: 65), nil), ("user:kim", nil), ("kim\n", nil),
    ] as [(String, String?)])
    func namesAreTypedTheSameEverywhere(text: String, name: String?) {
        #expect(AccountRules.nameIfValid(text) == name)
    }

    @Test(arguments: [
        ("correct horse", nil), ("비밀번호열글자입니다!", nil), ("short", "at least 10"), ("", "at least 10"), ("123456789", "at least 10"),
        ("1234567890", "count"), ("9876543210", "count"), ("abcdefghijkl", "count"), ("aaaaaaaaaaaa", "different"), ("abababababab", "different"),
        ("kim.chulsoo", "the name"), ("Kim.Chulsoo", "the name"), (String(repeating: "길다x1", count: 200), "at most 1024 bytes"),
    ] as [(String, String?)])
    func passwordsThatAreGuessedFirstAreRefusedInWords(password: String, problem: String?) throws {
        do {
            try AccountRules.check(Password(password), of: "kim.chulsoo")
            #expect(problem == nil)
        } catch {
            #expect(problem.map { error.description.contains($0) } == true, "\(error)")
            #expect(password.isEmpty || !error.description.contains(password) || problem == "count", "an error does not repeat the password")
        }
    }

    @Test func aPasswordNeverShowsItself() {
        let password = Password("correct horse")
        #expect("\(password)" == "(password)" && String(reflecting: password) == "(password)" && Array(Mirror(reflecting: password).children).isEmpty)
    }

    /// RFC 7914, section 12, and that what is stored says what it was made with.
    @Test func hashesAreMadeWithTheStandardCostAndASaltOfTheirOwn() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let hasher = PasswordHasher()
        for name in ["kim", "lee"] {
            _ = try await test.store.createAccount(
                try NewAccount(name: name, displayName: nil, role: .viewer, passwordHash: try await hasher.hash(Password("correct horse"))), by: test.caller())
        }
        let stored = try await test.store.database.read { try $0.values("SELECT passwordHash FROM account ORDER BY name", as: String.self) }
        #expect(stored.allSatisfy { $0.hasPrefix("scrypt$15$8$3$") && $0.split(separator: "$").map(\.count) == [6, 2, 1, 1, 32, 64] }, "\(stored)")
        #expect(stored[0] != stored[1], "the same password, and not the same hash")
        let credential = try #require(try await test.store.credential(of: "kim"))
        #expect(try await hasher.isMatch(Password("correct horse"), credential.passwordHash))
        #expect(try await !hasher.isMatch(Password("correct hors"), credential.passwordHash))
        #expect(try await !hasher.isMatch(Password(""), credential.passwordHash))
    }

    /// macOS composes Hangul otherwise than Windows: the same keys open the account on both.
    @Test func theFormOfUnicodeDoesNotMatter() async throws {
        let hasher = PasswordHasher(cost: TestAPI.cheap)
        let typed = "비밀번호 열 글자 이상"
        let hash = try await hasher.hash(Password(typed.precomposedStringWithCanonicalMapping))
        #expect(Array(typed.decomposedStringWithCanonicalMapping.utf8) != Array(typed.precomposedStringWithCanonicalMapping.utf8))
        #expect(try await hasher.isMatch(Password(typed.decomposedStringWithCanonicalMapping), hash))
    }

    @Test func aFloodOfPasswordsIsRefusedBeyondALine() async throws {
        let hasher = PasswordHasher(cost: .init(log2Rounds: 12, blockSize: 8, parallelism: 1))
        let refused = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<PasswordHasher.waitingMax * 4 {
                group.addTask {
                    do {
                        _ = try await hasher.isMatch(Password("x"), nil)
                        return false
                    } catch { return error is PasswordHasher.Overloaded }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(refused > 0 && refused < PasswordHasher.waitingMax * 4, "\(refused)")
        #expect(try await !hasher.isMatch(Password("x"), nil), "and afterwards it works")
    }

    // MARK: Changes

    private func change(_ body: (inout AccountChange) -> Void) -> AccountChange {
        var change = AccountChange()
        body(&change)
        return change
    }

    @Test func oneAdministratorAlwaysRemains() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let store = api.test.store
        try await api.account("kim", .admin)
        try await api.account("lee", .viewer)
        for refused in [change { $0.role = .operator }, change { $0.isDisabled = true }] {
            await #expect(throws: MCMSError.lastAdministrator("kim")) { try await store.changeAccount("kim", refused, by: api.test.caller()) }
        }
        #expect(try await store.account(named: "kim").role == .admin, "a refused change changes nothing")
        _ = try await store.changeAccount("lee", change { $0.role = .admin }, by: api.test.caller())
        #expect(try await store.changeAccount("Kim", change { $0.role = .viewer }, by: api.test.caller()).role == .viewer)
        await #expect(throws: MCMSError.lastAdministrator("lee")) { try await store.changeAccount("lee", change { $0.isDisabled = true }, by: api.test.caller()) }
    }

    @Test func namesAreGivenOnce() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("kim", .viewer)
        await #expect(throws: MCMSError.nameTaken("kim")) { try await api.account("KIM", .admin) }
        await #expect(throws: MCMSError.notFound(.account, id: "nobody")) { try await api.test.store.account(named: "nobody") }
    }

    /// Between the look at the password and the session, the account changes: the old password gives no session.
    @Test(arguments: [true, false]) func aSignInThatIsOvertakenByAChangeFails(isDisabled: Bool) async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let store = api.test.store
        try await api.account("kim", .viewer)
        let credential = try #require(try await store.credential(of: "kim"))
        let hash = try await PasswordHasher(cost: TestAPI.cheap).hash(Password("another password"))
        _ = try await store.changeAccount("kim", change { if isDisabled { $0.isDisabled = true } else { $0.passwordHash = hash } }, by: api.test.caller())
        let session = PasswordSession(digest: [1], lifetimeMilliseconds: 1_000)
        #expect(try await store.beginSession(session, of: credential, ending: nil, by: api.test.caller()) == nil)
        #expect(try await store.session(digest: [1]) == nil)
    }

    // MARK: Links

    private func new(_ name: String, _ role: AccountRole) async throws -> NewAccount {
        try NewAccount(name: name, displayName: nil, role: role, passwordHash: try await PasswordHasher(cost: TestAPI.cheap).hash(Password("correct horse")))
    }

    @Test func aLinkWorksOnceAndNotForever() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let store = test.store
        func use(_ digest: [UInt8], _ name: String, _ role: AccountRole = .approver) async throws -> Account {
            try await store.createAccount(try await new(name, role), usingLink: digest, by: test.caller())
        }
        _ = try await store.createLink(digest: [1], role: .approver, isFirst: false, by: test.caller())
        await #expect(throws: MCMSError.linkUnusable) { try await use([2], "kim") }
        await #expect(throws: MCMSError.linkUnusable, "not with another role") { try await use([1], "kim", .admin) }
        #expect(try await use([1], "kim").role == .approver)
        await #expect(throws: MCMSError.linkUnusable) { try await use([1], "lee") }

        _ = try await store.createLink(digest: [3], role: .approver, isFirst: false, by: test.caller())
        await #expect(throws: MCMSError.nameTaken("kim")) { try await use([3], "kim") }
        #expect(try await use([3], "lee").name == "lee", "a name that was taken does not use the link up")
        _ = try await store.createLink(digest: [4], role: .approver, isFirst: false, by: test.caller())
        test.clock.advance(MCMSStore.linkMilliseconds)
        await #expect(throws: MCMSError.linkUnusable) { try await use([4], "park") }
    }

    @Test func theFirstLinkIsOneAndEndsWithTheFirstAccount() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let store = test.store
        _ = try await store.createLink(digest: [1], role: .admin, isFirst: true, by: test.caller())
        _ = try await store.createLink(digest: [2], role: .admin, isFirst: true, by: test.caller())
        await #expect(throws: MCMSError.linkUnusable, "a later start's link replaces it") { try await store.role(ofLink: [1]) }
        #expect(try await store.role(ofLink: [2]) == .admin)
        _ = try await store.createAccount(try await new("kim", .viewer), by: test.caller())
        await #expect(throws: MCMSError.linkUnusable) { try await store.role(ofLink: [2]) }
    }

    // MARK: Audit

    @Test func theAuditIsOnlyEverAddedTo() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let store = api.test.store
        try await api.account("kim", .admin)
        _ = try await store.changeAccount("kim", change { $0.displayName = "김철수" }, by: Caller(actor: "root", correlationID: "c-7", address: "10.0.0.5"))
        let entries = try await store.audit().items
        #expect(entries.map(\.action) == ["account-changed", "account-created"])
        #expect(entries.first.map { [$0.actor, $0.subject, $0.address, $0.correlationId, $0.detail] } == ["root", "kim", "10.0.0.5", "c-7", "display name kim → 김철수"])
        for statement in [
            "UPDATE auditLog SET actor = 'x'", "DELETE FROM auditLog", "INSERT OR REPLACE INTO auditLog SELECT * FROM auditLog",
        ] {
            await #expect(throws: SQLError.self, "\(statement)") { try await store.database.write { try $0.execute(statement) } }
        }
        #expect(try await store.audit().items == entries)
        #expect(try await store.audit(actor: "test").items.map(\.action) == ["account-created"])
        #expect(try await store.audit(action: "account-changed").items.count == 1)
        let first = try await store.audit(limit: 1)
        #expect(try await store.audit(limit: 1, cursor: first.nextCursor).items == Array(entries.suffix(1)))
    }

    @Test func aLineOfTheAuditIsForgottenAfterAYearAndNotBefore() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let store = api.test.store
        // By the clock of the database, which is this machine's.
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        for (days, action) in [(AuditLimits.retentionDays + 1, "old"), (AuditLimits.retentionDays - 1, "young")] {
            _ = try await store.database.write { db in
                try db.execute(
                    "INSERT INTO auditLog (time, action, actor, address, correlationId) VALUES ($1, $2, 'a', 'b', 'c-9')",
                    [now - Int64(days) * 86_400_000, action])
            }
        }
        try await store.prune()
        #expect(try await store.audit().items.map(\.action) == ["young"])
        await #expect(throws: SQLError.self) { try await store.database.write { try $0.execute("DELETE FROM auditLog") } }
    }

    @Test func theAuditIsFilteredByCorrelationIdAndReadByOperators() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("oper", .operator)
        for id in ["c-1", "c-2", "c-2"] { try await api.test.store.audit("tested", by: Caller(actor: "kim", correlationID: id)) }
        let answer = try await api.send(.get, "/api/audit?correlationId=c-2", as: nil, headers: try await api.session("oper"))
        #expect(answer.status == 200)
        #expect(answer.body["items"]?.list?.map { $0["correlationId"] } == ["c-2", "c-2"])
    }
}
