internal import FuzzCore
internal import SpindleBroker

extension FuzzTarget {
    /// The content of a token file.
    static let token = FuzzTarget("token", inputBytesMax: 512, seeds: { ["spn_0123456789abcdefghijklmn\n", "short", "two words"].map { Array($0.utf8) } }) { input in
        let bytes = input.withUnsafeBytes { [UInt8]($0) }
        guard let token = TokenStore.token(in: bytes) else { return }
        try must(token.utf8.count >= TokenStore.tokenBytesMin, "a token of \(token.utf8.count) bytes is accepted")
        try must(!token.contains(where: \.isWhitespace), "a token with a space in it is accepted")
        try must(TokenStore.token(in: Array(token.utf8) + [UInt8(ascii: "\n")]) == token, "a token is another one when it is written down")
    }
}
