import Foundation
import SpindleCluster
import Testing

@Suite struct CertificateListTests {
    let folder: TemporaryFolder
    let files: CertificateFiles

    init() throws {
        folder = try TemporaryFolder()
        files = CertificateFiles(directory: folder.path + "/tls")
        _ = try files.initialize(
            cluster: "test", servers: [.init(name: "web", hosts: ["spindle.example.internal", "10.1.2.3", "fd00::7"])], clients: ["web", "addin"])
    }

    private func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(files.directory)/\(name)")) }

    @Test func theListTellsNamePurposeHostsAndTheSerialThatOpensslReads() throws {
        let entries = try files.list()
        #expect(entries.map(\.name) == ["Spindle authority of test", "addin", "web", "web"])
        #expect(entries.map(\.purpose) == [.authority, .client, .client, .server])
        #expect(entries[3].hosts == ["spindle.example.internal", "10.1.2.3", "fd00:0:0:0:0:0:0:7", "localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"])
        for entry in entries {
            let told = try OpenSSL.run(["x509", "-in", entry.certificatePath, "-noout", "-serial"]).output
            #expect(told.trimmingCharacters(in: .whitespacesAndNewlines).lowercased() == "serial=\(entry.serial)")
        }
    }

    @Test func aDamagedCertificateIsNotMissingFromTheListInSilence() throws {
        try Data("nothing".utf8).write(to: URL(fileURLWithPath: "\(files.directory)/addin.pem"))
        #expect(throws: CertificateFilesError.self) { try files.list() }
    }

    @Test func renewalKeepsAuthorityHostsAndKeyAndChangesSerialAndEnd() throws {
        let old = try files.list()[3]
        let authority = try bytes("ca.pem")
        let key = try bytes("web.key")
        let client = try bytes("client-web.pem")
        let issued = try files.renew("web", now: Date(timeIntervalSinceNow: 86_400))
        let new = try files.list()[3]
        #expect(try bytes("ca.pem") == authority)
        #expect(try bytes("web.key") == key)
        #expect(try bytes("client-web.pem") == client)
        #expect(new.hosts == old.hosts)
        #expect(new.serial != old.serial)
        #expect(new.notValidAfter > old.notValidAfter)
        // The clock of openssl is a day behind the renewal's.
        let tomorrow = "\(Int(Date(timeIntervalSinceNow: 90_000).timeIntervalSince1970))"
        #expect(
            try OpenSSL.run([
                "verify", "-x509_strict", "-attime", tomorrow, "-CAfile", files.authorityPath, "-purpose", "sslserver", "-verify_ip", "fd00::7",
                issued.certificatePath,
            ]).code == 0)
    }

    @Test func theClientOfAServersNameIsRenewedByItsFilesName() throws {
        let server = try bytes("web.pem")
        #expect(try files.renew("client-web").name == "web")
        #expect(try bytes("web.pem") == server)
        #expect(try files.list()[2].purpose == .client)
    }

    /// A key beside a certificate that it doesn't fit is found, and not made worse.
    @Test func aKeyOfAnotherIsNotRenewed() throws {
        let (certificate, other) = (try bytes("web.pem"), try bytes("client-addin.key"))
        try other.write(to: URL(fileURLWithPath: "\(files.directory)/web.key"))
        #expect(
            throws: CertificateFilesError.keyOfAnother(keyPath: "\(files.directory)/web.key", certificatePath: "\(files.directory)/web.pem")
        ) { try files.renew("web") }
        #expect(try bytes("web.pem") == certificate)
        #expect(try bytes("web.key") == other)
    }

    /// The machine stopped after the key was written: the next try completes it.
    @Test func anInterruptedIssueIsCompletedWithItsKey() throws {
        let key = try bytes("client-addin.key")
        try FileManager.default.removeItem(atPath: "\(files.directory)/client-addin.pem")
        _ = try files.issueClient("addin")
        #expect(try bytes("client-addin.key") == key)
        let of = { (arguments: [String]) in try OpenSSL.run(arguments).output }
        #expect(
            try of(["x509", "-in", "\(files.directory)/client-addin.pem", "-noout", "-pubkey"])
                == of(["pkey", "-in", "\(files.directory)/client-addin.key", "-pubout"]))
        #expect(throws: CertificateFilesError.self) { try files.issueClient("addin") }
    }

    @Test func renewalOfAllLeavesOutWhatAnotherAuthorityIssued() throws {
        let other = CertificateFiles(directory: folder.path + "/other")
        _ = try other.initialize(cluster: "other", servers: [], clients: ["guest"])
        for file in ["client-guest.pem", "client-guest.key"] {
            try FileManager.default.copyItem(atPath: "\(other.directory)/\(file)", toPath: "\(files.directory)/\(file)")
        }
        let guest = try bytes("client-guest.pem")
        #expect(try files.renewAll().map(\.name) == ["addin", "web", "web"])
        #expect(try bytes("client-guest.pem") == guest)
    }

    @Test func whatIsNotThereOrTheAuthorityCannotBeRenewed() throws {
        #expect(throws: CertificateFilesError.certificateMissing(name: "nobody", directory: files.directory)) { try files.renew("nobody") }
        #expect(throws: CertificateFilesError.certificateMissing(name: "ca", directory: files.directory)) { try files.renew("ca") }
    }
}

