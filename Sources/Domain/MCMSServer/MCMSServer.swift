package import Hummingbird
package import Logging
package import MCMS

/// The domain's HTTP side: the API below `/api`, the page at `/`, and the two health checks.
///
/// It adds its routes to a router, so that one server answers for it and for the event streams on one port and one origin:
/// ```swift
/// let server = try MCMSServer(store: store, authenticator: tokens, access: configuration, logger: logger)
/// let router = Router()
/// server.addRoutes(to: router)      // then the bridge's, with server.access to know the callers
/// ```
/// It takes `/`, `/page`, `/healthz`, `/readyz`, `/api` and whatever below `/api` nobody registers more exactly.
package struct MCMSServer: Sendable {
    /// Who a request is from; for other parts that share the router.
    package let access: WebAccess
    private let store: MCMSStore
    private let files: FileServices?
    private let operations: OperationsServices?
    private let health: HealthWatch?
    private let logger: Logger
    private let onPeopleChange: @Sendable () -> Void
    private let page = WebPage()

    /// - Parameters:
    ///   - files: nil: this server takes no uploads.
    ///   - operations: nil: this server knows no broker, and has no part for operators.
    ///   - health: nil: nobody looks whether all is well.
    ///   - onPeopleChange: called after this server changed who may do what.
    package init(
        store: MCMSStore, files: FileServices? = nil, operations: OperationsServices? = nil, health: HealthWatch? = nil,
        authenticator: any BearerAuthenticator, access: WebAccess.Configuration = .init(), hasher: PasswordHasher = PasswordHasher(), logger: Logger,
        onPeopleChange: @escaping @Sendable () -> Void = {}
    ) throws {
        self.access = WebAccess(store: store, authenticator: authenticator, configuration: access, hasher: hasher, logger: logger)
        self.onPeopleChange = onPeopleChange
        self.store = store
        self.files = files
        self.operations = operations
        self.health = health
        self.logger = logger
    }

    package func addRoutes<Context: RequestContext>(to router: some RouterMethods<Context>) {
        var routes = APIRoutes(access: access, store: store, logger: logger)
        routes.addRoutings(store)
        routes.addAddin(store)
        routes.addSession(access, store, onChange: onPeopleChange)
        routes.addPeople(access, store, onChange: onPeopleChange)
        routes.addAudit(store)
        routes.addConnections(access, store)
        routes.addAlerts(store)
        if let files {
            routes.addTus(files)
            routes.addParts(files)
            routes.addFiles(files)
        }
        routes.addInsight(store, operations)
        if let operations {
            routes.addQueues(operations, store)
            routes.addWorkers(operations)
            routes.addOutbox(store)
            if let health { routes.addSystem(operations, health) }
        }
        if let health { routes.addHealthSummary(health, access) }
        routes.add(to: router)
        addPage(to: router)
        addHealth(to: router)
    }

    private func addPage<Context: RequestContext>(to router: some RouterMethods<Context>) {
        page.addFiles(to: router)
        router.get("/") { _, _ in page.response() }
    }

    /// `/healthz`: the process answers. `/readyz`: and its database too.
    private func addHealth<Context: RequestContext>(to router: some RouterMethods<Context>) {
        router.get("healthz") { _, _ in try Response.json(Health(status: "ok")) }
        router.get("readyz") { _, _ in
            do {
                try await store.ping()
                return try Response.json(Health(status: "ready"))
            } catch {
                logger.error("audit.error", metadata: ["what": "not ready", "error": "\(error)"])
                return try Response.json(Health(status: "unavailable", reason: "the database does not answer"), status: .serviceUnavailable)
            }
        }
    }
}

private struct Health: Encodable {
    let status: String
    var reason: String?
}
