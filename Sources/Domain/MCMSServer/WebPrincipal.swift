/// What a caller of the API may do.
package enum WebPermission: String, Codable, CaseIterable, Sendable {
    /// See routings and their history.
    case readRoutings
    /// Create, submit, approve, reject, generate again.
    case changeRoutings
    /// See add-in jobs.
    case readJobs
    /// Report a job's result.
    case reportJobs
    /// See a routing's files, and download what is committed.
    case readFiles
    /// Upload files.
    case uploadFiles
    /// Other people's uploads; rescan, release and delete files.
    case manageFiles
    /// Say in whose name a routing is changed.
    case nameActor
}

/// What a principal is to the API. `docs/mcms.md` has this table too.
package enum WebRole: String, CaseIterable, Sendable {
    case viewer, approver, `operator`, admin, addin
    /// A server that shows pages of its own to people who signed in there.
    case bff
    /// Not known over HTTP.
    case none

    package var permissions: Set<WebPermission> {
        switch self {
        case .viewer: [.readRoutings, .readJobs, .readFiles]
        case .bff: [.readRoutings, .changeRoutings, .readJobs, .readFiles, .uploadFiles, .nameActor]
        case .approver: [.readRoutings, .changeRoutings, .readJobs, .readFiles, .uploadFiles]
        case .operator: [.readRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles]
        case .admin: [.readRoutings, .changeRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles]
        case .addin: [.readJobs, .reportJobs, .readFiles, .uploadFiles]
        case .none: []
        }
    }
}

/// Who calls the API.
package struct WebPrincipal: Codable, Hashable, Sendable {
    package let name: String
    package let permissions: Set<WebPermission>

    package init(name: String, permissions: Set<WebPermission>) {
        self.name = name
        self.permissions = permissions
    }
}

/// A principal that has a token now.
package struct TokenHolder: Hashable, Sendable {
    package let principal: WebPrincipal
    /// Changes with the token, and doesn't tell it.
    package let credential: [UInt8]
}

/// Knows the callers.
package protocol BearerAuthenticator: Sendable {
    /// Who holds this token; `nil` if nobody does.
    func principal(for token: String) -> WebPrincipal?
    /// The principal of a browser session, and what stands for its token; nil where it has none any more, which ends its sessions.
    func holder(named name: String) -> TokenHolder?
}
