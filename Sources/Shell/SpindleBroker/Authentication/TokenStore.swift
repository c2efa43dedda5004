import Crypto
import Glibc

/// The tokens of `DIR/tokens`, one file for each principal, kept in memory as SHA-256 hashes.
///
/// A missing file is made with a new random token; a file that is there is never changed.
package struct TokenStore: Sendable {
    /// Random bytes of a new token: 256 bits.
    private static let randomByteCount = 32
    /// Shortest token accepted from a file: 128 bits take 22 characters of base64.
    package static let tokenBytesMin = 22
    private static let tokenBytesMax = 255
    private static let prefix = "spn_"

    private struct Entry: Sendable {
        var principal: String
        var hash: SHA256.Digest
    }

    private let entries: [Entry]
    /// Principals whose file was made now.
    package let created: [String]
    /// Files that others of this machine can read: they should not.
    package let tooOpen: [String]

    /// Opens the tokens of `principals` in `directory`, whose parent exists.
    package static func open(directory: String, principals: [String]) throws(BrokerStartError) -> TokenStore {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw failure("make the directory", directory) }
        var entries: [Entry] = []
        var created: [String] = []
        var tooOpen: [String] = []
        for principal in principals {
            try checkName(principal)
            let path = directory + "/" + principal
            if try make(path) { created.append(principal) }
            let (token, isOpen) = try read(path)
            if isOpen { tooOpen.append(path) }
            let hash = SHA256.hash(data: Array(token.utf8))
            if let other = entries.first(where: { $0.hash == hash }) {
                throw BrokerStartError(.tokens, "\(path) holds the same token as that of '\(other.principal)': delete one of the two files")
            }
            entries.append(Entry(principal: principal, hash: hash))
        }
        return TokenStore(entries: entries, created: created, tooOpen: tooOpen)
    }

    /// Principals whose token is another one now, or gone.
    func changed(in other: TokenStore) -> Set<String> {
        let kept = entries.filter { entry in other.entries.contains { $0.principal == entry.principal && $0.hash == entry.hash } }
        return Set(entries.map(\.principal)).subtracting(kept.map(\.principal))
    }

    /// Whose token this is. Takes as long for a wrong token as for a right one: every entry is compared, each in constant time.
    package func principal(for token: String) -> String? {
        let hash = SHA256.hash(data: Array(token.utf8))
        var found: Int?
        for index in entries.indices where entries[index].hash == hash { found = index }
        return found.map { entries[$0].principal }
    }

    private static func checkName(_ name: String) throws(BrokerStartError) {
        let isSafe = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
            case _: false
            }
        }
        guard isSafe, !name.isEmpty, name.utf8.count <= 64, name.utf8.first != UInt8(ascii: ".") else {
            throw BrokerStartError(.configuration, "the principal's name '\(name)' is not allowed: 1 to 64 letters, digits, '.', '_' or '-', not beginning with '.'")
        }
    }

    /// Makes the file with a new token, unless it is there. Whole or not at all: under a temporary name first.
    private static func make(_ path: String) throws(BrokerStartError) -> Bool {
        if access(path, F_OK) == 0 { return false }
        let temporary = path + ".new"
        _ = unlink(temporary)
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("make", temporary) }
        defer { close(descriptor) }
        let text = Array((prefix + randomText() + "\n").utf8)
        guard write(descriptor, text, text.count) == text.count, fsync(descriptor) == 0 else { throw failure("write", temporary) }
        // link, not rename: a file that came to be meanwhile is kept.
        guard link(temporary, path) == 0 || errno == EEXIST else { throw failure("make", path) }
        _ = unlink(temporary)
        return true
    }

    private static func read(_ path: String) throws(BrokerStartError) -> (token: String, isOpen: Bool) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("read", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("look at", path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw BrokerStartError(.tokens, "\(path) is not a file") }
        var bytes = [UInt8](repeating: 0, count: tokenBytesMax + 2)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw failure("read", path) }
        guard let token = token(in: bytes[..<count]) else {
            throw BrokerStartError(
                .tokens,
                "\(path) must hold one token of \(tokenBytesMin) to \(tokenBytesMax) characters of text: delete it, and a new one is made at the next start")
        }
        return (token, status.st_mode & (S_IROTH | S_IWOTH) != 0)
    }

    /// The one word of UTF-8 that a token file holds; nil where it holds none, several, or one of a wrong length.
    package static func token(in bytes: some Collection<UInt8>) -> String? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        let words = text.split(maxSplits: 2, whereSeparator: \.isWhitespace)
        guard words.count == 1, (tokenBytesMin...tokenBytesMax).contains(words[0].utf8.count) else { return nil }
        return String(words[0])
    }

    private static func randomText() -> String {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        // Six bits a character: as many characters as make up the random bytes.
        let count = (randomByteCount * 8 + 5) / 6
        return String(decoding: (0..<count).map { _ in alphabet[Int(generator.next() & 63)] }, as: UTF8.self)
    }

    private static func failure(_ verb: String, _ path: String) -> BrokerStartError {
        BrokerStartError(.tokens, "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}
