import Crypto
import NIOSSL
import SwiftASN1
import X509

/// What matters in a client's certificate, which TLS has verified against the clients' authority.
struct ClientCertificate: Sendable, Equatable {
    /// nil without exactly one common name: with several, it would be a guess whose it is.
    let commonName: String?
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER) in lowercase hexadecimal digits: by it certificates are revoked.
    let keyDigest: String

    /// nil for what is no X.509 certificate.
    init?(_ certificate: NIOSSLCertificate) {
        guard let bytes = try? certificate.toDERBytes(), let parsed = try? Certificate(derEncoded: bytes),
            let key = try? parsed.publicKey.serializeAsPEM().derBytes
        else { return nil }
        var names: [String] = []
        for relativeName in parsed.subject {
            for attribute in relativeName where attribute.type == .RDNAttributeType.commonName {
                names.append(String(describing: attribute.value))
            }
        }
        commonName = names.count == 1 ? names[0] : nil
        keyDigest = SHA256.hash(data: key)
            .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
