package import DequeModule

/// The waiting messages of a queue that nothing sets apart from their neighbours, in the order of their addresses.
///
/// A message takes three variable-length numbers, usually four bytes: the gap to the end of the one before, its size, and the
/// time since the one before. A backlog of ten million messages so takes some 40 MB; the messages themselves lie in the log.
package struct PackedMessages: Sendable {
    package struct Message: Equatable, Sendable {
        /// Address of the record in the log: the message's id.
        package var address: UInt64
        package var byteCount: UInt32
        package var storedAt: UInt64
    }

    /// Bytes after which a new chunk is begun.
    package static let chunkByteCount = 4096
    /// Most bytes that one message can take in a chunk: three numbers of up to ten bytes.
    private static let messageByteCountMax = 30

    package private(set) var chunks: Deque<[UInt8]> = []
    /// Where in the first chunk the first message begins.
    package private(set) var headOffset = 0
    /// End address and time of the message that was taken last: what the first one is relative to.
    package private(set) var headEnd: UInt64 = 0
    package private(set) var headTime: UInt64 = 0
    package private(set) var tailEnd: UInt64 = 0
    package private(set) var tailTime: UInt64 = 0
    package private(set) var count = 0
    /// Bytes of the records.
    package private(set) var byteCount: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { count == 0 }

    /// Whether a message at `address` can be added: only behind the last one.
    package func accepts(address: UInt64, storedAt: UInt64) -> Bool { address >= tailEnd && storedAt >= tailTime }

    /// `address` must not be below the end of the last message, nor `storedAt` before its time.
    package mutating func append(address: UInt64, byteCount: UInt32, storedAt: UInt64) {
        precondition(accepts(address: address, storedAt: storedAt), "packed messages rise in address and time")
        if chunks.isEmpty || chunks[chunks.count - 1].count > Self.chunkByteCount - Self.messageByteCountMax {
            var chunk: [UInt8] = []
            chunk.reserveCapacity(Self.chunkByteCount)
            chunks.append(chunk)
        }
        let last = chunks.count - 1
        Self.write(address - tailEnd, to: &chunks[last])
        Self.write(UInt64(byteCount), to: &chunks[last])
        Self.write(storedAt - tailTime, to: &chunks[last])
        tailEnd = address + UInt64(byteCount)
        tailTime = storedAt
        count += 1
        self.byteCount += UInt64(byteCount)
    }

    /// The first message, and how many bytes of the first chunk it takes.
    private func head() -> (message: Message, byteCount: Int)? {
        guard count > 0 else { return nil }
        var offset = headOffset
        let message = chunks[0].withUnsafeBufferPointer { chunk in
            let gap = Self.read(chunk, &offset)
            let byteCount = Self.read(chunk, &offset)
            let time = Self.read(chunk, &offset)
            return Message(address: headEnd + gap, byteCount: UInt32(truncatingIfNeeded: byteCount), storedAt: headTime + time)
        }
        return (message, offset - headOffset)
    }

    package var first: Message? { head()?.message }

    @discardableResult
    package mutating func popFirst() -> Message? {
        guard let (message, byteCount) = head() else { return nil }
        headOffset += byteCount
        headEnd = message.address + UInt64(message.byteCount)
        headTime = message.storedAt
        count -= 1
        self.byteCount -= UInt64(message.byteCount)
        if headOffset == chunks[0].count {
            chunks.removeFirst()
            headOffset = 0
        }
        return message
    }

    private static func write(_ value: UInt64, to chunk: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            chunk.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        chunk.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func read(_ chunk: UnsafeBufferPointer<UInt8>, _ offset: inout Int) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = chunk[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    // MARK: Checkpoint

    /// Everything that ``init(restoring:)`` needs; chunks as they are.
    package struct Snapshot: Equatable, Sendable {
        package var chunks: [[UInt8]]
        package var headOffset: UInt64
        package var headEnd: UInt64
        package var headTime: UInt64
        package init(chunks: [[UInt8]], headOffset: UInt64, headEnd: UInt64, headTime: UInt64) {
            self.chunks = chunks
            self.headOffset = headOffset
            self.headEnd = headEnd
            self.headTime = headTime
        }
    }

    package var snapshot: Snapshot {
        Snapshot(chunks: Array(chunks), headOffset: UInt64(headOffset), headEnd: headEnd, headTime: headTime)
    }

    /// nil where the bytes are not what ``snapshot`` gives.
    package init?(restoring snapshot: Snapshot) {
        headEnd = snapshot.headEnd
        headTime = snapshot.headTime
        tailEnd = headEnd
        tailTime = headTime
        guard let headOffset = Int(exactly: snapshot.headOffset) else { return nil }
        self.headOffset = headOffset
        for (index, chunk) in snapshot.chunks.enumerated() {
            var offset = index == 0 ? headOffset : 0
            guard offset <= chunk.count, offset < chunk.count || index > 0 else { return nil }
            while offset < chunk.count {
                guard let gap = Self.checkedRead(chunk, &offset), let byteCount = Self.checkedRead(chunk, &offset),
                    let time = Self.checkedRead(chunk, &offset), byteCount <= UInt64(UInt32.max)
                else { return nil }
                let (address, overflow) = tailEnd.addingReportingOverflow(gap)
                let (end, overflow2) = address.addingReportingOverflow(byteCount)
                let (stored, overflow3) = tailTime.addingReportingOverflow(time)
                guard !overflow, !overflow2, !overflow3 else { return nil }
                tailEnd = end
                tailTime = stored
                count += 1
                self.byteCount += byteCount
            }
            chunks.append(chunk)
        }
    }

    private static func checkedRead(_ chunk: [UInt8], _ offset: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < chunk.count, shift < 64 {
            let byte = chunk[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }
}
