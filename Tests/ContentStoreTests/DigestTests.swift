import Digests
import Testing

@Suite struct DigestTests {
    /// FIPS 180-4 examples and the NIST long message; RFC 1321 §A.5.
    @Test(arguments: [
        (DigestStream.Algorithm.sha256, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (.sha256, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            .sha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (.sha256, "a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        (.sha1, "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (.sha1, "a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        (.md5, "", 1, "d41d8cd98f00b204e9800998ecf8427e"),
        (.md5, "message digest", 1, "f96b697d7cb7938d525a2f31aaf161d0"),
        (.md5, "1234567890", 8, "57edf4a22be3c955ac49da2e2107b67a"),
    ])
    func knownVectors(algorithm: DigestStream.Algorithm, text: String, times: Int, digest: String) throws {
        let bytes = Array(String(repeating: text, count: times).utf8)
        #expect(Hexadecimal.text(try DigestStream.digest(of: bytes, algorithm)) == digest)
        // The same in pieces that match no block.
        var stream = try DigestStream(algorithm)
        for start in stride(from: 0, to: bytes.count, by: 9_973) {
            try stream.update(Array(bytes[start..<min(start + 9_973, bytes.count)]))
        }
        let pieces = try stream.finish()
        #expect(Hexadecimal.text(pieces) == digest)
    }

    @Test(arguments: [("", [UInt8]()), ("00ffA5", [0, 255, 0xA5]), ("0", nil), ("0g", nil), ("가", nil)] as [(String, [UInt8]?)])
    func hexadecimal(text: String, bytes: [UInt8]?) {
        #expect(Hexadecimal.bytes(text) == bytes)
        if let bytes { #expect(Hexadecimal.text(bytes) == text.lowercased()) }
    }
}
