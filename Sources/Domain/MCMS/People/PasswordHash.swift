internal import Crypto
internal import CryptoExtras
internal import Digests
internal import Foundation

/// A password as somebody typed it. It never shows itself in logs or errors.
package struct Password: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let text: String

    /// - Parameter typed: in any Unicode form. Keyboards differ: macOS composes Hangul otherwise than Windows, and both must open the account.
    package init(_ typed: String) {
        text = typed.precomposedStringWithCanonicalMapping
    }

    var bytes: [UInt8] { Array(text.utf8) }
    package var description: String { "(password)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// What is stored of a password: scrypt's key (RFC 7914), with the salt and the cost that it was made with.
///
/// ```
/// scrypt$15$8$3$<salt, hexadecimal>$<key, hexadecimal>
///        │  │ └ parallelism
///        │  └ block size
///        └ the binary logarithm of the rounds
/// ```
package struct PasswordHash: Hashable, Sendable {
    /// What one guess costs: 128 bytes × block size × rounds of memory, and as much time as `parallelism` times that takes.
    package struct Cost: Hashable, Sendable {
        package let log2Rounds: Int
        package let blockSize: Int
        package let parallelism: Int

        /// 32 MiB three times over: one of the settings that OWASP's Password Storage Cheat Sheet calls equal, with little memory.
        package static let standard = Cost(log2Rounds: 15, blockSize: 8, parallelism: 3)

        package init(log2Rounds: Int, blockSize: Int, parallelism: Int) {
            self.log2Rounds = log2Rounds
            self.blockSize = blockSize
            self.parallelism = parallelism
        }

        /// A stored hash with more is not computed.
        fileprivate var isAllowed: Bool { (1...20).contains(log2Rounds) && (1...16).contains(blockSize) && (1...16).contains(parallelism) }
    }

    package static let saltBytes = 16
    package static let keyBytes = 32
    private static let algorithm = "scrypt"

    package let cost: Cost
    private let salt: [UInt8]
    private let key: [UInt8]

    /// Derives the key, which takes the time that `cost` says. ``PasswordHasher`` does it in a thread of its own.
    init(of password: Password, cost: Cost) throws {
        var random = SystemRandomNumberGenerator()
        self.cost = cost
        salt = (0..<Self.saltBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        key = try Self.derive(password, salt, cost)
    }

    /// Returns nil if the text is no hash that this program can compute.
    init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == Self.algorithm, let rounds = Int(parts[1]), let size = Int(parts[2]), let parallelism = Int(parts[3]),
            let salt = Hexadecimal.bytes(String(parts[4])), let key = Hexadecimal.bytes(String(parts[5])), salt.count == Self.saltBytes,
            key.count == Self.keyBytes
        else { return nil }
        cost = Cost(log2Rounds: rounds, blockSize: size, parallelism: parallelism)
        guard cost.isAllowed else { return nil }
        self.salt = salt
        self.key = key
    }

    var text: String {
        "\(Self.algorithm)$\(cost.log2Rounds)$\(cost.blockSize)$\(cost.parallelism)$\(Hexadecimal.text(salt))$\(Hexadecimal.text(key))"
    }

    func matches(_ password: Password) throws -> Bool {
        let other = try Self.derive(password, salt, cost)
        var difference: UInt8 = other.count == key.count ? 0 : 1
        for (left, right) in zip(other, key) { difference |= left ^ right }
        return difference == 0
    }

    private static func derive(_ password: Password, _ salt: [UInt8], _ cost: Cost) throws -> [UInt8] {
        // The library takes no empty password; no account has one, so one byte that nobody types stands for it.
        let bytes = password.bytes.isEmpty ? [0] : password.bytes
        return try KDF.Scrypt.deriveKey(
            from: bytes, salt: salt, outputByteCount: keyBytes, rounds: 1 << cost.log2Rounds, blockSize: cost.blockSize, parallelism: cost.parallelism
        ).withUnsafeBytes { Array($0) }
    }
}
