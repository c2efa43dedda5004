package import MCMS

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
    /// Act for people, and only for people who are named.
    case nameActor
    /// See and change accounts.
    case managePeople
    /// See who did what.
    case readAudit
    /// See queues, messages, workers, the outbox and the system's state.
    case readOperations
    /// Pause and resume queues, cancel and redrive messages, tell workers to stop.
    case manageQueues
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
        case .operator:
            [.readRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles, .readAudit, .readOperations, .manageQueues]
        case .admin:
            [
                .readRoutings, .changeRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles, .managePeople, .readAudit,
                .readOperations, .manageQueues,
            ]
        case .addin: [.readJobs, .reportJobs, .readFiles, .uploadFiles]
        case .none: []
        }
    }
}

extension WebRole {
    package init(_ role: AccountRole) {
        self =
            switch role {
            case .viewer: .viewer
            case .approver: .approver
            case .operator: .operator
            case .admin: .admin
            }
    }
}

/// Who calls the API.
package struct WebPrincipal: Hashable, Sendable {
    /// How the caller is known.
    package enum Kind: Hashable, Sendable {
        /// By a token of the description's principal, or a session that it was traded for.
        case token
        /// By an account's password.
        case account(Account)
        /// By being on this PC.
        case trial
    }

    /// Unique: `user:NAME` for an account, apart from the principals of the description.
    package let name: String
    package let permissions: Set<WebPermission>
    package let kind: Kind

    package init(name: String, permissions: Set<WebPermission>, kind: Kind = .token) {
        self.name = name
        self.permissions = permissions
        self.kind = kind
    }

    package init(_ account: Account) {
        self.init(name: account.principal, permissions: WebRole(account.role).permissions, kind: .account(account))
    }

    /// Who is named in histories: a person by the account's name.
    package var actor: String {
        switch kind {
        case .account(let account): account.name
        case .token, .trial: name
        }
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
