import Foundation
import Logging
import MCMS
import MCMSFiles
import Outbox
import SpindleClient
import SpindleCluster

extension ClusterConfiguration {
    /// The folder that people know as `W:\`.
    func sharePath() throws -> String {
        guard let files else {
            throw CommandFailure("the description has no share.", advice: "Add `files:` with its `hosts:` and its `share:`, as in `spindle config show`.")
        }
        return resolve(files.share)
    }

    /// The share, and how it is known that it is mounted.
    func shareDirectory() throws -> ShareDirectory {
        ShareDirectory(root: try sharePath(), windowsRoots: files.map { files in files.windowsRoots } ?? [], identity: try shareIdentity())
    }

    /// What is known of the share lies beside the database, as what refers to it does.
    func shareIdentity() throws -> ShareIdentity {
        ShareIdentity(root: try sharePath(), record: dataDirectory + "/share.id")
    }
}

extension ApprovalRule {
    init(_ approval: ApprovalConfiguration) {
        self =
            switch approval {
            case .anyone: .anyone
            case .fourEyes: .fourEyes
            }
    }
}

/// The domain's database, as the roles of one host share it.
enum DomainStore {
    static func open(_ cluster: ClusterConfiguration) throws -> MCMSStore {
        guard let domain = cluster.domain else {
            throw CommandFailure("the description has no database.", advice: "Add `domain:` with its `database:`, as in `spindle config show`.")
        }
        let path = cluster.resolve(domain.database)
        try DataDirectory(path: cluster.dataDirectory).make()
        do {
            try FileManager.default.createDirectory(
                atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true,
                attributes: [.posixPermissions: DataDirectory.mode])
            return try MCMSStore(path: path, approval: ApprovalRule(domain.approval), extending: FilesSchema.add)
        } catch {
            throw CommandFailure("the database \(path) cannot be opened: \(error)", advice: "Does its folder belong to the user who starts this?")
        }
    }

    static func relay(_ store: MCMSStore, _ client: SpindleClient, _ cluster: ClusterConfiguration, logger: Logger) -> OutboxRelay {
        var configuration = OutboxRelay.Configuration()
        if let retry = cluster.domain?.outbox {
            configuration.attemptsMax = retry.attemptsMax
            configuration.backoff = OutboxBackoff(
                initialMilliseconds: Int64(retry.initial / .milliseconds(1)), capMilliseconds: Int64(retry.cap / .milliseconds(1)))
        }
        return OutboxRelay(
            database: store.database, publisher: SpindleOutboxPublisher(client: client), configuration: configuration, logger: logger)
    }
}
