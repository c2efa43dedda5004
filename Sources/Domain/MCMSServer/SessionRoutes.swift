internal import HTTPTypes
internal import Hummingbird
internal import MCMS

/// Who somebody is, as the page and clients ask it.
struct MeView: Encodable {
    /// How the caller came in.
    enum Kind: String, Encodable { case account, token, trial }

    let kind: Kind
    /// The account's name, or the principal's.
    let name: String
    let displayName: String
    /// Of an account.
    let role: AccountRole?
    let principal: String
    let permissions: [WebPermission]

    init(_ principal: WebPrincipal) {
        switch principal.kind {
        case .account(let account): (kind, displayName, role) = (.account, account.displayName, account.role)
        case .token: (kind, displayName, role) = (.token, principal.name, nil)
        case .trial: (kind, displayName, role) = (.trial, principal.name, nil)
        }
        name = principal.actor
        self.principal = principal.name
        permissions = WebPermission.allCases.filter(principal.permissions.contains)
    }
}

extension APIRoutes {
    mutating func addSession(_ access: WebAccess, _ store: MCMSStore, onChange: @escaping @Sendable () -> Void) {
        on(.post, "api/session", nil, isAudited: false) { call in try await Self.signIn(call, access, store) }
        on(.get, "api/session", nil) { call in try .json(MeView(try await access.principal(for: call.request))) }
        on(.get, "api/me", nil) { call in try .json(MeView(try await access.principal(for: call.request))) }
        on(.delete, "api/session", nil, isAudited: false) { call in try await Self.signOut(call, access, store, onChange) }
        on(.get, "api/sign-in", nil) { call in
            struct Ways: Encodable {
                let ways: [String]
                let passwordMin: Int
            }
            let isTrial = try await access.isTrialOffered(call.request, from: call.origin.peer)
            let hasAccounts = try await store.hasAccounts()
            let ways = (hasAccounts ? ["password"] : []) + ["token"] + (isTrial ? ["trial"] : [])
            return try .json(Ways(ways: ways, passwordMin: AccountRules.passwordMin))
        }
    }

    private static func note(_ action: AuditAction, _ actor: String, _ detail: String?, _ call: APIRequest, _ store: MCMSStore) async throws {
        let by = Caller(actor: actor, correlationID: call.correlationID, address: call.origin.address)
        try await store.audit(action.rawValue, subject: actor, detail: detail, by: by)
    }

    private static func signIn(_ call: APIRequest, _ access: WebAccess, _ store: MCMSStore) async throws -> Response {
        struct SignIn: Decodable {
            var name: String?
            var password: String?
            var token: String?
            var trial: Bool?
        }
        let body = try await call.body(SignIn.self)
        switch (body.name, body.password, body.token, body.trial) {
        case (let name?, let password?, nil, nil):
            let nobody = Caller(actor: "nobody", correlationID: call.correlationID, address: call.origin.address)
            let (principal, cookie) = try await access.signIn(name: name, password: Password(password), request: call.request, by: nobody)
            return try signedIn(principal, cookie)
        case (nil, nil, let token?, nil):
            let (principal, cookie) = try await access.signIn(token: token, request: call.request)
            try await note(.signedIn, principal.name, "by token", call, store)
            return try signedIn(principal, cookie)
        case (nil, nil, nil, true):
            try access.refuseForeign(call.request)
            guard let cookie = try await access.cookieForVisitor(call.request, from: call.origin.peer) else {
                throw Problem(
                    .notPermitted, "There is no trial here: it is for the one who started the server, on that PC, while nobody has an account.",
                    action: "Sign in by name and password.")
            }
            try await note(.signedIn, "visitor", "trial", call, store)
            var response = Response(status: .created)
            response.setCookie(cookie)
            return response
        default:
            throw Problem(
                .malformedRequest, "A sign-in has “name” and “password”, or “token”.", action: "Send one of these, and nothing else.")
        }
    }

    static func signedIn(_ principal: WebPrincipal, _ cookie: Cookie) throws -> Response {
        var response = try Response.json(MeView(principal), status: .created)
        response.setCookie(cookie)
        return response
    }

    /// Ends the session of this browser, or with `?everywhere=true` every session of the account.
    private static func signOut(
        _ call: APIRequest, _ access: WebAccess, _ store: MCMSStore, _ onChange: @Sendable () -> Void
    ) async throws -> Response {
        var response = Response(status: .noContent)
        // Whose session has ended is signed out already.
        let principal = try? await access.principal(for: call.request)
        response.setCookie(try await access.signOut(call.request))
        guard let principal else { return response }
        if call.query("everywhere") == "true" {
            let by = Caller(
                actor: principal.actor, principal: principal.name, correlationID: call.correlationID, address: call.origin.address)
            try await store.endSessions(of: principal.name, by: by)
            onChange()
        } else {
            try await note(.signedOut, principal.actor, nil, call, store)
        }
        return response
    }
}
