package import Foundation
import Crypto
import SwiftASN1
import X509

/// The authority's certificate, as people install and compare it.
package struct AuthorityCertificate: Sendable, Equatable {
    package let name: String
    package let der: [UInt8]
    /// One certificate, whatever else the file holds.
    package let pem: String
    /// Two capital hexadecimal digits for each byte, with colons, as dialogs show it.
    package let sha256: String
    /// Windows calls this the thumbprint.
    package let sha1: String
    package let notValidAfter: Date

    private let certificate: Certificate

    /// - Parameter file: PEM.
    package init(file: String) throws(CertificateFilesError) {
        do {
            certificate = try Certificate(pemEncoded: String(contentsOfFile: file, encoding: .utf8))
            let document = try certificate.serializeAsPEM()
            pem = document.pemString + "\n"
            der = document.derBytes
        } catch {
            throw .fileFailed(path: file, operation: "read as a certificate", reason: "\(error)")
        }
        name = CertificateFiles.commonName(certificate) ?? "\(certificate.subject)"
        sha256 = Self.text(SHA256.hash(data: der))
        sha1 = Self.text(Insecure.SHA1.hash(data: der))
        notValidAfter = certificate.notValidAfter
    }

    /// - Returns: whether it signed the certificate in `file` (PEM; the first one there).
    package func issued(_ file: String) throws(CertificateFilesError) -> Bool {
        do {
            let documents = try PEMDocument.parseMultiple(pemString: String(contentsOfFile: file, encoding: .utf8))
            guard let first = documents.first(where: { $0.discriminator == Certificate.defaultPEMDiscriminator }) else { return false }
            let other = try Certificate(pemDocument: first)
            return certificate.publicKey.isValidSignature(other.signature, for: other)
        } catch {
            throw .fileFailed(path: file, operation: "read as a certificate", reason: "\(error)")
        }
    }

    private static func text(_ digest: some Sequence<UInt8>) -> String {
        digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: ":")
    }
}
