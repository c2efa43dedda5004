import ArgumentParser
import Foundation
import Glibc
import SpindleCluster

struct HostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "Take another machine into the cluster, with one file.",
        subcommands: [HostAddCommand.self, HostJoinCommand.self])
}

struct HostAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Make one file with all that another host needs: certificates, tokens, the description.",
        discussion: """
            Run it where `spindle cert init` was run and the broker has been started once. Certificates that are missing are issued. The
            authority's key is never in it. Who reads the file can act as that host: copy it by a safe way, and delete it afterwards.

            Example:
              spindle host add files-host --config /etc/spindle/cluster.yaml
            """)

    @Argument(help: "The host, as the description calls it.")
    var host: String

    @Option(help: ArgumentHelp("The cluster's description.", valueName: "file"))
    var config: String

    @Option(help: ArgumentHelp("The data directory. (default: $SPINDLE_DATA, else the description's)", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The file that is made. (default: HOST.spindle in this folder)", valueName: "file"))
    var to: String?

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    private struct Line: Encodable {
        let host: String
        let file: String
        let holds: [String]
        let issued: [String]
    }

    func run() async throws {
        let cluster = try ClusterOptions.load(config)
        let directory = DataDirectory(option: data, configured: cluster.dataDirectory)
        guard let address = cluster.address(ofHost: host) else {
            throw CommandFailure(
                "the description has no host “\(host)”.",
                advice: "Add it under `hosts:`. It has: \(cluster.hosts.map(\.name).joined(separator: ", ")).")
        }
        try directory.checkReadable()
        let path = to ?? "\(host).spindle"
        guard !FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure("\(path) is there already.", advice: "Delete it, or name another file with --to.")
        }
        let needed = HostFiles(cluster, host: host).paths
        try Self.checkKnown(needed, cluster)
        let certificates = HostCertificates(cluster: cluster, host: host, files: CertificateFiles(directory: directory.tlsDirectory))
        let issued = try certificates.issueMissing(needed, in: directory)
        let bundle = HostBundle(
            cluster: cluster.name, host: host, description: try Self.text(config), files: try needed.map { try Self.file($0, in: directory) })
        do {
            try SyncedFile.write(bytes: try bundle.encoded(), to: path, mode: 0o600)
        } catch {
            throw CommandFailure("\(path) can't be written: \(error)", advice: "Name another file with --to.")
        }
        if json { return try Output.json(Line(host: host, file: path, holds: needed, issued: issued)) }
        for file in needed { Output.line("\(file)\(issued.contains(file) ? "  issued now" : "")") }
        let name = URL(fileURLWithPath: path).lastPathComponent
        Output.line("")
        Output.line("Copy it to \(host), open it there, and delete both copies:")
        Output.line("  scp -p \(path) \(address):")
        Output.line("  spindle host join \(name)        # on \(host)")
    }

    /// A broker knows principals by the certificates that the description names; another one would be refused at every connection.
    private static func checkKnown(_ paths: [String], _ cluster: ClusterConfiguration) throws {
        for path in paths where path.hasPrefix("tls/client-") && path.hasSuffix(".pem") {
            let name = path.dropFirst("tls/client-".count).dropLast(".pem".count)
            guard !cluster.principals.contains(where: { $0.certificateName.map { $0 == name } ?? false }) else { continue }
            throw CommandFailure(
                "no principal of the description has the certificate “\(name)”: the broker would refuse it.",
                advice: "Write `certificateName: \(name)` below the principal, and start the broker again.")
        }
    }

    private static func text(_ file: String) throws -> String {
        do {
            return try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw CommandFailure("\(file) can't be read: \(FileProblem.sentence(error))")
        }
    }

    private static func file(_ path: String, in directory: DataDirectory) throws -> HostBundle.File {
        let whole = "\(directory.path)/\(path)"
        guard HostBundle.isInside(path) else {
            throw CommandFailure(
                "\(whole) is not below tls/ or tokens/.",
                advice: "Name certificates in the description as tls/NAME.pem, or by absolute paths and copy them yourself.")
        }
        do {
            return HostBundle.File(path: path, content: Array(try Data(contentsOf: URL(fileURLWithPath: whole))))
        } catch {
            throw CommandFailure(
                "\(whole) can't be read: \(FileProblem.sentence(error))",
                advice: path.hasPrefix("tokens/")
                    ? "The broker makes the tokens at its first start: start it once." : "Make certificates with `spindle cert init`.")
        }
    }
}

/// Issues what a host needs and the folder of the authority has not.
private struct HostCertificates {
    let cluster: ClusterConfiguration
    let host: String
    let files: CertificateFiles

    /// - Returns: the paths of the certificates that were made.
    func issueMissing(_ paths: [String], in directory: DataDirectory) throws -> [String] {
        var issued: [String] = []
        for path in paths where path.hasPrefix("tls/") && path.hasSuffix(".pem") && path != "tls/ca.pem" {
            guard !FileManager.default.fileExists(atPath: "\(directory.path)/\(path)") else { continue }
            let name = String(path.dropFirst("tls/".count).dropLast(".pem".count))
            do {
                if name.hasPrefix("client-") {
                    _ = try files.issueClient(String(name.dropFirst("client-".count)))
                } else {
                    _ = try files.issueServer(.init(name: name, hosts: [cluster.address(ofHost: host)].compactMap(\.self)))
                }
            } catch {
                throw CommandFailure("\(error)", advice: "Run this where `spindle cert init` was run: the authority's key is there.")
            }
            issued.append(path)
        }
        return issued
    }
}

