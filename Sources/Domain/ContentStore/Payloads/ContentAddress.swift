internal import Digests

/// Where a payload is, which follows from its bytes: `cas/sha256/<two hex digits>/<64 hex digits>/payload`.
package struct ContentAddress: Hashable, Sendable, CustomStringConvertible {
    package static let algorithm = "sha256"

    /// 64 lower-case hexadecimal digits.
    package let hash: String

    package init?(hash: String) {
        guard hash.utf8.count == 64, hash.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return nil }
        self.hash = hash
    }

    package init(sha256 digest: [UInt8]) {
        precondition(digest.count == DigestStream.Algorithm.sha256.bytes, "a SHA-256 digest has 32 bytes")
        hash = Hexadecimal.text(digest)
    }

    package var prefix: String { String(hash.prefix(2)) }
    package var folder: String { "cas/\(Self.algorithm)/\(prefix)/\(hash)" }
    package var payload: String { folder + "/payload" }
    package var description: String { "\(Self.algorithm):\(hash)" }
}
