import Foundation

/// What another host of a cluster needs, in one file: its certificates and tokens, and the cluster's description. JSON:
/// ```
/// {"format": "spindle-host-bundle", "version": 1, "cluster": "intranet", "host": "files-host", "description": "cluster: intranet\n…",
///  "files": [{"path": "tls/ca.pem", "content": "<base64>"}, …]}
/// ```
/// It holds keys and tokens: who reads it can act as that host.
package struct HostBundle: Sendable, Equatable {
    package static let format = "spindle-host-bundle"
    package static let version = 1
    package static let bytesMax = 16 << 20
    package static let filesMax = 1_000

    package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// A file below the data directory.
    package struct File: Sendable, Equatable {
        package let path: String
        package let content: [UInt8]

        package init(path: String, content: [UInt8]) {
            self.path = path
            self.content = content
        }
    }

    package let cluster: String
    package let host: String
    /// YAML, as it was on the first host.
    package let description: String
    package let files: [File]

    package init(cluster: String, host: String, description: String, files: [File]) {
        self.cluster = cluster
        self.host = host
        self.description = description
        self.files = files
    }

    private struct Document: Codable {
        struct Entry: Codable {
            let path: String
            let content: Data
        }

        let format: String
        let version: Int
        let cluster: String
        let host: String
        let description: String
        let files: [Entry]
    }

    package func encoded() throws(Failure) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let document = Document(
            format: Self.format, version: Self.version, cluster: cluster, host: host, description: description,
            files: files.map { .init(path: $0.path, content: Data($0.content)) })
        do {
            return Array(try encoder.encode(document)) + [UInt8(ascii: "\n")]
        } catch {
            throw Failure(description: "the bundle can't be written: \(error)")
        }
    }

    /// - Throws: what is wrong. Nothing of a bundle leads out of `tls/` and `tokens/`.
    package init(reading bytes: [UInt8]) throws(Failure) {
        guard bytes.count <= Self.bytesMax else { throw Failure(description: "it has over \(Self.bytesMax) bytes, which no bundle has") }
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(bytes))
        } catch {
            throw Failure(description: "it is no bundle that `spindle host add` made, or it was damaged on the way")
        }
        guard document.format == Self.format else { throw Failure(description: "it is no bundle that `spindle host add` made") }
        guard document.version == Self.version else {
            throw Failure(description: "it has version \(document.version), and this program knows \(Self.version): use the same version on all hosts")
        }
        guard document.files.count <= Self.filesMax else { throw Failure(description: "it has over \(Self.filesMax) files, which no bundle has") }
        for (index, file) in document.files.enumerated() {
            guard Self.isInside(file.path) else { throw Failure(description: "it has a file “\(file.path)”, which is not below tls/ or tokens/") }
            guard !document.files[..<index].contains(where: { $0.path == file.path }) else {
                throw Failure(description: "it has the file “\(file.path)” twice")
            }
        }
        self.init(
            cluster: document.cluster, host: document.host, description: document.description,
            files: document.files.map { File(path: $0.path, content: Array($0.content)) })
    }

    /// One plain name below one of the two folders.
    package static func isInside(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "tls" || parts[0] == "tokens", (1...200).contains(parts[1].utf8.count), !parts[1].hasPrefix(".") else {
            return false
        }
        return parts[1].utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || "._-".utf8.contains(byte)
        }
    }
}
