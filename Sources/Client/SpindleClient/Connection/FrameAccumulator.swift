package import NIOCore
package import SpindleWire

/// Cuts the byte stream of a connection into frames. An oversize length is refused before anything is allocated for it.
package struct FrameAccumulator {
    /// A whole frame: its header, and a slice of the received bytes as its body.
    package struct Frame {
        package var header: FrameHeader
        package var body: ByteBuffer
    }

    /// Largest frame taken; raised when the broker has announced its cap.
    package var frameBytesMax: Int
    private var pending = ByteBuffer()

    package init(frameBytesMax: Int) { self.frameBytesMax = frameBytesMax }

    /// A frame has begun to come, and is not whole.
    package var isWithinFrame: Bool { pending.readableBytes > 0 }

    package mutating func append(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            var bytes = bytes
            pending.writeBuffer(&bytes)
        }
    }

    /// The next whole frame; nil: more bytes are needed. Behind an error nothing can be found any more.
    package mutating func next() throws(WireError) -> Frame? {
        guard pending.readableBytes >= FrameHeader.byteCount else {
            compact()
            return nil
        }
        let header = try FrameHeader(pending.readableBytesSpan, frameBytesMax: frameBytesMax)
        let length = Int(header.length)
        guard pending.readableBytes >= length else {
            compact()
            pending.reserveCapacity(minimumWritableBytes: length - pending.readableBytes)
            return nil
        }
        // Both lie within what was just counted.
        pending.moveReaderIndex(forwardBy: FrameHeader.byteCount)
        let body = pending.readSlice(length: length - FrameHeader.byteCount) ?? ByteBuffer()
        return Frame(header: header, body: body)
    }

    /// Lets go of what was read: a slice pins its whole parent, and a buffer that starts past 16 MiB is copied when sliced.
    private mutating func compact() {
        if pending.readableBytes == 0 {
            pending = ByteBuffer()
        } else if pending.readerIndex > 0 {
            pending.discardReadBytes()
        }
    }
}
