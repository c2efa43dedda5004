internal import CCRC32C
internal import Digests
package import NIOCore

/// What is sent: its digests, and how to read it again for each attempt.
package struct S3Body: Sendable {
    package static let pieceBytes = 1 << 20

    package let bytes: Int64
    package let digests: S3Digests
    /// As many bytes as asked for, from a place in the body.
    package let read: @Sendable (_ from: Int64, _ bytes: Int) async throws -> ByteBuffer

    package init(bytes: Int64, digests: S3Digests, read: @escaping @Sendable (_ from: Int64, _ bytes: Int) async throws -> ByteBuffer) {
        self.bytes = bytes
        self.digests = digests
        self.read = read
    }

    package init(_ bytes: [UInt8]) throws {
        var stream = try S3DigestStream()
        try bytes.withUnsafeBytes { try stream.update($0) }
        let buffer = ByteBuffer(bytes: bytes)
        self.init(bytes: Int64(bytes.count), digests: try stream.finish()) { from, count in
            buffer.getSlice(at: Int(from), length: count) ?? ByteBuffer()
        }
    }
}

/// What a server compares with what arrived.
package struct S3Digests: Hashable, Sendable {
    package var sha256: [UInt8]
    package var md5: [UInt8]
    package var crc32c: UInt32

    package init(sha256: [UInt8], md5: [UInt8], crc32c: UInt32) {
        self.sha256 = sha256
        self.md5 = md5
        self.crc32c = crc32c
    }
}

/// All of ``S3Digests`` from bytes that come piece by piece.
package struct S3DigestStream: ~Copyable {
    private var sha256: DigestStream?
    private var md5: DigestStream?
    private var crc32c: UInt32 = 0

    package init() throws {
        sha256 = try DigestStream(.sha256)
        md5 = try DigestStream(.md5)
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) throws {
        try sha256?.update(bytes)
        try md5?.update(bytes)
        crc32c = CRC32C.extend(crc32c, bytes)
    }

    /// Once, at the end.
    package mutating func finish() throws -> S3Digests {
        guard let sha256 = sha256.take(), let md5 = md5.take() else { return S3Digests(sha256: [], md5: [], crc32c: crc32c) }
        return S3Digests(sha256: try sha256.finish(), md5: try md5.finish(), crc32c: crc32c)
    }
}

package enum CRC32C {
    package static func extend(_ crc: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 { ccrc32c_extend(crc, bytes.baseAddress, bytes.count) }
}