@Suite struct AuthorityCertificateTests {
    @Test func fingerprintsAreThoseThatOpensslReads() throws {
        let folder = try TemporaryFolder()
        let files = CertificateFiles(directory: folder.path + "/tls")
        let issued = try files.initialize(cluster: "test", servers: [.init(name: "web", hosts: ["a.example"])], clients: [])
        let authority = try AuthorityCertificate(file: files.authorityPath)
        for (kind, told) in [("sha256", authority.sha256), ("sha1", authority.sha1)] {
            let output = try OpenSSL.run(["x509", "-in", files.authorityPath, "-noout", "-fingerprint", "-\(kind)"]).output
            #expect(output.trimmingCharacters(in: .newlines).split(separator: "=").last.map(String.init) == told)
        }
        #expect(try authority.pem == String(contentsOfFile: files.authorityPath, encoding: .utf8))
        #expect(try authority.issued(issued[1].certificatePath))
    }

    /// Of the same name, with another key.
    @Test func anotherAuthoritysCertificateIsNotOurs() throws {
        let folder = try TemporaryFolder()
        let (files, others) = (CertificateFiles(directory: folder.path + "/tls"), CertificateFiles(directory: folder.path + "/others"))
        _ = try files.initialize(cluster: "test", servers: [], clients: [])
        let issued = try others.initialize(cluster: "test", servers: [.init(name: "web", hosts: ["a.example"])], clients: [])
        #expect(try !AuthorityCertificate(file: files.authorityPath).issued(issued[1].certificatePath))
        #expect(throws: CertificateFilesError.self) { try AuthorityCertificate(file: issued[1].keyPath) }
    }
}

@Suite struct RevocationListTests {
    let folder: TemporaryFolder
    let files: CertificateFiles

    init() throws {
        folder = try TemporaryFolder()
        files = CertificateFiles(directory: folder.path + "/tls")
        _ = try files.initialize(cluster: "test", servers: [.init(name: "web", hosts: [])], clients: ["addin", "web"])
    }

    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(files.directory)/\(name)") }

    @Test func theListHasTheKeyThatOpensslReads() throws {
        let certificate = "\(files.directory)/client-addin.pem"
        let key = folder.path + "/key"
        #expect(try OpenSSL.run(["x509", "-in", certificate, "-noout", "-pubkey", "-out", key]).code == 0)
        #expect(try OpenSSL.run(["pkey", "-pubin", "-in", key, "-outform", "der", "-out", key + ".der"]).code == 0)
        let digest = try OpenSSL.run(["dgst", "-sha256", "-r", key + ".der"]).output.prefix(64)
        let serial = try files.list()[1].serial
        let now = Date(timeIntervalSince1970: 1_796_000_000)
        let entry = try #require(try files.revoke("addin", now: now))
        #expect(entry == RevocationList.Entry(keyDigest: String(digest), revokedAt: now, serial: serial, name: "addin"))
        #expect(try RevocationList(file: files.revocationPath).entries == [entry], "what was written is read")
    }

    @Test func whatIsRevokedIsRemovedAndIssuedWithAnotherKey() throws {
        let key = try String(contentsOfFile: "\(files.directory)/client-addin.key", encoding: .utf8)
        let copy = folder.path + "/copy.pem"
        try FileManager.default.copyItem(atPath: "\(files.directory)/client-addin.pem", toPath: copy)
        #expect(try files.revoke("addin") != nil)
        #expect(!exists("client-addin.pem") && !exists("client-addin.key"))
        #expect(throws: CertificateFilesError.certificateMissing(name: "addin", directory: files.directory)) { try files.revoke("addin") }
        #expect(try files.revoke(copy) == nil, "it was revoked before")
        // The key came back from a backup: it is not used again.
        try key.write(toFile: "\(files.directory)/client-addin.key", atomically: true, encoding: .utf8)
        let issued = try files.issueClient("addin")
        #expect(try String(contentsOfFile: issued.keyPath, encoding: .utf8) != key)
        // And so did the certificate: it is not renewed.
        try key.write(toFile: issued.keyPath, atomically: true, encoding: .utf8)
        try FileManager.default.removeItem(atPath: issued.certificatePath)
        try FileManager.default.copyItem(atPath: copy, toPath: issued.certificatePath)
        #expect(throws: CertificateFilesError.keyRevoked(certificatePath: issued.certificatePath)) { try files.renew("addin") }
    }

    @Test func theAuthorityCannotBeRevoked() throws {
        #expect(throws: CertificateFilesError.certificateMissing(name: "ca", directory: files.directory)) { try files.revoke("ca") }
        #expect(throws: CertificateFilesError.notOurs(path: files.authorityPath)) { try files.revoke(files.authorityPath) }
    }

    /// Commands at the same time: no line is lost.
    @Test func revocationsAtTheSameTimeAreAllKept() async throws {
        let names = (0..<12).map { "client-\($0)" }
        for name in names { _ = try files.issueClient(name) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names { group.addTask { [files] in _ = try files.revoke("client-\(name)") } }
            try await group.waitForAll()
        }
        #expect(Set(try RevocationList(file: files.revocationPath).entries.map(\.name)) == Set(names))
    }

    @Test(arguments: [
        "9f86", "zz86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 2026-11-28T13:05:00Z 1 a",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 yesterday 1 a",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 2026-11-28T13:05:00Z 1",
        "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08 2026-11-28T13:05:00Z 1 a",
    ])
    func aLineThatIsNoneIsAnError(line: String) throws {
        let file = folder.path + "/revoked"
        let good = "# a\n\n9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 2026-11-28T13:05:00Z 1 Kim Chul Soo\n"
        try good.write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try RevocationList(file: file).entries.map(\.name) == ["Kim Chul Soo"])
        try (good + line + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        let error = #expect(throws: CertificateFilesError.self) { try RevocationList(file: file) }
        #expect("\(try #require(error))".contains("line 4"))
        #expect(try RevocationList(file: file + ".none").entries.isEmpty)
    }
}
