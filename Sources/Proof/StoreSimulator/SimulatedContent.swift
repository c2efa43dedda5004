package import ContentStore
internal import Digests

/// Bytes that files have; several have the same.
package struct SimulatedContent {
    package let bytes: [UInt8]
    package let address: ContentAddress

    package init(_ number: Int) throws {
        bytes = Array("content \(number)".utf8)
        address = ContentAddress(sha256: try DigestStream.digest(of: bytes))
    }
}

/// What a simulated ref or `meta.json` says: which file it is of, and its payload's digest.
struct SimulatedRef: Hashable {
    let file: String
    let hash: String

    init(file: String, hash: String) {
        self.file = file
        self.hash = hash
    }

    init?(_ bytes: [UInt8]) {
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard parts.count == 2 else { return nil }
        self.init(file: String(parts[0]), hash: String(parts[1]))
    }

    var bytes: [UInt8] { Array("\(file) \(hash)".utf8) }
}
