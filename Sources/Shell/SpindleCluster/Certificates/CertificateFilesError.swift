/// What can go wrong with the company's own certificates. Every sentence says where, and what to do.
package enum CertificateFilesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is an authority already, and replacing it was not asked for.
    case authorityExists(path: String)
    /// There is no authority to issue from.
    case authorityMissing(path: String)
    /// The authority's files are there and cannot be used.
    case authorityUnusable(path: String, reason: String)
    /// There is a certificate of this name already, and replacing it was not asked for.
    case certificateExists(path: String)
    /// There is no certificate of this name to renew.
    case certificateMissing(name: String, directory: String)
    /// The certificate is neither a server's nor a client's.
    case notOurs(path: String)
    /// The key beside the certificate is not the certificate's.
    case keyOfAnother(keyPath: String, certificatePath: String)
    /// The certificate's key is on the list of those that are refused.
    case keyRevoked(certificatePath: String)
    /// No name for a certificate or its files.
    case badName(String, expected: String)
    /// Neither a host name nor an IP address.
    case badHost(String)
    case fileFailed(path: String, operation: String, reason: String)
    /// The cryptographic library refused.
    case signingFailed(name: String, reason: String)

    package var description: String {
        switch self {
        case .authorityExists(let path):
            "\(path) is there already. Certificates made by it stop working when it is replaced: add to it instead, or ask for its replacement."
        case .authorityMissing(let path): "\(path) is not there: make the authority first with `spindle cert init`."
        case .authorityUnusable(let path, let reason): "\(path) cannot be used: \(reason)."
        case .certificateExists(let path): "\(path) is there already: ask for its replacement, or choose another name."
        case .certificateMissing(let name, let directory):
            "\(directory) has no certificate \"\(name)\": `spindle cert ls` lists the names, `spindle cert issue` makes one."
        case .notOurs(let path): "\(path) is no server's or client's certificate: only those can be renewed or revoked."
        case .keyOfAnother(let keyPath, let certificatePath):
            "\(keyPath) is not the key of \(certificatePath). Move both away, then make them again with `spindle cert issue`."
        case .keyRevoked(let path): "\(path) was revoked: remove it with its key, then make another with `spindle cert issue`."
        case .badName(let name, let expected): "\"\(name)\" cannot be a certificate's name: expected \(expected)."
        case .badHost(let host): "\"\(host)\" is neither a host name nor an IP address."
        case .fileFailed(let path, let operation, let reason): "\(path) could not be \(operation): \(reason)."
        case .signingFailed(let name, let reason): "the certificate \"\(name)\" could not be signed: \(reason)."
        }
    }
}
