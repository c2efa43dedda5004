internal import FuzzCore
internal import SpindleClient

extension FuzzTarget {
    /// Compressed bodies: a block with a size that somebody announces, and our own blocks back again.
    static let lz4 = FuzzTarget("lz4", inputBytesMax: 4096, seeds: { [[0, 0, 0, 0], [10, 0, 0, 0, 0x50] + "hello".utf8, Array("aaaabcabcabcabcabcabcabcabcabcabc".utf8)] }) { input in
        var bytes = FuzzBytes(input)
        let announced = Int(bytes.u32())
        let block = bytes.rest()
        if let body = try? BodyCompression.expand(block, byteCount: announced) {
            try must(body.count == announced, "a block expanded to \(body.count) bytes and not to \(announced)")
            try must(announced <= 255 * block.count + 255, "\(block.count) bytes became \(announced)")
        }
        // Plain text, some of which compresses.
        let plain = block + block
        guard let compressed = BodyCompression.compress(plain) else { return }
        try must(compressed.count < plain.count, "a block is not smaller than its body")
        try must((try? BodyCompression.expand(compressed, byteCount: plain.count)) == plain, "a body changes by being compressed")
        try must((try? BodyCompression.expand(compressed, byteCount: plain.count + 1)) == nil, "a block expands to more than its body")
        try must((try? BodyCompression.expand(compressed, byteCount: plain.count - 1)) == nil, "a block expands to less than its body")
    }
}
