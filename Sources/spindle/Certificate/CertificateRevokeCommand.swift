import ArgumentParser
import Foundation
import SpindleCluster

struct CertificateRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Refuse a certificate from now on, with every other one of its key.",
        discussion: """
            Brokers of this data directory notice within two seconds: they end the client's connections and refuse it whatever it
            authenticates by. The certificate and its key are removed here, so that `spindle cert issue` makes others.

            Example:
              spindle cert revoke addin
              spindle cert revoke /root/backup/client-laptop-7.pem
            """)

    @OptionGroup var options: CertificateOptions

    @Argument(help: "A server's or client's name; client-NAME is the client where a server has the same name. Or a certificate's file.")
    var name: String

    private struct Line: Encodable {
        let name: String
        let serial: String?
        let keyDigest: String?
        let list: String
        let isNew: Bool
    }

    func run() async throws {
        let files = try options.files()
        let entry: RevocationList.Entry?
        do {
            entry = try files.revoke(name)
        } catch {
            throw CommandFailure("\(error)")
        }
        if options.json {
            try Output.json(
                Line(name: entry?.name ?? name, serial: entry?.serial, keyDigest: entry?.keyDigest, list: files.revocationPath, isNew: entry != nil))
        } else if let entry {
            Output.line("\(entry.name), serial number \(entry.serial): revoked. Brokers here notice within two seconds.")
            Output.line("Where the broker is on another machine, copy \(files.revocationPath) to its tls/.")
        } else {
            Output.line("\(name) was revoked before.")
        }
    }
}
