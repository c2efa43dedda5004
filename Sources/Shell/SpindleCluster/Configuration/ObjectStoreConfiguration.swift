/// A bucket that holds the payloads of files, in an object store that speaks S3. Staged files and refs stay in the store's folder.
package struct ObjectStoreConfiguration: Sendable, Equatable {
    package enum Addressing: String, CaseIterable, Sendable {
        /// `https://host/bucket/key`
        case path
        /// `https://bucket.host/key`
        case virtualHost
    }

    /// `https://host`, or `https://host:port`.
    package var endpoint: String
    package var bucket: String
    /// Before every key.
    package var prefix = ""
    package var region = "us-east-1"
    /// A file that only its owner reads, as AWS's tools write it.
    package var accessKeyFile: String
    package var addressing = Addressing.path
    /// PEM; nil: the system's authorities.
    package var caFile: String?
    /// Larger payloads are sent in parts, in bytes.
    package var multipartAbove = 5 << 30
    package var partSize = 64 << 20
    /// So long nothing may move in either direction.
    package var timeout = Duration.seconds(30)
    /// How long a file waits for the store before operators are told.
    package var alertAfter = Duration.seconds(600)

    package init(endpoint: String, bucket: String, accessKeyFile: String) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.accessKeyFile = accessKeyFile
    }
}
