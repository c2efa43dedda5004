internal import Hummingbird

/// Who somebody is, as the page asks it.
private struct SessionView: Encodable {
    let principal: String
    let permissions: [WebPermission]

    init(_ principal: WebPrincipal) {
        self.principal = principal.name
        self.permissions = WebPermission.allCases.filter(principal.permissions.contains)
    }
}

extension APIRoutes {
    mutating func addSession(_ access: WebAccess) {
        struct SignIn: Decodable { var token: String }
        on(.post, "api/session", nil) { call in
            let (principal, cookie) = try await access.signIn(token: try await call.body(SignIn.self).token, request: call.request)
            var response = try Response.json(SessionView(principal), status: .created)
            response.setCookie(cookie)
            return response
        }
        on(.get, "api/session", nil) { call in
            try .json(SessionView(try await access.principal(for: call.request)))
        }
        on(.delete, "api/session", nil) { call in
            var response = Response(status: .noContent)
            response.setCookie(try await access.signOut(call.request))
            return response
        }
    }
}
