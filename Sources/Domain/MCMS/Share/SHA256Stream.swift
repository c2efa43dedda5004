internal import CLibcrypto

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece, computed by OpenSSL's libcrypto with whatever instructions the processor
/// has for it.
package struct SHA256Stream: ~Copyable {
    package static let digestBytes = 32

    /// libcrypto could not do it: out of memory, or configured to refuse SHA-256.
    package struct Failure: Error {}

    private let context: OpaquePointer

    package init() throws(Failure) {
        guard let context = EVP_MD_CTX_new() else { throw Failure() }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            EVP_MD_CTX_free(context)
            throw Failure()
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else { throw Failure() }
    }

    package mutating func update(_ bytes: [UInt8]) throws(Failure) {
        // `withUnsafeBytes` loses the typed error.
        let done = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        guard done == 1 else { throw Failure() }
    }

    /// - Returns: 32 bytes.
    package consuming func finish() throws(Failure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Self.digestBytes)
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { throw Failure() }
        return digest
    }

    /// The digest of bytes that are all there.
    package static func digest(of bytes: [UInt8]) throws(Failure) -> [UInt8] {
        var stream = try SHA256Stream()
        try stream.update(bytes)
        return try stream.finish()
    }
}

package enum Hexadecimal {
    /// Two lower-case digits for each byte.
    package static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` if it isn't an even number of hexadecimal digits.
    package static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }
}
