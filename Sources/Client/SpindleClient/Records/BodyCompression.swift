internal import CLZ4
internal import SpindleWire

/// LZ4 blocks (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md).
package enum BodyCompression {
    /// The block, or nil where it would not be smaller than `body`.
    package static func compress(_ body: [UInt8]) -> [UInt8]? {
        guard body.count > 1, body.count <= WireLimits.bodyBytesMax else { return nil }
        let capacity = body.count - 1
        let block = [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
            let written = body.withUnsafeBytes { source in
                LZ4_compress_default(source.baseAddress, target.baseAddress, Int32(source.count), Int32(capacity))
            }
            count = Int(max(0, written))
        }
        return block.isEmpty ? nil : block
    }

    /// Expands `block`, which must give exactly `byteCount` bytes (at most ``WireLimits/bodyBytesMax``).
    package static func expand(_ block: [UInt8], byteCount: Int) throws(SpindleError) -> [UInt8] {
        guard byteCount > 0, byteCount <= WireLimits.bodyBytesMax else {
            throw invalid("a compressed body announces \(byteCount) bytes: 1 to \(WireLimits.bodyBytesMax) are allowed")
        }
        // An LZ4 block expands at most 255-fold: refused before anything is allocated.
        guard byteCount / 255 <= block.count else {
            throw invalid("a compressed body of \(block.count) bytes announces \(byteCount): it can't be that many")
        }
        var written: Int32 = 0
        let body = [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
            written = block.withUnsafeBytes { source in
                LZ4_decompress_safe(source.baseAddress, target.baseAddress, Int32(source.count), Int32(byteCount))
            }
            count = Int(max(0, written))
        }
        guard Int(written) == byteCount else { throw invalid("a compressed body does not expand to the \(byteCount) bytes it announces") }
        return body
    }

    private static func invalid(_ message: String) -> SpindleError {
        SpindleError(code: .recordInvalid, message: message, blastRadius: .item)
    }
}
