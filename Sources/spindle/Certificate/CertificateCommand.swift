import ArgumentParser
import Foundation
import SpindleCluster

struct CertificateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cert", abstract: "The company's own certificate authority for a cluster.",
        subcommands: [
            CertificateInitCommand.self, CertificateIssueCommand.self, CertificateRenewCommand.self, CertificateListCommand.self,
            CertificateTrustCommand.self, CertificatePFXCommand.self,
            CertificateRevokeCommand.self,
        ])
}

struct CertificateInitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make an authority, a certificate for each broker and web server, and one for each principal.",
        discussion: """
            Files go to DIR/tls: ca.pem and ca.key, NAME.pem and NAME.key for servers, client-NAME.pem and client-NAME.key for
            principals. ca.key signs for the whole cluster: keep it where nobody else can read it.

            Example:
              spindle cert init --config cluster-config/intranet.yaml --data /var/lib/spindle
              spindle cert init --host broker.example.internal
            """)

    @Option(help: ArgumentHelp("The cluster's description. (default: the built-in one)", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The data directory. (default: $SPINDLE_DATA, else the description's)", valueName: "dir"))
    var data: String?

    @Option(name: .customLong("host"), help: ArgumentHelp("A further name or address by which clients reach the servers; may be repeated.", valueName: "name"))
    var hosts: [String] = []

    @Flag(help: "Replace an authority that is there. What it issued is worth nothing afterwards.")
    var replace = false

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    func run() async throws {
        let configuration = try ClusterOptions.load(config)
        let directory = DataDirectory(option: data, configured: configuration.dataDirectory)
        var servers = configuration.brokers.map { broker in
            CertificateFiles.Server(name: broker.name, hosts: [configuration.address(ofHost: broker.host)].compactMap(\.self) + hosts)
        }
        for web in configuration.webs {
            servers.append(CertificateFiles.Server(name: web.name, hosts: [configuration.address(ofHost: web.host)].compactMap(\.self) + hosts))
        }
        let files = CertificateFiles(directory: directory.tlsDirectory)
        let issued: [CertificateFiles.Issued]
        do {
            issued = try files.initialize(
                cluster: configuration.name, servers: servers, clients: configuration.principals.map { $0.certificateName ?? $0.name },
                replacingAuthority: replace)
        } catch CertificateFilesError.authorityExists(let path) {
            throw CommandFailure("\(path) is there already.", advice: "--replace makes another one; what the old one issued is worth nothing then.")
        } catch {
            throw CommandFailure("\(error)")
        }
        for certificate in issued { try CertificateLine(certificate).show(json: json) }
    }
}
