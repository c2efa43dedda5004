#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
package import Foundation
import Crypto
import SwiftASN1
import X509

/// The keys whose certificates are refused, in `tls/revoked`. One a line, oldest first:
/// ```
/// 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 2026-11-28T13:05:00Z 4b1f… addin
/// └ SHA-256 of the public key (SubjectPublicKeyInfo, DER)           └ when               └ serial └ name
/// ```
/// Empty lines and those that begin with `#` mean nothing. A key, not a serial number, is revoked: a renewed certificate has its
/// predecessor's key, and who has that key has both.
package struct RevocationList: Sendable, Equatable {
    package static let fileName = "revoked"
    package static let bytesMax = 4 << 20
    fileprivate static let digestDigits = 64

    package struct Entry: Sendable, Equatable {
        /// 64 lowercase hexadecimal digits.
        package let keyDigest: String
        package let revokedAt: Date
        package let serial: String
        package let name: String

        package init(keyDigest: String, revokedAt: Date, serial: String, name: String) {
            self.keyDigest = keyDigest
            self.revokedAt = revokedAt
            self.serial = serial
            self.name = name
        }
    }

    package private(set) var entries: [Entry]

    /// - Parameter file: one that is not there is an empty list.
    package init(file: String) throws(CertificateFilesError) {
        guard FileManager.default.fileExists(atPath: file) else {
            entries = []
            return
        }
        let text: String
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            defer { try? handle.close() }
            let data = try handle.read(upToCount: Self.bytesMax + 1) ?? Data()
            guard data.count <= Self.bytesMax, let read = String(validating: data, as: UTF8.self) else {
                throw CertificateFilesError.fileFailed(
                    path: file, operation: "read", reason: "it is no UTF-8 text of at most \(Self.bytesMax) bytes")
            }
            text = read
        } catch let error as CertificateFilesError {
            throw error
        } catch {
            throw .fileFailed(path: file, operation: "read", reason: FileProblem.sentence(error))
        }
        var entries: [Entry] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() where !line.isEmpty && !line.hasPrefix("#") {
            guard let entry = Entry(line: line) else {
                throw .fileFailed(
                    path: file, operation: "read",
                    reason: "line \(index + 1) is not “KEY TIME SERIAL NAME”, KEY being \(Self.digestDigits) hexadecimal digits")
            }
            entries.append(entry)
        }
        self.entries = entries
    }

    package var keyDigests: Set<String> { Set(entries.map(\.keyDigest)) }

    fileprivate mutating func append(_ entry: Entry) { entries.append(entry) }

    fileprivate var text: String {
        "# Certificates of these keys are refused: SHA-256 of the public key, when, serial number, name.\n"
            + entries.map { "\($0.keyDigest) \($0.revokedAt.formatted(.iso8601)) \($0.serial) \($0.name)\n" }.joined()
    }
}

extension RevocationList.Entry {
    fileprivate init?(line: Substring) {
        let fields = line.split(separator: " ", maxSplits: 3)
        guard fields.count == 4, fields[0].utf8.count == RevocationList.digestDigits,
            fields[0].utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let date = try? Date(String(fields[1]), strategy: .iso8601)
        else { return nil }
        self.init(keyDigest: String(fields[0]), revokedAt: date, serial: String(fields[2]), name: String(fields[3]))
    }
}

extension CertificateFiles {
    package var revocationPath: String { "\(directory)/\(RevocationList.fileName)" }

    /// Revokes every certificate of one's key, and removes it with its key from the folder, so that `issue` makes another key.
    /// - Parameter name: a server's or client's; or a path to a certificate (PEM), where the folder no longer has it.
    /// - Returns: nil where the key was revoked before.
    package func revoke(_ name: String, now: Date = Date()) throws(CertificateFilesError) -> RevocationList.Entry? {
        let isElsewhere = name.contains("/") || name.hasSuffix(".pem")
        let path = isElsewhere ? name : try path(of: name)
        let certificate = try read(path)
        if case .isCertificateAuthority? = try? certificate.extensions.basicConstraints { throw .notOurs(path: path) }
        let known = Self.entry(certificate, path: path)
        let entry = RevocationList.Entry(
            keyDigest: try Self.keyDigest(certificate.publicKey), revokedAt: now, serial: known.serial,
            // Of a foreign certificate it may be anything.
            name: known.name.isEmpty ? "-" : String(known.name.map { $0.isNewline || $0.isWhitespace ? "_" : $0 }))
        let isNew = try withFolderLocked { () throws(CertificateFilesError) in
            var list = try RevocationList(file: revocationPath)
            guard !list.keyDigests.contains(entry.keyDigest) else { return false }
            list.append(entry)
            guard list.text.utf8.count <= RevocationList.bytesMax else {
                throw .fileFailed(
                    path: revocationPath, operation: "extended", reason: "it would be over \(RevocationList.bytesMax) bytes: make another authority")
            }
            try PrivateFile.write(list.text, to: revocationPath, mode: 0o644)
            return true
        }
        // The list first: what is removed is revoked.
        if !isElsewhere {
            for file in [String(path.dropLast(".pem".count)) + ".key", path] where unlink(file) != 0 && errno != ENOENT {
                throw .fileFailed(path: file, operation: "removed", reason: String(cString: strerror(errno)))
            }
        }
        return isNew ? entry : nil
    }

    static func keyDigest(_ key: Certificate.PublicKey) throws(CertificateFilesError) -> String {
        do {
            return SHA256.hash(data: try key.serializeAsPEM().derBytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        } catch {
            throw .signingFailed(name: "a public key", reason: "\(error)")
        }
    }

    /// Two commands at the same time must not lose each other's line.
    private func withFolderLocked<Value>(_ body: () throws(CertificateFilesError) -> Value) throws(CertificateFilesError) -> Value {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .fileFailed(path: directory, operation: "opened", reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_EX) == 0 else { throw .fileFailed(path: directory, operation: "locked", reason: String(cString: strerror(errno))) }
        return try body()
    }
}
