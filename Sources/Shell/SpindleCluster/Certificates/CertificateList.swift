package import Foundation
import Crypto
import SwiftASN1
import X509

/// What the folder of the authority holds, and its renewal.
extension CertificateFiles {
    package enum Purpose: String, Sendable, Equatable {
        case authority, server, client
        /// It names neither purpose: another authority's, put there by hand.
        case other
    }

    /// One certificate of the folder.
    package struct Entry: Sendable, Equatable {
        package let name: String
        package let purpose: Purpose
        /// The names and addresses of a server.
        package let hosts: [String]
        /// In lowercase hexadecimal digits, two for each byte.
        package let serial: String
        package let notValidAfter: Date
        package let certificatePath: String
    }

    /// Everything in the folder that is a certificate, by file name. A file that ends in `.pem` and is none is an error:
    /// a damaged certificate must not be missing from the list in silence.
    package func list() throws(CertificateFilesError) -> [Entry] {
        let files: [String]
        do {
            files = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".pem") }.sorted()
        } catch {
            throw .authorityMissing(path: authorityPath)
        }
        var entries: [Entry] = []
        for file in files { entries.append(Self.entry(try read("\(directory)/\(file)"), path: "\(directory)/\(file)")) }
        return entries
    }

    /// Issues a certificate again: same file, same name, same hosts, same key. So one file changes, at once, here and on each host that
    /// it is copied to. The authority stays, and the old certificate stays good until its own end.
    /// - Parameter name: a server's or a client's; `client-NAME` means the client where a server has the same name.
    package func renew(_ name: String, now: Date = Date()) throws(CertificateFilesError) -> Issued {
        let path = try path(of: name)
        let old = try read(path)
        let entry = Self.entry(old, path: path)
        let usage: ExtendedKeyUsage.Usage
        switch entry.purpose {
        case .server: usage = .serverAuth
        case .client: usage = .clientAuth
        case .authority, .other: throw .notOurs(path: path)
        }
        let names: SubjectAlternativeNames?
        do {
            names = try old.extensions.subjectAlternativeNames
        } catch {
            throw .fileFailed(path: path, operation: "read as a certificate", reason: "\(error)")
        }
        let stem = String(path.dropLast(".pem".count))
        let key = try readKey(stem + ".key")
        guard old.publicKey == Certificate.PublicKey(key.publicKey) else { throw .keyOfAnother(keyPath: stem + ".key", certificatePath: path) }
        guard try !isRevoked(key) else { throw .keyRevoked(certificatePath: path) }
        let file = String(stem.dropFirst(directory.count + 1))
        return try issue(name: entry.name, file: file, usage: usage, names: names, key: key, now: now)
    }

    /// Where a certificate and its key are.
    /// - Parameter name: as for ``renew(_:now:)``.
    package func pair(_ name: String) throws(CertificateFilesError) -> Issued {
        let path = try path(of: name)
        let entry = Self.entry(try read(path), path: path)
        return Issued(
            name: entry.name, certificatePath: path, keyPath: String(path.dropLast(".pem".count)) + ".key", notValidAfter: entry.notValidAfter)
    }

    /// The file of a server's or client's certificate.
    func path(of name: String) throws(CertificateFilesError) -> String {
        for file in [name, "client-\(name)"] where file != "ca" && !file.contains("/") {
            let path = "\(directory)/\(file).pem"
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw .certificateMissing(name: name, directory: directory)
    }

    /// Renews every certificate that this authority issued; others, put there by hand, stay as they are.
    package func renewAll(now: Date = Date()) throws(CertificateFilesError) -> [Issued] {
        let authority = try read(authorityPath)
        var issued: [Issued] = []
        for entry in try list() where entry.purpose == .server || entry.purpose == .client {
            guard try read(entry.certificatePath).issuer == authority.subject else { continue }
            let file = entry.certificatePath.dropFirst(directory.count + 1).dropLast(".pem".count)
            issued.append(try renew(String(file), now: now))
        }
        return issued
    }

    func read(_ path: String) throws(CertificateFilesError) -> Certificate {
        do {
            return try Certificate(pemEncoded: String(contentsOfFile: path, encoding: .utf8))
        } catch {
            throw .fileFailed(path: path, operation: "read as a certificate", reason: "\(error)")
        }
    }

    static func entry(_ certificate: Certificate, path: String) -> Entry {
        let usages = (try? certificate.extensions.extendedKeyUsage).map { Array($0) } ?? []
        let purpose: Purpose
        if case .isCertificateAuthority? = try? certificate.extensions.basicConstraints {
            purpose = .authority
        } else if usages.contains(.serverAuth) {
            purpose = .server
        } else {
            purpose = usages.contains(.clientAuth) ? .client : .other
        }
        let names = (try? certificate.extensions.subjectAlternativeNames).map { Array($0) } ?? []
        let hosts = names.compactMap { name -> String? in
            switch name {
            case .dnsName(let host): host
            case .ipAddress(let octets): address(Array(octets.bytes))
            default: nil
            }
        }
        return Entry(
            name: commonName(certificate) ?? "\(certificate.subject)", purpose: purpose, hosts: hosts,
            serial: certificate.serialNumber.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(),
            notValidAfter: certificate.notValidAfter, certificatePath: path)
    }

    static func commonName(_ certificate: Certificate) -> String? {
        for relative in certificate.subject {
            for attribute in relative where attribute.type == .RDNAttributeType.commonName { return String(attribute.value) }
        }
        return nil
    }

    private static func address(_ bytes: [UInt8]) -> String {
        guard bytes.count == 16 else { return bytes.map { "\($0)" }.joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }.joined(separator: ":")
    }
}
