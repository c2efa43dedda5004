internal import Digests

/// The name of a ref's file: the file's logical name, in letters that every file system takes, with ways back for the eye.
///
/// `/` is written as `%2F` and `%` as `%25`. The dot of a name that ends in `.meta` is written as `%2E`, so that no ref is taken for
/// another one's `meta.json`. A name that would be longer than ``bytesMax`` is cut, and ends in `~` and 16 digits of its SHA-256.
package struct RefName: Hashable, Sendable {
    /// Leaves room for `.refs.pending` and `.new` below the 255 bytes of common file systems.
    package static let bytesMax = 200

    package let text: String

    package init(_ logicalName: String) {
        var encoded = ""
        for character in logicalName.unicodeScalars {
            switch character {
            case "/": encoded += "%2F"
            case "%": encoded += "%25"
            default: encoded.unicodeScalars.append(character)
            }
        }
        if encoded.lowercased().hasSuffix(".meta") {
            encoded.replaceSubrange(encoded.index(encoded.endIndex, offsetBy: -5)..<encoded.index(encoded.endIndex, offsetBy: -4), with: "%2E")
        }
        text = encoded.utf8.count <= Self.bytesMax ? encoded : Self.cut(encoded, of: logicalName)
    }

    private static func cut(_ encoded: String, of logicalName: String) -> String {
        // SHA-256 is refused by no machine that stores payloads under it.
        let digest = (try? DigestStream.digest(of: Array(logicalName.utf8))) ?? []
        let tail = "~" + Hexadecimal.text(digest).prefix(16)
        var kept = ""
        for character in encoded {
            guard kept.utf8.count + character.utf8.count + tail.utf8.count <= bytesMax else { break }
            kept.append(character)
        }
        return kept + tail
    }
}
