import ContentStore
import Foundation
import MCMSFiles
import S3
import SpindleCluster

/// The bucket of payloads, from the description of its cluster.
struct ObjectStoreSetup {
    private static let keyBytesMax = 64 << 10

    let cluster: ClusterConfiguration
    let store: ObjectStoreConfiguration

    init(_ cluster: ClusterConfiguration, _ store: ObjectStoreConfiguration) {
        self.cluster = cluster
        self.store = store
    }

    func payloads(_ staging: StagingArea) throws -> S3PayloadStore {
        var configuration = S3Configuration(endpoint: store.endpoint, bucket: store.bucket, credentials: try credentials())
        configuration.region = store.region
        configuration.addressing = store.addressing == .path ? .path : .virtualHost
        configuration.timeout = store.timeout
        if let file = store.caFile {
            let path = cluster.resolve(file)
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw CommandFailure("the authority's certificate \(path) can't be read.", advice: "Correct `caFile:` under `s3:` in the description.")
            }
            configuration.caFile = path
        }
        var parts = S3PayloadStore.Configuration()
        parts.prefix = store.prefix.isEmpty || store.prefix.hasSuffix("/") ? store.prefix : store.prefix + "/"
        parts.multipartAboveBytes = Int64(store.multipartAbove)
        parts.partBytes = Int64(store.partSize)
        return S3PayloadStore(S3Client(configuration), staging: staging, configuration: parts)
    }

    private func credentials() throws -> S3Credentials {
        let path = cluster.resolve(store.accessKeyFile)
        let advice = "Write aws_access_key_id = … and aws_secret_access_key = … into the file that `accessKeyFile:` under `s3:` names, and chmod 600 it."
        // Of what a link leads to.
        let file = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        guard let facts = try? FileManager.default.attributesOfItem(atPath: file), let mode = facts[.posixPermissions] as? Int,
            let bytes = facts[.size] as? Int, bytes <= Self.keyBytesMax, let text = try? String(contentsOfFile: path, encoding: .utf8)
        else {
            throw CommandFailure("the access key \(path) can't be read.", advice: advice)
        }
        guard mode & 0o077 == 0 else {
            throw CommandFailure("the access key \(path) can be read by others than its owner (mode \(String(mode, radix: 8))).", advice: "chmod 600 \(path)")
        }
        do throws(S3Credentials.Unreadable) {
            return try S3Credentials(file: text)
        } catch {
            throw CommandFailure("the access key \(path) can't be used: \(error)", advice: advice)
        }
    }
}
