import Foundation
import SpindleCluster
import Testing

/// Runs the machine's `openssl`, which shares no code with the library under test.
enum OpenSSL {
    /// - Returns: exit code, and both outputs.
    static func run(_ arguments: [String]) throws -> (code: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}

@Suite struct CertificateFilesTests {
    let folder: TemporaryFolder
    let files: CertificateFiles

    init() throws {
        folder = try TemporaryFolder()
        files = CertificateFiles(directory: folder.path + "/tls")
    }

    private func initialize(replacing: Bool = false) throws -> [CertificateFiles.Issued] {
        try files.initialize(
            cluster: "test", servers: [.init(name: "broker-1", hosts: ["spindle.example.internal", "10.1.2.3", "fd00::7"])], clients: ["worker", "addin"],
            replacingAuthority: replacing)
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test func opensslAcceptsWhatWasIssued() throws {
        let issued = try initialize()
        #expect(issued.map(\.name) == ["Spindle authority of test", "broker-1", "worker", "addin"])
        let authority = files.authorityPath
        #expect(try OpenSSL.run(["verify", "-x509_strict", "-CAfile", authority, "-purpose", "sslserver", "-verify_hostname", "spindle.example.internal", issued[1].certificatePath]).code == 0)
        for address in ["10.1.2.3", "fd00::7", "127.0.0.1", "::1"] {
            #expect(try OpenSSL.run(["verify", "-CAfile", authority, "-verify_ip", address, issued[1].certificatePath]).code == 0, "\(address)")
        }
        #expect(try OpenSSL.run(["verify", "-CAfile", authority, "-verify_hostname", "localhost", issued[1].certificatePath]).code == 0)
        #expect(try OpenSSL.run(["verify", "-x509_strict", "-CAfile", authority, "-purpose", "sslclient", issued[2].certificatePath]).code == 0)
        // And refuses what it must: another host, the wrong purpose, another authority.
        #expect(try OpenSSL.run(["verify", "-CAfile", authority, "-verify_hostname", "evil.example", issued[1].certificatePath]).code != 0)
        #expect(try OpenSSL.run(["verify", "-CAfile", authority, "-purpose", "sslclient", issued[1].certificatePath]).code != 0)
        #expect(try OpenSSL.run(["verify", "-CAfile", authority, "-purpose", "sslserver", issued[2].certificatePath]).code != 0)
        let other = CertificateFiles(directory: folder.path + "/other")
        _ = try other.initialize(cluster: "other", servers: [], clients: [])
        #expect(try OpenSSL.run(["verify", "-CAfile", other.authorityPath, issued[1].certificatePath]).code != 0)
    }

    @Test func whatTheCertificatesSay() throws {
        let issued = try initialize()
        let authority = try OpenSSL.run(["x509", "-noout", "-text", "-in", issued[0].certificatePath]).output
        for part in ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "ASN1 OID: prime256v1", "ecdsa-with-SHA256"] { #expect(authority.contains(part), "\(part)") }
        let server = try OpenSSL.run(["x509", "-noout", "-text", "-in", issued[1].certificatePath]).output
        for part in ["CN = broker-1", "TLS Web Server Authentication", "CA:FALSE", "DNS:spindle.example.internal", "IP Address:10.1.2.3", "DNS:localhost", "IP Address:127.0.0.1", "Digital Signature"] {
            #expect(server.contains(part) || server.contains(part.replacing(" = ", with: "=")), "\(part)")
        }
        let client = try OpenSSL.run(["x509", "-noout", "-text", "-subject", "-in", issued[2].certificatePath]).output
        #expect(client.contains("TLS Web Client Authentication") && !client.contains("TLS Web Server"))
        #expect(client.contains("CN = worker") || client.contains("CN=worker"))
        // Still valid a day before its end, no longer a day after it.
        for (index, days) in [(0, 3650), (1, 825), (2, 825)] {
            #expect(try OpenSSL.run(["x509", "-noout", "-checkend", "\((days - 1) * 86400)", "-in", issued[index].certificatePath]).code == 0)
            #expect(try OpenSSL.run(["x509", "-noout", "-checkend", "\((days + 1) * 86400)", "-in", issued[index].certificatePath]).code == 1)
        }
    }

    @Test func keysBelongToTheirCertificatesAndToNobodyElse() throws {
        let issued = try initialize()
        #expect(try mode(files.directory) == 0o700)
        for one in issued {
            #expect(try mode(one.keyPath) == 0o600)
            let fromCertificate = try OpenSSL.run(["x509", "-noout", "-pubkey", "-in", one.certificatePath]).output
            let fromKey = try OpenSSL.run(["pkey", "-pubout", "-in", one.keyPath])
            #expect(fromKey.code == 0 && fromKey.output == fromCertificate)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: files.directory).count == issued.count * 2)
    }

    @Test func anAuthorityIsNotReplacedUnlessAsked() throws {
        let issued = try initialize()
        let before = try String(contentsOfFile: files.authorityPath, encoding: .utf8)
        #expect(throws: CertificateFilesError.authorityExists(path: files.authorityPath)) { try initialize() }
        #expect(try String(contentsOfFile: files.authorityPath, encoding: .utf8) == before)
        let replaced = try initialize(replacing: true)
        #expect(try String(contentsOfFile: files.authorityPath, encoding: .utf8) != before)
        #expect(replaced.map(\.certificatePath) == issued.map(\.certificatePath))
        #expect(try OpenSSL.run(["verify", "-CAfile", files.authorityPath, replaced[1].certificatePath]).code == 0)
    }

    @Test func oneMoreFromTheAuthorityThatIsThere() throws {
        _ = try initialize()
        let web = try files.issueServer(.init(name: "web", hosts: ["files.example.internal"]))
        let client = try files.issueClient("web")
        #expect(web.certificatePath != client.certificatePath)
        for one in [web, client] { #expect(try OpenSSL.run(["verify", "-CAfile", files.authorityPath, one.certificatePath]).code == 0) }
        #expect(throws: CertificateFilesError.certificateExists(path: client.certificatePath)) { try files.issueClient("web") }
        let before = try String(contentsOfFile: client.certificatePath, encoding: .utf8)
        _ = try files.issueClient("web", replacing: true)
        #expect(try String(contentsOfFile: client.certificatePath, encoding: .utf8) != before)
    }

    @Test func badNamesAreFoundBeforeAFileIsWritten() {
        for (servers, clients) in [
            ([CertificateFiles.Server(name: "b", hosts: ["not a host"])], []), ([.init(name: "b", hosts: ["10.0.0.256"])], []), ([.init(name: "ca", hosts: [])], []),
            ([.init(name: "client-x", hosts: [])], []), ([], ["../x"]), ([], [""]), ([], [String(repeating: "a", count: 65)]), ([], [".hidden"]),
        ] as [([CertificateFiles.Server], [String])] {
            #expect(throws: CertificateFilesError.self, "\(servers) \(clients)") { try files.initialize(cluster: "test", servers: servers, clients: clients) }
            #expect(!FileManager.default.fileExists(atPath: files.directory))
        }
    }

    @Test func anAuthorityThatCannotIssueIsNamed() throws {
        #expect(throws: CertificateFilesError.authorityMissing(path: files.authorityPath)) { try files.issueClient("worker") }
        _ = try initialize()
        let future = Date().addingTimeInterval(3651 * 86400)
        func reason(now: Date = Date()) -> String {
            do {
                _ = try files.issueClient("late", now: now)
                return ""
            } catch { return error.description }
        }
        #expect(reason(now: future).contains("it expired on"))
        try "nonsense".write(toFile: files.authorityKeyPath, atomically: true, encoding: .utf8)
        #expect(reason().contains("no readable P-256 private key"))
        let foreign = CertificateFiles(directory: folder.path + "/foreign")
        _ = try foreign.initialize(cluster: "foreign", servers: [], clients: [])
        try String(contentsOfFile: foreign.authorityKeyPath, encoding: .utf8).write(toFile: files.authorityKeyPath, atomically: true, encoding: .utf8)
        #expect(reason().contains("it is not the key of"))
        try String(contentsOfFile: files.directory + "/client-worker.pem", encoding: .utf8).write(toFile: files.authorityPath, atomically: true, encoding: .utf8)
        try String(contentsOfFile: files.directory + "/client-worker.key", encoding: .utf8).write(toFile: files.authorityKeyPath, atomically: true, encoding: .utf8)
        #expect(reason().contains("not an authority's certificate"))
    }
}
