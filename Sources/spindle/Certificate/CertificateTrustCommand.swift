import ArgumentParser
import Foundation
import QRCode
import SpindleCluster

struct CertificateTrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Print what people need to trust the authority: its fingerprint, and the page that explains how.",
        discussion: """
            Tell people the fingerprint in person, by telephone or on paper, not by mail. They compare it with what their device shows
            before they install the authority.

            Example:
              spindle cert trust --config cluster-config/intranet.yaml
            """)

    @OptionGroup var options: CertificateOptions

    private struct Line: Encodable {
        let name: String
        let sha256: String
        let sha1: String
        let notAfter: String
        let certificate: String
        let pages: [String]
    }

    func run() async throws {
        var cluster = try ClusterOptions.load(options.config)
        let directory = DataDirectory(option: options.data, configured: cluster.dataDirectory)
        cluster.dataDirectory = directory.path
        // With other ports than the description's, where it was started so.
        if let endpoints = directory.endpoints() { cluster.use(endpoints) }
        let file = cluster.authorityFile
        let authority: AuthorityCertificate
        do {
            authority = try AuthorityCertificate(file: file)
        } catch {
            throw CommandFailure("\(error)", advice: "Make the authority with `spindle cert init`, or say with --data where the data directory is.")
        }
        let pages = cluster.webs.compactMap { $0.trustURL(in: cluster) }
        let end = authority.notValidAfter.formatted(.iso8601)
        if options.json {
            try Output.json(
                Line(name: authority.name, sha256: authority.sha256, sha1: authority.sha1, notAfter: end, certificate: file, pages: pages))
            return
        }
        Output.line("\(authority.name), valid until \(end)")
        Output.line("SHA-256  \(authority.sha256)")
        Output.line("SHA-1    \(authority.sha1)")
        for page in pages {
            Output.line("")
            Output.line(page)
            if let code = try? QRCode(page) { code.terminalLines().forEach(Output.line) }
        }
    }
}
