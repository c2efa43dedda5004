import NIOSSL
import SwiftASN1
import X509

/// The common name of a certificate that TLS has verified against the clients' authority.
enum CertificateName {
    /// nil without exactly one common name: with several, it would be a guess whose it is.
    static func commonName(of certificate: NIOSSLCertificate) -> String? {
        guard let bytes = try? certificate.toDERBytes(), let parsed = try? Certificate(derEncoded: bytes) else { return nil }
        var names: [String] = []
        for relativeName in parsed.subject {
            for attribute in relativeName where attribute.type == .RDNAttributeType.commonName {
                names.append(String(describing: attribute.value))
            }
        }
        return names.count == 1 ? names[0] : nil
    }
}
