import ArgumentParser
import Foundation
import SpindleCluster

/// Gathers what another host of the cluster needs.
struct ConfigExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Gather what must be copied to another host of the cluster: its certificates and tokens, and nothing else.",
        discussion: """
            Run it where `spindle cert init` was run and the broker has been started once. DIR gets cluster.yaml and data/; the authority's key
            is never among it. Copy it with the two commands that are printed.

            Example:
              spindle config export files-host --config cluster.yaml --to /root/files-host
            """)

    @Argument(help: "The host, as the description calls it.")
    var host: String

    @Option(help: ArgumentHelp("The cluster's description.", valueName: "file"))
    var config: String

    @Option(help: ArgumentHelp("The data directory. (default: $SPINDLE_DATA, else the description's)", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The folder that is made.", valueName: "dir"))
    var to: String

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    private struct Line: Encodable { let file: String }

    func run() async throws {
        let cluster = try ClusterOptions.load(config)
        let directory = DataDirectory(option: data, configured: cluster.dataDirectory)
        guard let address = cluster.address(ofHost: host) else {
            throw CommandFailure("the description has no host “\(host)”.", advice: "It has: \(cluster.hosts.map(\.name).joined(separator: ", ")).")
        }
        let files = HostFiles(cluster, host: host)
        try directory.checkReadable()
        for file in files.paths where !FileManager.default.fileExists(atPath: "\(directory.path)/\(file)") {
            throw CommandFailure(
                "\(directory.path)/\(file) is not there.",
                advice: file.hasPrefix("tokens/")
                    ? "The broker makes the tokens at its first start: start it once." : "Make certificates with `spindle cert init --config \(config)`.")
        }
        try copy(files.paths, from: directory.path)
        if json {
            for file in files.paths { try Output.json(Line(file: file)) }
            return
        }
        for file in files.paths { Output.line("\(to)/data/\(file)") }
        Output.line("")
        Output.line("Copy them to \(host), as a user who may write there:")
        Output.line("  scp -pr \(to)/data/. \(address):\(cluster.dataDirectory)/")
        Output.line("  scp -p \(to)/cluster.yaml \(address):/etc/spindle/cluster.yaml")
    }

    private func copy(_ paths: [String], from directory: String) throws {
        let manager = FileManager.default
        do {
            guard !manager.fileExists(atPath: to) else {
                throw CommandFailure("\(to) is there already.", advice: "Choose a folder that is not there yet with --to.")
            }
            for folder in [to, "\(to)/data"] {
                try manager.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
            for path in paths {
                let target = "\(to)/data/\(path)"
                try manager.createDirectory(
                    atPath: URL(fileURLWithPath: target).deletingLastPathComponent().path, withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700])
                try manager.copyItem(atPath: "\(directory)/\(path)", toPath: target)
                try manager.setAttributes([.posixPermissions: 0o600], ofItemAtPath: target)
            }
            try manager.copyItem(atPath: config, toPath: "\(to)/cluster.yaml")
        } catch let error as CommandFailure {
            throw error
        } catch {
            throw CommandFailure("the files cannot be copied to \(to): \(error.localizedDescription)")
        }
    }
}

/// What the processes of one host read besides what they make themselves, below the data directory.
struct HostFiles {
    /// Without doubles, sorted.
    let paths: [String]

    init(_ cluster: ClusterConfiguration, host: String) {
        var paths: Set<String> = []
        /// A path of the description; absolute ones are the operator's own matter.
        func add(_ path: String) { if !path.hasPrefix("/") { paths.insert(path) } }
        /// What a client of a broker on another host shows.
        func addClient(_ principal: String) {
            guard !cluster.brokers.contains(where: { $0.host == host }), let tls = cluster.brokers.lazy.compactMap(\.tls).first else { return }
            add(tls.authority)
            let name = cluster.principals.first { $0.name == principal }?.certificateName ?? principal
            add("tls/client-\(name).pem")
            add("tls/client-\(name).key")
        }
        for broker in cluster.brokers where broker.host == host {
            for path in [broker.tls?.authority, broker.tls?.certificate, broker.tls?.key].compactMap(\.self) { add(path) }
        }
        for web in cluster.webs where web.host == host {
            addClient(web.principal)
            for path in [web.tls?.certificate, web.tls?.key].compactMap(\.self) { add(path) }
            // The API knows its callers by their tokens. A broker on the same host makes them.
            guard !cluster.brokers.contains(where: { $0.host == host }) else { continue }
            for principal in cluster.principals where principal.role != .none { add("tokens/\(principal.name)") }
        }
        for group in cluster.workers where group.host == host { addClient(group.principal) }
        if let addin = cluster.addin, addin.host == host { addClient(addin.principal) }
        self.paths = paths.sorted()
    }
}
