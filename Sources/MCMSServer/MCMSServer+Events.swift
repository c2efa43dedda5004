package import Hummingbird
package import Logging
package import SpindleBridge

extension MCMSServer {
    /// Adds the event streams of `hub`, for the same callers as the API's. Run the hub as a service.
    ///
    /// - Parameter trustedOrigins: as in ``WebAccess/Configuration/trustedOrigins``.
    package func addEvents<Context: RequestContext>(
        _ hub: EventHub, trustedOrigins: Set<String> = [], logger: Logger, to router: some RouterMethods<Context>
    ) {
        let access = access
        EventRoutes(hub: hub, trustedOrigins: trustedOrigins, logger: logger) { request in
            do {
                let principal = try await access.principal(for: request)
                return principal.permissions.contains(.readRoutings) ? EventCaller(name: principal.name) : nil
            } catch let problem as Problem where problem.kind == .notAuthenticated {
                return nil
            }
        }.add(to: router)
    }
}
