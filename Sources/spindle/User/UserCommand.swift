import ArgumentParser
import Foundation
import MCMS
import SpindleCluster
import SpindleText

/// The people who sign in at the page.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "People who sign in at the page: accounts, roles, passwords, and what they did.",
        discussion: """
            These commands open the cluster's database: run them on the web server's machine, as the user who started it. A change holds within
            two seconds, also for people who are signed in.

            Example:
              spindle user add kim --role approver --display-name 김철수
              spindle user ls
            """,
        subcommands: [
            UserAddCommand.self, UserListCommand.self, UserRoleCommand.self, UserPasswordCommand.self, UserDisableCommand.self, UserEnableCommand.self,
            UserInviteCommand.self, UserAuditCommand.self,
        ])
}

extension AccountRole: ExpressibleByArgument {}

/// The accounts of a cluster on this machine.
struct UserOptions: ParsableArguments {
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    /// Runs `body` with the store and its description, and says in words what the store refuses.
    func withStore<Value>(_ body: (MCMSStore, ClusterConfiguration) async throws -> Value) async throws -> Value {
        let configuration = try cluster.loadRunning()
        try DataDirectory(path: configuration.dataDirectory).checkReadable()
        guard let path = configuration.domain.map({ configuration.resolve($0.database) }) else {
            throw CommandFailure("the description has no database.", advice: "Add `domain:` with its `database:`, as in `spindle config show`.")
        }
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure(
                "there is no database \(path).", advice: "Start the cluster once, or say with --data or --config which one is meant.")
        }
        let store = try DomainStore.open(configuration)
        let result: Result<Value, any Error>
        do { result = .success(try await body(store, configuration)) } catch { result = .failure(error) }
        try store.close()
        do {
            return try result.get()
        } catch let error as MCMSError {
            throw UserOptions.failure(error)
        }
    }

    private static func failure(_ error: MCMSError) -> CommandFailure {
        let advice: String? =
            switch error {
            case .notFound: "`spindle user ls` shows which there are."
            case .nameTaken: "Choose another name, or change that account: `spindle user role`, `passwd`, `enable`."
            case .lastAdministrator: "Make somebody else an administrator first: `spindle user role NAME admin`."
            case .invalid, .illegalTransition, .ownApproval, .linkUnusable, .notAllowedFor: nil
            }
        return CommandFailure(error.description, advice: advice)
    }

    /// Who types the command, for the audit.
    static var caller: Caller {
        Caller(actor: NSUserName(), correlationID: UUID().uuidString.lowercased(), address: "spindle user")
    }

    func show(_ account: Account, _ deed: String) throws {
        if json { return try Output.json(AccountView(account)) }
        Output.line("“\(account.name)” \(deed)")
    }
}

struct AccountView: Encodable {
    let name: String
    let displayName: String
    let role: AccountRole
    let isDisabled: Bool
    let createdAtMs: Int64
    let changedAtMs: Int64
    let lastSignInAtMs: Int64?

    init(_ account: Account) {
        name = account.name
        displayName = account.displayName
        role = account.role
        isDisabled = account.isDisabled
        createdAtMs = account.createdAt.milliseconds
        changedAtMs = account.changedAt.milliseconds
        lastSignInAtMs = account.lastSignInAt?.milliseconds
    }
}

struct UserAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Make an account.",
        discussion: """
            Its password is asked for at the terminal, or read from a file. It must have at least \(AccountRules.passwordMin) characters.

            Example:
              spindle user add kim --role approver
              spindle user add lee --display-name 이영희 --password-file lee.txt
            """)

    @Argument(help: "What the person signs in with: a-z, digits, “.”, “-” and “_”.")
    var name: String

    @Option(help: ArgumentHelp("What the person may do.", valueName: AccountRole.allCases.map(\.rawValue).joined(separator: "|")))
    var role = AccountRole.viewer

    @Option(help: ArgumentHelp("What others read, in any language. (default: the name)", valueName: "text"))
    var displayName: String?

    @OptionGroup var password: PasswordOptions
    @OptionGroup var options: UserOptions

    func run() async throws {
        let account = try await options.withStore { store, _ in
            let name = try AccountRules.name(name)
            let hash = try await password.hash(of: name)
            return try await store.createAccount(
                try NewAccount(name: name, displayName: displayName, role: role, passwordHash: hash), by: UserOptions.caller)
        }
        try options.show(account, "can sign in, as \(account.role.rawValue).")
    }
}

struct UserListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Accounts, by name.",
        discussion: """
            Example:
              spindle user ls
              spindle user ls --json
            """)

    @OptionGroup var options: UserOptions

    func run() async throws {
        let accounts = try await options.withStore { store, _ in try await store.accounts() }
        if options.json {
            for account in accounts { try Output.json(AccountView(account)) }
            return
        }
        guard !accounts.isEmpty else { return Output.line("nobody has an account") }
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        Output.table(
            ["NAME", "DISPLAY NAME", "ROLE", "STATE", "LAST SIGN-IN"],
            accounts.map { account in
                let last = account.lastSignInAt.map { "\(Units.text(.seconds(max(0, now - $0.milliseconds) / 1000))) ago" }
                return [account.name, account.displayName, account.role.rawValue, account.isDisabled ? "disabled" : "enabled", last ?? "-"]
            })
    }
}

