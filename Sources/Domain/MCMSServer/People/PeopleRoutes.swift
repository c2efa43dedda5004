internal import Digests
internal import HTTPTypes
internal import Hummingbird
internal import MCMS

/// A person as everybody who reads histories may see them.
private struct PersonView: Encodable {
    let name: String
    let displayName: String
}

extension APIRoutes {
    /// Accounts: one's own, those of others for administrators, and the names of all for readers.
    mutating func addPeople(_ access: WebAccess, _ store: MCMSStore, onChange: @escaping @Sendable () -> Void) {
        addOwn(access, store, onChange)
        addUsers(access, store, onChange)
        on(.get, "api/people", .readRoutings) { _ in
            struct People: Encodable { let items: [PersonView] }
            return try .json(People(items: try await store.accounts().map { PersonView(name: $0.name, displayName: $0.displayName) }))
        }
    }

    private mutating func addOwn(_ access: WebAccess, _ store: MCMSStore, _ onChange: @escaping @Sendable () -> Void) {
        on(.post, "api/me/password", nil, isAudited: false) { call in
            struct NewPassword: Decodable {
                var current: String
                var password: String
            }
            let principal = try await access.principal(for: call.request)
            guard case .account(let account) = principal.kind else {
                throw Problem(.notPermitted, "“\(principal.name)” has no password.", action: "Sign in as a person.")
            }
            let by = Caller(
                actor: account.name, principal: account.principal, correlationID: call.correlationID, address: call.origin.address)
            let body = try await call.body(NewPassword.self)
            // A browser that somebody left open is not enough.
            do {
                _ = try await access.passwords.credential(name: account.name, password: Password(body.current), by: by)
            } catch let problem as Problem where problem.kind == .notAuthenticated {
                // 401 would say that the session has ended.
                throw Problem(.notPermitted, "The present password is not right.", action: "Type it again.", field: "current")
            }
            var change = AccountChange()
            change.passwordHash = try await access.passwords.hash(Password(body.password), of: account.name)
            change.keptSession = try access.sessionDigest(call.request)
            _ = try await store.changeAccount(account.name, change, by: by)
            onChange()
            return Response(status: .noContent)
        }
        on(.post, "api/setup", nil, isAudited: false) { call in
            struct Setup: Decodable {
                var link: String
                var name: String
                var displayName: String?
                var password: String
            }
            try access.refuseForeign(call.request)
            let body = try await call.body(Setup.self)
            let digest = try DigestStream.digest(of: Array(body.link.utf8))
            // Before the hash is computed: strangers cost nothing.
            let role = try await store.role(ofLink: digest)
            let name = try AccountRules.name(body.name)
            let new = try NewAccount(
                name: name, displayName: body.displayName, role: role,
                passwordHash: try await access.passwords.hash(Password(body.password), of: name))
            let by = Caller(
                actor: name, principal: Account.principalPrefix + name, correlationID: call.correlationID, address: call.origin.address)
            let account = try await store.createAccount(new, usingLink: digest, by: by)
            onChange()
            let (principal, cookie) = try await access.signIn(new: account, request: call.request, by: by)
            return try Self.signedIn(principal, cookie)
        }
    }

    private mutating func addUsers(_ access: WebAccess, _ store: MCMSStore, _ onChange: @escaping @Sendable () -> Void) {
        struct NewUser: Decodable {
            var name: String
            var displayName: String?
            var role: AccountRole
            var password: String
        }
        struct UserChange: Decodable {
            var displayName: String?
            var role: AccountRole?
            var isDisabled: Bool?
            var password: String?
        }
        struct Users: Encodable { let items: [Account] }
        on(.get, "api/users", .managePeople) { _ in try .json(Users(items: try await store.accounts())) }
        on(.post, "api/users", .managePeople, isAudited: false) { call in
            let body = try await call.body(NewUser.self)
            let name = try AccountRules.name(body.name)
            let new = try NewAccount(
                name: name, displayName: body.displayName, role: body.role,
                passwordHash: try await access.passwords.hash(Password(body.password), of: name))
            let account = try await store.createAccount(new, by: call.ownCaller)
            onChange()
            return try .json(account, status: .created, headers: [.location: "/api/users/\(account.name)"])
        }
        on(.get, "api/users/{id}", .managePeople) { call in try .json(try await store.account(named: call.id)) }
        on(.patch, "api/users/{id}", .managePeople) { call in
            let body = try await call.body(UserChange.self)
            var change = AccountChange()
            change.displayName = body.displayName
            change.role = body.role
            change.isDisabled = body.isDisabled
            if let password = body.password {
                let account = try await store.account(named: call.id)
                change.passwordHash = try await access.passwords.hash(Password(password), of: account.name)
            }
            guard !change.isEmpty else {
                throw Problem(
                    .malformedRequest, "Nothing is to be changed.", action: "Send “role”, “displayName”, “isDisabled” or “password”.")
            }
            let account = try await store.changeAccount(call.id, change, by: call.ownCaller)
            onChange()
            return try .json(account)
        }
    }

    /// What people and programs did, newest first.
    mutating func addAudit(_ store: MCMSStore) {
        on(.get, "api/audit", .readAudit) { call in
            try .json(
                try await store.audit(
                    actor: call.query("actor"), action: call.query("action"), correlation: call.query("correlationId"), limit: try call.limit(),
                    cursor: call.query("cursor")))
        }
    }
}
