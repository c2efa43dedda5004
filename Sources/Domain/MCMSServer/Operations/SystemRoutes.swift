internal import HTTPTypes
internal import Hummingbird

extension APIRoutes {
    /// The broker's log, disks, certificates and what else the installation stands on.
    mutating func addSystem(_ operations: OperationsServices, _ health: HealthWatch) {
        on(.get, "api/system", .readOperations) { _ in
            let brokers = await operations.system.brokers()
            return try .json(SystemView(operations.system, brokers, health.looks, health.report(), health.site))
        }
    }
}