struct HostJoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Open the file that `spindle host add` made, on the machine that it was made for.",
        discussion: """
            Puts the description, the certificates and the tokens where they belong. Opened again, as after a renewal, it replaces them; files
            of another cluster only with --replace. Run as root, the files get the owner of the data directory.

            Example:
              spindle host join files-host.spindle
            """)

    @Argument(help: "The file.")
    var file: String

    @Option(help: ArgumentHelp("Where the description goes.", valueName: "file"))
    var config = "/etc/spindle/cluster.yaml"

    @Option(help: ArgumentHelp("The data directory. (default: $SPINDLE_DATA, else the description's)", valueName: "dir"))
    var data: String?

    @Flag(help: "Replace the files of another cluster, or of another authority.")
    var replace = false

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    private struct Line: Encodable {
        let host: String
        let cluster: String
        let config: String
        let data: String
        let files: [String]
    }

    func run() async throws {
        let bundle = try read()
        let cluster: ClusterConfiguration
        do throws(ConfigurationErrors) {
            cluster = try ClusterConfiguration.parse(yaml: bundle.description, fileName: file)
        } catch {
            throw CommandFailure("the description in \(file) is not right:", details: error.errors.map { "  \($0)" }.joined(separator: "\n"))
        }
        guard cluster.address(ofHost: bundle.host) != nil else {
            throw CommandFailure("the description in \(file) has no host “\(bundle.host)”.")
        }
        let directory = DataDirectory(option: data, configured: cluster.dataDirectory)
        try checkSameAuthority(bundle, directory)
        try directory.make()
        try write(bundle, directory)
        if json {
            return try Output.json(
                Line(host: bundle.host, cluster: bundle.cluster, config: config, data: directory.path, files: bundle.files.map(\.path)))
        }
        Output.line("This machine is \(bundle.host) of the cluster “\(bundle.cluster)”: \(config), \(directory.path)")
        Output.line("Delete \(file). Then start what belongs here:")
        Output.line("  spindle up --config \(config) --host \(bundle.host)\(data.map { " --data \($0)" } ?? "")")
    }

    private func read() throws -> HostBundle {
        let data: Data
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            defer { try? handle.close() }
            data = try handle.read(upToCount: HostBundle.bytesMax + 1) ?? Data()
        } catch {
            throw CommandFailure("\(file) can't be read: \(FileProblem.sentence(error))")
        }
        do throws(HostBundle.Failure) {
            return try HostBundle(reading: Array(data))
        } catch {
            throw CommandFailure("\(file) can't be opened: \(error).", advice: "Make it again with `spindle host add` on the broker's host.")
        }
    }

    /// Another cluster's tokens and keys are not replaced by mistake.
    private func checkSameAuthority(_ bundle: HostBundle, _ directory: DataDirectory) throws {
        guard !replace else { return }
        for one in bundle.files where one.path == "tls/ca.pem" {
            guard let there = FileManager.default.contents(atPath: "\(directory.path)/\(one.path)"), Array(there) != one.content else { continue }
            throw CommandFailure(
                "\(directory.path)/\(one.path) is another authority's.", advice: "--replace replaces it; --data names another data directory.")
        }
    }

    private static let writeAdvice = "Run it as a user who may write there, or use --config and --data."

    private func write(_ bundle: HostBundle, _ directory: DataDirectory) throws {
        let owner = Owner(of: directory.path)
        do {
            for one in bundle.files {
                let path = "\(directory.path)/\(one.path)"
                let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
                if !FileManager.default.fileExists(atPath: folder) {
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                    try owner.take(folder)
                }
                try SyncedFile.write(bytes: one.content, to: path, mode: 0o600)
                try owner.take(path)
            }
            let folder = URL(fileURLWithPath: config).deletingLastPathComponent().path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try SyncedFile.write(bundle.description, to: config, mode: 0o644)
        } catch let error as SyncedFile.Failure {
            throw CommandFailure("\(error.path) can't be written: \(error.reason)", advice: Self.writeAdvice)
        } catch let error as OwnerError {
            throw CommandFailure("\(error)", advice: "Run it as the owner of the data directory, or as root.")
        } catch {
            throw CommandFailure("the files can't be written: \(FileProblem.sentence(error))", advice: Self.writeAdvice)
        }
    }
}

/// Whose files a data directory's are.
private struct Owner {
    private let user: uid_t
    private let group: gid_t

    init(of folder: String) {
        let attributes = try? FileManager.default.attributesOfItem(atPath: folder)
        user = (attributes?[.ownerAccountID] as? NSNumber)?.uint32Value ?? 0
        group = (attributes?[.groupOwnerAccountID] as? NSNumber)?.uint32Value ?? 0
    }

    /// Root writes for the user whose directory it is.
    func take(_ path: String) throws {
        guard geteuid() == 0, user != 0 else { return }
        guard lchown(path, user, group) == 0 else { throw OwnerError(path: path, reason: String(cString: strerror(errno))) }
    }
}

private struct OwnerError: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "\(path) can't be given to its owner: \(reason)" }
}
