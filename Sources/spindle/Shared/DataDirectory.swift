import Foundation
import SpindleCluster

/// The folder that holds everything of one cluster on this machine.
struct DataDirectory {
    static let environmentKey = "SPINDLE_DATA"
    static let defaultPath = "spindle-data"
    /// A token file is a line of text; more is not read.
    private static let tokenBytesMax = 4096

    let path: String

    init(path: String) { self.path = path }

    /// `--data`, else `$SPINDLE_DATA`, else what a configuration says, else `./spindle-data`.
    init(option: String?, configured: String? = nil) {
        let environment = ProcessInfo.processInfo.environment[Self.environmentKey].flatMap { $0.isEmpty ? nil : $0 }
        path = option ?? environment ?? configured ?? Self.defaultPath
    }

    /// What everyone else on the machine must not see: messages, tokens, the domain's database.
    static let mode = 0o750

    /// Makes the folder, closed to others. One that is open to others is closed.
    func make() throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: Self.mode])
        } catch {
            throw CommandFailure("\(path) cannot be made: \(FileProblem.sentence(error))", advice: "Choose another data directory with --data.")
        }
        guard let now = try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int, now & ~Self.mode != 0 else { return }
        do {
            try FileManager.default.setAttributes([.posixPermissions: now & Self.mode], ofItemAtPath: path)
        } catch {
            throw CommandFailure(
                "\(path) is open to others on this machine (mode \(String(now, radix: 8))), and this user can't close it.",
                advice: "Let its owner run `chmod 750 \(path)`.")
        }
    }

    /// Refuses a directory that is there and that this user can't look into: what is in it would seem not to be there.
    func checkReadable() throws {
        for folder in [path, runDirectory, tokenDirectory] where access(folder, R_OK | X_OK) != 0 && errno == EACCES {
            throw Self.unreadable(folder)
        }
    }

    private static func unreadable(_ file: String) -> CommandFailure {
        CommandFailure(
            "\(file) can't be read by the user “\(NSUserName())”.", advice: "Run this as the user who started the cluster: `ls -ld \(file)` shows who that is.")
    }

    var runDirectory: String { path + "/run" }
    var tokenDirectory: String { path + "/tokens" }
    var tlsDirectory: String { path + "/tls" }

    func hasToken(of principal: String) -> Bool { FileManager.default.fileExists(atPath: "\(tokenDirectory)/\(principal)") }

    /// The token that the broker made for a principal.
    func token(of principal: String) throws -> String {
        guard !principal.contains("/"), !principal.hasPrefix("."), !principal.isEmpty else {
            throw CommandFailure("“\(principal)” is no principal's name.", advice: "The names are those of the files in \(tokenDirectory).")
        }
        let file = "\(tokenDirectory)/\(principal)"
        try checkReadable()
        guard FileManager.default.fileExists(atPath: file) else {
            if !FileManager.default.fileExists(atPath: tokenDirectory) {
                throw CommandFailure(
                    "there are no tokens in \(tokenDirectory).",
                    advice: "Start the cluster with `spindle up`, or say with --data (or $\(Self.environmentKey)) where its data directory is.")
            }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: tokenDirectory))?.sorted() ?? []
            throw CommandFailure("there is no token of “\(principal)” in \(tokenDirectory).", advice: "There are: \(names.joined(separator: ", ")).")
        }
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            defer { try? handle.close() }
            let data = try handle.read(upToCount: Self.tokenBytesMax) ?? Data()
            return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw Self.unreadable(file)
        }
    }

    /// Where the cluster in this folder listens, as the last `spindle up` wrote it down. Nil when it never ran.
    func endpoints() -> ClusterEndpoints? {
        guard let data = FileManager.default.contents(atPath: "\(runDirectory)/\(ClusterEndpoints.fileName)") else { return nil }
        return try? JSONDecoder().decode(ClusterEndpoints.self, from: data)
    }
}

/// Where a cluster on this machine listens.
struct ClusterEndpoints: Codable, Equatable {
    static let fileName = "endpoints.json"

    struct Endpoint: Codable, Equatable, CustomStringConvertible {
        var host: String
        var port: Int
        var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// The broker's plaintext port.
    var broker: Endpoint?
    /// The broker's port with TLS.
    var brokerTLS: Endpoint?
    /// `/metrics`, `/healthz` and `/readyz` of the broker.
    var operations: Endpoint?
    /// The first web server.
    var web: Endpoint?
    /// Whether the web server speaks HTTPS.
    var webHasTLS: Bool?
    /// Its port in the clear that leads to HTTPS.
    var webRedirect: Int?

    /// The page's address, without a slash at the end.
    var webURL: String? { web.map { "\(webHasTLS ?? false ? "https" : "http")://\($0)" } }

    /// What a cluster with this port base has.
    init(_ ports: PortBaseArgument) {
        func local(_ port: Int) -> Endpoint { Endpoint(host: "127.0.0.1", port: port) }
        broker = local(ports.plain)
        brokerTLS = local(ports.tls)
        operations = local(ports.operations)
        web = local(ports.web)
    }

    /// What the configuration describes, as seen from one of its hosts.
    /// - Parameter host: nil: all of it is on this machine.
    init(_ configuration: ClusterConfiguration, host: String? = nil) {
        func reachable(_ listen: String, _ port: Int) -> Endpoint {
            Endpoint(host: ["0.0.0.0", "::", ""].contains(listen) ? "127.0.0.1" : listen, port: port)
        }
        if let host, let first = configuration.brokers.first, first.host != host {
            // Only its TLS port is open to others.
            if first.tls != nil, let port = first.ports.tls, let address = configuration.address(ofHost: first.host) {
                brokerTLS = Endpoint(host: address, port: port)
            }
        } else if let first = configuration.brokers.first {
            broker = first.ports.plain.map { reachable(first.listen.plain, $0) }
            brokerTLS = first.tls == nil ? nil : first.ports.tls.map { reachable(first.listen.tls, $0) }
            operations = first.ports.operations.map { reachable(first.listen.operations, $0) }
        }
        let first = configuration.webs.first
        web = first.map { web in
            guard let host, web.host != host, let address = configuration.address(ofHost: web.host) else { return reachable(web.listen, web.port) }
            return Endpoint(host: address, port: web.port)
        }
        webHasTLS = first?.tls != nil
        webRedirect = first?.redirectPort
    }

    func write(to directory: DataDirectory) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try FileManager.default.createDirectory(atPath: directory.runDirectory, withIntermediateDirectories: true)
        try encoder.encode(self).write(to: URL(fileURLWithPath: "\(directory.runDirectory)/\(Self.fileName)"), options: .atomic)
    }
}