struct UserRoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "role", abstract: "Change what a person may do, from the next request on.",
        discussion: """
            Example:
              spindle user role kim operator
            """)

    @Argument(help: "The account.") var name: String
    @Argument(help: ArgumentHelp("viewer, approver, operator or admin.", valueName: "role")) var role: AccountRole
    @OptionGroup var options: UserOptions

    func run() async throws {
        let account = try await options.withStore { store, _ in
            var change = AccountChange()
            change.role = role
            return try await store.changeAccount(name, change, by: UserOptions.caller)
        }
        try options.show(account, "is \(account.role.rawValue) now.")
    }
}

struct UserPasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passwd", abstract: "Set a person's password. Their sessions end.",
        discussion: """
            Example:
              spindle user passwd kim
              spindle user passwd kim --password-file new.txt
            """)

    @Argument(help: "The account.") var name: String
    @OptionGroup var password: PasswordOptions
    @OptionGroup var options: UserOptions

    func run() async throws {
        let account = try await options.withStore { store, _ in
            let account = try await store.account(named: name)
            var change = AccountChange()
            change.passwordHash = try await password.hash(of: account.name)
            return try await store.changeAccount(account.name, change, by: UserOptions.caller)
        }
        try options.show(account, "has a new password, and is signed out everywhere.")
    }
}

struct UserDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Let a person in no more. Their sessions and streams end; their history stays.",
        discussion: """
            Example:
              spindle user disable kim
            """)

    @Argument(help: "The account.") var name: String
    @OptionGroup var options: UserOptions

    func run() async throws {
        let account = try await options.withStore { store, _ in try await UserEnableCommand.set(name, isDisabled: true, store) }
        try options.show(account, "is disabled, and signed out everywhere.")
    }
}

struct UserEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Let a disabled person in again, with the password of before.",
        discussion: """
            Example:
              spindle user enable kim
            """)

    @Argument(help: "The account.") var name: String
    @OptionGroup var options: UserOptions

    func run() async throws {
        let account = try await options.withStore { store, _ in try await Self.set(name, isDisabled: false, store) }
        try options.show(account, "can sign in.")
    }

    static func set(_ name: String, isDisabled: Bool, _ store: MCMSStore) async throws -> Account {
        var change = AccountChange()
        change.isDisabled = isDisabled
        return try await store.changeAccount(name, change, by: UserOptions.caller)
    }
}

struct UserInviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite", abstract: "Print a link by which somebody makes an account, once.",
        discussion: """
            The person chooses name and password. The link works once, within 24 hours, from every PC that can open the page.

            Example:
              spindle user invite --role approver
            """)

    @Option(help: ArgumentHelp("What the person may do.", valueName: AccountRole.allCases.map(\.rawValue).joined(separator: "|")))
    var role = AccountRole.viewer

    @OptionGroup var options: UserOptions

    private struct View: Encodable {
        let url: String
        let role: AccountRole
        let expiresAtMs: Int64
    }

    func run() async throws {
        let link = try await options.withStore { store, configuration in
            guard let web = configuration.webs.first else { throw CommandFailure("the description has no web server.", advice: "Add one under `webs:`.") }
            return try await AccountLink.make(role, isFirst: false, store, at: web.publicURL(in: configuration), by: UserOptions.caller)
        }
        if options.json { return try Output.json(View(url: link.url, role: role, expiresAtMs: link.expiresAt.milliseconds)) }
        Output.line(link.url)
        Output.error("It makes one account with the role \(role.rawValue), within 24 hours. Give it to that person only.")
    }
}

struct UserAuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "What people and programs did over HTTP and by these commands, newest first.",
        discussion: """
            Example:
              spindle user audit --limit 20
              spindle user audit --actor kim --json
            """)

    @Option(help: ArgumentHelp("Of this person or principal only.", valueName: "name"))
    var actor: String?

    @Option(help: ArgumentHelp("Only this action, such as sign-in-refused.", valueName: "action"))
    var action: String?

    @Option(help: ArgumentHelp("Of this correlation id only.", valueName: "id"))
    var correlation: String?

    @Option(help: ArgumentHelp("At most so many lines.", valueName: "n"))
    var limit = 100

    @OptionGroup var options: UserOptions

    func validate() throws {
        guard (1...PageLimits.itemsMax).contains(limit) else { throw ValidationError("--limit must be from 1 to \(PageLimits.itemsMax).") }
    }

    private struct View: Encodable {
        let timeMs: Int64
        let action: String
        let subject: String?
        let actor: String
        let principal: String?
        let status: Int?
        let detail: String?
        let address: String
        let correlationId: String

        init(_ entry: AuditEntry) {
            timeMs = entry.time.milliseconds
            action = entry.action
            subject = entry.subject
            actor = entry.actor
            principal = entry.principal
            status = entry.status
            detail = entry.detail
            address = entry.address
            correlationId = entry.correlationId
        }
    }

    func run() async throws {
        let entries = try await options.withStore { store, _ in try await store.audit(actor: actor, action: action, correlation: correlation, limit: limit).items }
        if options.json {
            for entry in entries { try Output.json(View(entry)) }
            return
        }
        guard !entries.isEmpty else { return Output.line("nothing is written down") }
        Output.table(
            ["TIME", "ACTOR", "ACTION", "SUBJECT", "STATUS", "FROM", "DETAIL"],
            entries.map {
                [$0.time.rfc3339, $0.actor, $0.action, $0.subject ?? "-", $0.status.map(String.init) ?? "-", $0.address, $0.detail ?? ""]
            })
    }
}
