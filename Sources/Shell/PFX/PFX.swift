internal import CLibcrypto

/// A certificate, its key and its authority in one file under a password: PKCS #12, which Windows and Mono call PFX.
///
/// 3DES with SHA-1 encrypts, and SHA-1 protects: Mono, .NET Framework on older Windows, and Windows Server 2016 refuse files with AES-256 and
/// SHA-256. Such a file is as good as its password. Source: RFC 7292, appendix C.
package struct PFX: Sendable {
    /// Each guess of a password costs so many rounds; every known reader bears them.
    package static let rounds: Int32 = 10_000
    package static let passwordBytesMax = 255
    /// Names and certificates are short; more is no PEM file of ours.
    package static let pemBytesMax = 1 << 20

    package enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        case badPassword
        case unreadable(String)
        /// The key is another certificate's.
        case keyDoesNotFit
        case refused(String)

        package var description: String {
            switch self {
            case .badPassword: "the password must have 1 to \(PFX.passwordBytesMax) bytes and no NUL"
            case .unreadable(let what): "the \(what) is no PEM file that OpenSSL reads"
            case .keyDoesNotFit: "the key is not the certificate's"
            case .refused(let reason): "this machine's OpenSSL can't make the file: \(reason)"
            }
        }
    }

    /// DER.
    package let bytes: [UInt8]

    /// - Parameters:
    ///   - certificate: PEM, and so are the key and the authority.
    ///   - name: what certificate stores show.
    package init(certificate: String, key: String, authority: String?, name: String, password: String) throws(Failure) {
        guard (1...Self.passwordBytesMax).contains(password.utf8.count), !password.utf8.contains(0) else { throw .badPassword }
        let owned = Owned()
        let leaf = try owned.certificate(certificate, what: "certificate")
        let secret = try owned.key(key)
        guard X509_check_private_key(leaf, secret) == 1 else { throw .keyDoesNotFit }
        let chain = try authority.map { text throws(Failure) in try owned.chain(of: try owned.certificate(text, what: "authority's certificate")) }
        // -1: without its own check, whose digest can't be chosen there.
        let encryption = NID_pbe_WithSHA1And3_Key_TripleDES_CBC
        guard let file = PKCS12_create(password, name, secret, leaf, chain, encryption, encryption, Self.rounds, -1, 0) else { throw Self.refused() }
        defer { PKCS12_free(file) }
        guard PKCS12_set_mac(file, password, -1, nil, 0, Self.rounds, EVP_sha1()) == 1 else { throw Self.refused() }
        let count = i2d_PKCS12(file, nil)
        guard count > 0 else { throw Self.refused() }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        let written = bytes.withUnsafeMutableBufferPointer { buffer in
            // libcrypto moves the pointer behind what it wrote.
            var position = buffer.baseAddress
            return i2d_PKCS12(file, &position)
        }
        guard written == count else { throw Self.refused() }
        self.bytes = bytes
    }

    /// What libcrypto said last.
    fileprivate static func refused() -> Failure {
        var text = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(ERR_get_error(), &text, text.count)
        ERR_clear_error()
        return .refused(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}

/// Objects of libcrypto, freed together.
private final class Owned {
    private var certificates: [OpaquePointer] = []
    private var keys: [OpaquePointer] = []
    private var stacks: [OpaquePointer] = []

    deinit {
        for certificate in certificates { X509_free(certificate) }
        for key in keys { EVP_PKEY_free(key) }
        // What is on a stack belongs to the lists above.
        for stack in stacks { OPENSSL_sk_free(stack) }
    }

    func certificate(_ pem: String, what: String) throws(PFX.Failure) -> OpaquePointer {
        guard let found = Self.read(pem, { PEM_read_bio_X509($0, nil, nil, nil) }) else { throw .unreadable(what) }
        certificates.append(found)
        return found
    }

    func key(_ pem: String) throws(PFX.Failure) -> OpaquePointer {
        guard let found = Self.read(pem, { PEM_read_bio_PrivateKey($0, nil, nil, nil) }) else { throw .unreadable("key") }
        keys.append(found)
        return found
    }

    func chain(of certificate: OpaquePointer) throws(PFX.Failure) -> OpaquePointer {
        guard let stack = OPENSSL_sk_new_null() else { throw PFX.refused() }
        stacks.append(stack)
        guard OPENSSL_sk_push(stack, UnsafeRawPointer(certificate)) > 0 else { throw PFX.refused() }
        return stack
    }

    private static func read(_ pem: String, _ take: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
        let bytes = Array(pem.utf8)
        guard !bytes.isEmpty, bytes.count <= PFX.pemBytesMax else { return nil }
        return bytes.withUnsafeBytes { buffer in
            guard let file = BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return nil }
            defer { BIO_free(file) }
            let found = take(file)
            ERR_clear_error()
            return found
        }
    }
}
