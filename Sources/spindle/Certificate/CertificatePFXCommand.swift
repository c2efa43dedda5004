import ArgumentParser
import Foundation
import PFX
import SpindleCluster

struct CertificatePFXCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pfx", abstract: "Put a certificate, its key and the authority into one file for Windows and Mono.",
        discussion: """
            The file is encrypted with 3DES and SHA-1, since older Windows and Mono refuse anything newer. It is as safe as its password:
            choose a long one, and delete the file once it is imported.

            Example:
              spindle cert pfx addin --to addin.pfx
              spindle cert pfx client-web --password-file secret.txt
            """)

    @OptionGroup var options: CertificateOptions
    @OptionGroup var password: PasswordOptions

    @Option(help: ArgumentHelp("The file that is made. (default: NAME.pfx in this folder)", valueName: "file"))
    var to: String?

    @Argument(help: "A server's or client's name; client-NAME is the client where a server has the same name.")
    var name: String

    private struct Line: Encodable {
        let name: String
        let file: String
        let notAfter: String
    }

    func run() async throws {
        let files = try options.files()
        let pair = try files.pair(name)
        let path = to ?? "\(name).pfx"
        guard !FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure("\(path) is there already.", advice: "Delete it, or name another file with --to.")
        }
        let pfx: PFX
        do {
            pfx = try PFX(
                certificate: try Self.text(pair.certificatePath), key: try Self.text(pair.keyPath), authority: try Self.text(files.authorityPath),
                name: pair.name, password: try password.text())
        } catch let failure as PFX.Failure {
            throw CommandFailure("\(path) can't be made: \(failure).", advice: "`spindle cert ls` lists the certificates.")
        }
        do throws(SyncedFile.Failure) {
            try SyncedFile.write(bytes: pfx.bytes, to: path, mode: 0o600)
        } catch {
            throw CommandFailure("\(error.path) can't be written: \(error.reason)", advice: "Name another file with --to.")
        }
        let end = pair.notValidAfter.formatted(.iso8601)
        if options.json {
            try Output.json(Line(name: pair.name, file: path, notAfter: end))
        } else {
            Output.line("\(path)  \(pair.name), valid until \(end). Delete it once it is imported.")
        }
    }

    private static func text(_ file: String) throws -> String {
        do {
            return try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw CommandFailure("\(file) can't be read: \(FileProblem.sentence(error))", advice: "Run this where the certificate was issued.")
        }
    }
}
