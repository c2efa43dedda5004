import NIOCore

/// Output of one connection that the socket has not taken: what the channel holds, in pieces, and what it was not given yet.
struct WaitingOutput {
    /// A buffer that has reached this size is not appended to.
    static let bufferBytesMax = 256 << 10
    /// One write to the channel: it counts as taken when all of it is.
    private static let pieceBytesMax = 64 << 10
    /// The channel is given no more than this, so that TLS encrypts no more ahead.
    private static let writtenBytesMax = 512 << 10

    private var buffers = CircularBuffer<ByteBuffer>()
    private var unwrittenBytes = 0
    /// Given to the channel and not taken by the socket.
    private var writtenBytes = 0

    var byteCount: Int { unwrittenBytes + writtenBytes }

    mutating func append(_ buffer: ByteBuffer) {
        unwrittenBytes += buffer.readableBytes
        buffers.append(buffer)
    }

    /// The next piece for the channel; nil where it has enough, or nothing waits.
    mutating func next(all: Bool) -> ByteBuffer? {
        guard all || writtenBytes < Self.writtenBytesMax, var first = buffers.popFirst() else { return nil }
        let piece = first.readSlice(length: min(first.readableBytes, Self.pieceBytesMax)) ?? ByteBuffer()
        if first.readableBytes > 0 { buffers.prepend(first) }
        unwrittenBytes -= piece.readableBytes
        writtenBytes += piece.readableBytes
        return piece
    }

    /// A piece is in the channel no more.
    mutating func left(_ byteCount: Int) { writtenBytes -= byteCount }

    /// The connection is gone. Returns the bytes that the channel was never given.
    mutating func dropUnwritten() -> Int {
        defer { unwrittenBytes = 0 }
        buffers.removeAll()
        return unwrittenBytes
    }
}
