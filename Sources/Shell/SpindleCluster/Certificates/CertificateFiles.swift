package import Foundation
import Crypto
import SwiftASN1
import X509

/// The company's own certificate authority and what it issued, as PEM files in one folder, usually `DIR/tls`:
/// `ca.pem` and `ca.key`, `NAME.pem` and `NAME.key` for servers, `client-NAME.pem` and `client-NAME.key` for principals.
/// Keys are P-256, readable by their owner only (0600; the folder is made with 0700). Existing files are replaced only
/// when asked.
package struct CertificateFiles: Sendable {
    package static let authorityDays = 3650
    /// Browsers and Apple's systems refuse server certificates that are valid for longer.
    package static let leafDays = 825
    /// Hosts whose clocks are behind by up to this many seconds accept a new certificate at once.
    package static let clockSkewSeconds = 3600.0
    /// X.520's upper bound for a common name.
    package static let nameLengthMax = 64

    package let directory: String

    package var authorityPath: String { "\(directory)/ca.pem" }
    package var authorityKeyPath: String { "\(directory)/ca.key" }

    /// One certificate with its key.
    package struct Issued: Sendable, Equatable {
        package let name: String
        package let certificatePath: String
        package let keyPath: String
        package let notValidAfter: Date
    }

    /// A server and every name and address that clients reach it by; `localhost`, `127.0.0.1` and `::1` are added.
    package struct Server: Sendable, Equatable {
        package let name: String
        package let hosts: [String]

        package init(name: String, hosts: [String]) {
            self.name = name
            self.hosts = hosts
        }
    }

    /// - Parameter directory: made when the first file is written.
    package init(directory: String) {
        self.directory = directory
    }

    package var hasAuthority: Bool {
        FileManager.default.fileExists(atPath: authorityPath) || FileManager.default.fileExists(atPath: authorityKeyPath)
    }

    // MARK: The authority

    /// Makes the authority, one certificate for each server, and one for each principal.
    /// - Parameters:
    ///   - cluster: goes into the authority's name.
    ///   - replacingAuthority: with true, an authority that is there is replaced, and so are the certificates named here.
    ///     Others that the old one issued are worth nothing from then on.
    /// - Returns: the authority first, then the others in their order.
    package func initialize(
        cluster: String, servers: [Server], clients: [String], replacingAuthority: Bool = false, now: Date = Date()
    ) throws(CertificateFilesError) -> [Issued] {
        if hasAuthority, !replacingAuthority { throw .authorityExists(path: authorityPath) }
        // Everything that can be wrong with the names is found before a file is written.
        for server in servers { _ = try validated(server) }
        for client in clients { try Self.validate(name: client) }

        var issued = [try makeAuthority(cluster: cluster, now: now)]
        for server in servers { issued.append(try issueServer(server, replacing: replacingAuthority, now: now)) }
        for client in clients { issued.append(try issueClient(client, replacing: replacingAuthority, now: now)) }
        return issued
    }

    private func makeAuthority(cluster: String, now: Date) throws(CertificateFilesError) -> Issued {
        let name = String("Spindle authority of \(cluster)".prefix(Self.nameLengthMax))
        let key = P256.Signing.PrivateKey()
        let notValidAfter = now.addingTimeInterval(Double(Self.authorityDays) * 86400)
        let certificate = try signing(name) {
            let subject = try DistinguishedName { CommonName(name) }
            let publicKey = Certificate.PrivateKey(key).publicKey
            let extensions = try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: publicKey)
            }
            return try Certificate(
                version: .v3, serialNumber: .init(), publicKey: publicKey, notValidBefore: now.addingTimeInterval(-Self.clockSkewSeconds),
                notValidAfter: notValidAfter, issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
                issuerPrivateKey: Certificate.PrivateKey(key))
        }
        return try write(certificate, key, name: name, certificatePath: authorityPath, keyPath: authorityKeyPath, notValidAfter)
    }

    /// Reads the authority, and checks that it can still issue.
    private func loadAuthority(now: Date) throws(CertificateFilesError) -> (certificate: Certificate, key: P256.Signing.PrivateKey) {
        guard FileManager.default.fileExists(atPath: authorityPath) else { throw .authorityMissing(path: authorityPath) }
        guard FileManager.default.fileExists(atPath: authorityKeyPath) else { throw .authorityMissing(path: authorityKeyPath) }
        let certificate: Certificate
        let key: P256.Signing.PrivateKey
        do {
            certificate = try Certificate(pemEncoded: String(contentsOfFile: authorityPath, encoding: .utf8))
        } catch {
            throw .authorityUnusable(path: authorityPath, reason: "it is no PEM certificate (\(error))")
        }
        do {
            key = try P256.Signing.PrivateKey(pemRepresentation: String(contentsOfFile: authorityKeyPath, encoding: .utf8))
        } catch {
            throw .authorityUnusable(path: authorityKeyPath, reason: "it is no readable P-256 private key (\(error))")
        }
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw .authorityUnusable(path: authorityKeyPath, reason: "it is not the key of \(authorityPath)")
        }
        guard case .isCertificateAuthority = try? certificate.extensions.basicConstraints else {
            throw .authorityUnusable(path: authorityPath, reason: "it is not an authority's certificate")
        }
        guard now < certificate.notValidAfter else {
            throw .authorityUnusable(path: authorityPath, reason: "it expired on \(certificate.notValidAfter.formatted(.iso8601))")
        }
        return (certificate, key)
    }

    // MARK: What it issues

    /// Issues a certificate for a broker or web server from the authority that is there.
    package func issueServer(_ server: Server, replacing: Bool = false, now: Date = Date()) throws(CertificateFilesError) -> Issued {
        let hosts = try validated(server)
        let names = SubjectAlternativeNames(
            hosts.map { host in
                switch host {
                case .dns(let name): .dnsName(name)
                case .address(let bytes): .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
                }
            })
        return try issue(name: server.name, file: server.name, usage: .serverAuth, names: names, key: key(of: server.name, replacing: replacing), now: now)
    }

    /// Issues a client certificate for a principal: its common name is the principal's.
    package func issueClient(_ principal: String, replacing: Bool = false, now: Date = Date()) throws(CertificateFilesError) -> Issued {
        try Self.validate(name: principal)
        let file = "client-\(principal)"
        return try issue(name: principal, file: file, usage: .clientAuth, names: nil, key: key(of: file, replacing: replacing), now: now)
    }

    /// The key for a certificate that is about to be issued: a new one, or what an interrupted try left, which is used then.
    private func key(of file: String, replacing: Bool) throws(CertificateFilesError) -> P256.Signing.PrivateKey {
        let certificatePath = "\(directory)/\(file).pem"
        if replacing { return P256.Signing.PrivateKey() }
        guard !FileManager.default.fileExists(atPath: certificatePath) else { throw .certificateExists(path: certificatePath) }
        let keyPath = "\(directory)/\(file).key"
        guard FileManager.default.fileExists(atPath: keyPath) else { return P256.Signing.PrivateKey() }
        let key = try readKey(keyPath)
        return try isRevoked(key) ? P256.Signing.PrivateKey() : key
    }

    func isRevoked(_ key: P256.Signing.PrivateKey) throws(CertificateFilesError) -> Bool {
        let digest = try Self.keyDigest(Certificate.PublicKey(key.publicKey))
        return try RevocationList(file: revocationPath).keyDigests.contains(digest)
    }

    func readKey(_ path: String) throws(CertificateFilesError) -> P256.Signing.PrivateKey {
        do {
            return try P256.Signing.PrivateKey(pemRepresentation: String(contentsOfFile: path, encoding: .utf8))
        } catch {
            throw .fileFailed(path: path, operation: "read as a P-256 private key", reason: "\(error)")
        }
    }

    func issue(
        name: String, file: String, usage: ExtendedKeyUsage.Usage, names: SubjectAlternativeNames?, key: P256.Signing.PrivateKey, now: Date
    ) throws(CertificateFilesError) -> Issued {
        let certificatePath = "\(directory)/\(file).pem"
        let keyPath = "\(directory)/\(file).key"
        let authority = try loadAuthority(now: now)
        // A certificate is worth nothing after its authority has expired.
        let notValidAfter = min(now.addingTimeInterval(Double(Self.leafDays) * 86400), authority.certificate.notValidAfter)
        let certificate = try signing(name) {
            let publicKey = Certificate.PrivateKey(key).publicKey
            let authorityIdentifier = try authority.certificate.extensions.subjectKeyIdentifier?.keyIdentifier
            let extensions = try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([usage])
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(keyIdentifier: authorityIdentifier)
                if let names { names }
            }
            return try Certificate(
                version: .v3, serialNumber: .init(), publicKey: publicKey, notValidBefore: now.addingTimeInterval(-Self.clockSkewSeconds),
                notValidAfter: notValidAfter, issuer: authority.certificate.subject, subject: try DistinguishedName { CommonName(name) },
                signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions, issuerPrivateKey: Certificate.PrivateKey(authority.key))
        }
        return try write(certificate, key, name: name, certificatePath: certificatePath, keyPath: keyPath, notValidAfter)
    }

    // MARK: Names and files

    private func validated(_ server: Server) throws(CertificateFilesError) -> [HostName] {
        try Self.validate(name: server.name)
        guard server.name != "ca", !server.name.hasPrefix("client-") else {
            throw .badName(server.name, expected: "a server's name other than \"ca\" and not beginning with \"client-\"")
        }
        var hosts: [HostName] = []
        for text in server.hosts + ["localhost", "127.0.0.1", "::1"] {
            let host = try HostName(text)
            if !hosts.contains(host) { hosts.append(host) }
        }
        return hosts
    }

    /// Names become common names and file names.
    private static func validate(name: String) throws(CertificateFilesError) {
        let isPlain = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || "._-".utf8.contains(byte)
        }
        guard isPlain, (1...nameLengthMax).contains(name.utf8.count), !name.hasPrefix(".") else {
            throw .badName(name, expected: "letters, digits, \".\", \"-\" and \"_\", at most \(nameLengthMax), not beginning with \".\"")
        }
    }

    private func signing(_ name: String, _ make: () throws -> Certificate) throws(CertificateFilesError) -> Certificate {
        do {
            return try make()
        } catch {
            throw .signingFailed(name: name, reason: "\(error)")
        }
    }

    private func write(
        _ certificate: Certificate, _ key: P256.Signing.PrivateKey, name: String, certificatePath: String, keyPath: String, _ notValidAfter: Date
    ) throws(CertificateFilesError) -> Issued {
        let pem: String
        do {
            pem = try certificate.serializeAsPEM().pemString + "\n"
        } catch {
            throw .signingFailed(name: name, reason: "\(error)")
        }
        try PrivateFile.makeDirectory(directory)
        // The key first, since a key without a certificate is used by the next try. A renewal has the key that is there: only one
        // file changes, by one rename, and whenever somebody reads the two, or the machine stops, they fit.
        if (try? readKey(keyPath))?.rawRepresentation != key.rawRepresentation {
            try PrivateFile.write(key.pemRepresentation + "\n", to: keyPath, mode: 0o600)
        }
        try PrivateFile.write(pem, to: certificatePath, mode: 0o644)
        return Issued(name: name, certificatePath: certificatePath, keyPath: keyPath, notValidAfter: notValidAfter)
    }
}
