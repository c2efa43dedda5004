internal import Digests
internal import Glibc

/// Digests of files, or of pieces of them, read piece by piece.
enum FileDigests {
    /// Reads a range, and hands it on in pieces of at most ``DiskFolder/bufferBytes``. Ends early at the file's end.
    static func read(
        _ file: OpenFile, _ path: String, from offset: Int64, bytes: Int64, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(min(bytes, Int64(DiskFolder.bufferBytes))), alignment: 4_096)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while done < bytes {
            let wanted = Int(min(Int64(buffer.count), bytes - done))
            let count = try SystemCall.retryingBytes("read", path) { pread(file.descriptor, buffer.baseAddress, wanted, off_t(offset + done)) }
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += Int64(count)
        }
    }

    static func whole(of file: OpenFile, _ path: String, _ algorithms: [DigestStream.Algorithm]) throws -> [[UInt8]] {
        let facts = try SystemCall.facts(of: file.descriptor, path)
        return try algorithms.map { algorithm in
            var stream = try DigestStream(algorithm)
            try read(file, path, from: 0, bytes: facts.bytes) { try stream.update($0) }
            return try stream.finish()
        }
    }

    static func range(of file: OpenFile, _ path: String, from offset: Int64, bytes: Int64, _ algorithm: DigestStream.Algorithm) throws -> [UInt8] {
        var stream = try DigestStream(algorithm)
        try read(file, path, from: offset, bytes: bytes) { try stream.update($0) }
        return try stream.finish()
    }
}
