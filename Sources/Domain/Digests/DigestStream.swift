internal import CLibcrypto

/// A digest of bytes that come piece by piece, computed by OpenSSL's libcrypto with whatever instructions the processor has for it.
package struct DigestStream: ~Copyable {
    package enum Algorithm: String, CaseIterable, Sendable {
        /// FIPS 180-4.
        case sha256
        /// RFC 1321: broken against people who make collisions, asked for by old tools.
        case md5
        /// FIPS 180-4: broken likewise; the checksum that every tus server must take.
        case sha1

        package var bytes: Int {
            switch self {
            case .sha256: 32
            case .md5: 16
            case .sha1: 20
            }
        }
    }

    /// libcrypto could not do it: out of memory, or configured to refuse the algorithm.
    package struct Failure: Error, CustomStringConvertible {
        package let algorithm: Algorithm
        package var description: String { "this machine's OpenSSL refuses \(algorithm.rawValue)" }
    }

    package let algorithm: Algorithm
    private let context: OpaquePointer

    package init(_ algorithm: Algorithm) throws(Failure) {
        guard let context = EVP_MD_CTX_new() else { throw Failure(algorithm: algorithm) }
        let method =
            switch algorithm {
            case .sha256: EVP_sha256()
            case .md5: EVP_md5()
            case .sha1: EVP_sha1()
            }
        guard EVP_DigestInit_ex(context, method, nil) == 1 else {
            EVP_MD_CTX_free(context)
            throw Failure(algorithm: algorithm)
        }
        self.algorithm = algorithm
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else { throw Failure(algorithm: algorithm) }
    }

    package mutating func update(_ bytes: [UInt8]) throws(Failure) {
        // `withUnsafeBytes` loses the typed error.
        let done = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        guard done == 1 else { throw Failure(algorithm: algorithm) }
    }

    /// - Returns: as many bytes as ``Algorithm/bytes`` says.
    package consuming func finish() throws(Failure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: algorithm.bytes)
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { throw Failure(algorithm: algorithm) }
        return digest
    }

    /// The digest of bytes that are all there.
    package static func digest(of bytes: [UInt8], _ algorithm: Algorithm = .sha256) throws(Failure) -> [UInt8] {
        var stream = try DigestStream(algorithm)
        try stream.update(bytes)
        return try stream.finish()
    }
}
