import Foundation
import Logging
import MCMS
import Outbox
import SpindleClient
import SpindleCluster

/// The domain's database, as the roles of one host share it.
enum DomainStore {
    static func open(_ cluster: ClusterConfiguration, _ web: WebConfiguration) throws -> MCMSStore {
        let path = cluster.resolve(web.database)
        do {
            try FileManager.default.createDirectory(
                atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
            return try MCMSStore(path: path)
        } catch {
            throw CommandFailure("the database \(path) cannot be opened: \(error)", advice: "Does its folder belong to the user who starts this?")
        }
    }

    static func relay(_ store: MCMSStore, _ client: SpindleClient, logger: Logger) -> OutboxRelay {
        OutboxRelay(pool: store.pool, publisher: SpindleOutboxPublisher(client: client), logger: logger)
    }
}
