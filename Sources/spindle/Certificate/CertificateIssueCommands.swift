import ArgumentParser
import Foundation
import SpindleCluster

/// Which folder of certificates a command works on, and how it answers.
struct CertificateOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's description. (default: the built-in one)", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The data directory. (default: $SPINDLE_DATA, else the description's)", valueName: "dir"))
    var data: String?

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    func files() throws -> CertificateFiles {
        let configuration = try ClusterOptions.load(config)
        return CertificateFiles(directory: DataDirectory(option: data, configured: configuration.dataDirectory).tlsDirectory)
    }

    func show(_ issued: CertificateFiles.Issued) throws {
        try CertificateLine(issued).show(json: json)
    }
}

/// What is said of a certificate that was made.
struct CertificateLine: Encodable {
    let name: String
    let certificate: String
    let key: String
    let notAfter: String

    init(_ issued: CertificateFiles.Issued) {
        name = issued.name
        certificate = issued.certificatePath
        key = issued.keyPath
        notAfter = issued.notValidAfter.formatted(.iso8601)
    }

    func show(json: Bool) throws {
        if json {
            try Output.json(self)
        } else {
            Output.line("\(certificate.padded(to: 36))  \(name), valid until \(notAfter)")
        }
    }
}

struct CertificateIssueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issue", abstract: "Issue a certificate for one more client or server.",
        discussion: """
            Without --server: a client's, in client-NAME.pem and client-NAME.key. With --server: a server's, in NAME.pem and NAME.key.

            Example:
              spindle cert issue laptop-7
              spindle cert issue web-2 --server web.example.internal --server 10.1.2.3
            """)

    @OptionGroup var options: CertificateOptions

    @Option(name: .customLong("server"), help: ArgumentHelp("A server, by this name or address; may be repeated.", valueName: "host"))
    var hosts: [String] = []

    @Argument(help: "The client's or server's name.")
    var name: String

    func run() async throws {
        let files = try options.files()
        let issued: CertificateFiles.Issued
        do {
            issued = try hosts.isEmpty ? files.issueClient(name) : files.issueServer(.init(name: name, hosts: hosts))
        } catch CertificateFilesError.certificateExists(let path) {
            throw CommandFailure("\(path) is there already.", advice: "`spindle cert renew \(name)` issues it again; another name makes another one.")
        } catch {
            throw CommandFailure("\(error)")
        }
        try options.show(issued)
    }
}

struct CertificateRenewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew", abstract: "Issue a certificate again, with a new end; key and authority stay.",
        discussion: """
            The key, the name and a server's hosts stay as they are: only the .pem file changes, at once. Copy it to its host, then send
            SIGHUP to the processes that use it. The old certificate stays good until its own end.

            Example:
              spindle cert renew web
              spindle cert renew --all
            """)

    @OptionGroup var options: CertificateOptions

    @Flag(help: "Renew everything that the authority issued.")
    var all = false

    @Argument(help: "A server's or client's name; client-NAME is the client where a server has the same name.")
    var name: String?

    func validate() throws {
        guard (name != nil) != all else { throw ValidationError("Give a name or --all.") }
    }

    func run() async throws {
        let files = try options.files()
        let issued: [CertificateFiles.Issued]
        do {
            issued = if let name { [try files.renew(name)] } else { try files.renewAll() }
        } catch {
            throw CommandFailure("\(error)")
        }
        for certificate in issued { try options.show(certificate) }
    }
}

struct CertificateListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the certificates: name, for whom, end, serial number; and those that were revoked.",
        discussion: """
            Example:
              spindle cert ls --config cluster-config/intranet.yaml
            """)

    @OptionGroup var options: CertificateOptions

    private struct Line: Encodable {
        let name: String
        let purpose: String
        let hosts: [String]
        let notAfter: String
        let serial: String
        let certificate: String
    }

    private struct RevokedLine: Encodable {
        let purpose = "revoked"
        let name: String
        let revokedAt: String
        let serial: String
        let keyDigest: String
    }

    func run() async throws {
        let entries: [CertificateFiles.Entry]
        let revoked: [RevocationList.Entry]
        do {
            let files = try options.files()
            entries = try files.list()
            revoked = try RevocationList(file: files.revocationPath).entries
        } catch let error as CertificateFilesError {
            throw CommandFailure("\(error)")
        }
        for entry in entries {
            let end = entry.notValidAfter.formatted(.iso8601)
            if options.json {
                try Output.json(
                    Line(
                        name: entry.name, purpose: entry.purpose.rawValue, hosts: entry.hosts, notAfter: end, serial: entry.serial,
                        certificate: entry.certificatePath))
            } else {
                let hosts = entry.hosts.isEmpty ? "" : "  \(entry.hosts.joined(separator: ", "))"
                Output.line("\(entry.name.padded(to: 28))  \(entry.purpose.rawValue.padded(to: 9))  \(end)  \(entry.serial)\(hosts)")
            }
        }
        for entry in revoked {
            let at = entry.revokedAt.formatted(.iso8601)
            if options.json {
                try Output.json(RevokedLine(name: entry.name, revokedAt: at, serial: entry.serial, keyDigest: entry.keyDigest))
            } else {
                Output.line("\(entry.name.padded(to: 28))  \("revoked".padded(to: 9))  \(at)  \(entry.serial)")
            }
        }
    }
}
