/// Some hundred waiting messages as bytes: what ``PackedMessages`` is made of.
///
/// ```
/// plain   (varint gap · varint bytes · varint ms)…                           address = id
/// moved   (varint gap · varint bytes · varint ms · zigzag varint shift)…     address = id + shift
/// ```
/// `gap` is from the end of the message before to the id, `ms` the time since it was stored, `shift` the change of how far the
/// record was moved. The first is relative to `base`, so that a chunk can be read, cut and rewritten by itself.
package struct PackedChunk: Sendable {
    /// What a message is relative to: the one before it.
    package struct Position: Equatable, Sendable {
        /// Id plus bytes.
        package var end: UInt64
        package var time: UInt64
        /// Address less id.
        package var shift: UInt64
        package init(end: UInt64, time: UInt64, shift: UInt64) {
            self.end = end
            self.time = time
            self.shift = shift
        }
    }

    package typealias Message = PackedMessages.Message

    /// Bytes after which a new chunk is begun.
    package static let byteCountMax = 4096
    /// Most bytes that one message can take: four numbers of up to ten.
    static let messageByteCountMax = 40

    private(set) var bytes: [UInt8] = []
    /// Where the first message begins.
    private(set) var offset = 0
    /// Bytes that were ever appended: those before `offset` count, so that a restored chunk is full when the original was.
    package private(set) var used = 0
    package private(set) var count = 0
    package private(set) var base: Position
    private(set) var tail: Position
    package private(set) var isMoved: Bool
    /// No record lies below; exact where none of the chunk was taken since it was written.
    private(set) var lowestAddress = UInt64.max

    init(at id: UInt64, time: UInt64, isMoved: Bool = false, reserving byteCount: Int = 0) {
        base = Position(end: id, time: time, shift: 0)
        tail = base
        self.isMoved = isMoved
        if byteCount > 0 { bytes.reserveCapacity(byteCount) }
    }

    var isFull: Bool { used > Self.byteCountMax - Self.messageByteCountMax }

    /// What has not been taken.
    package var remaining: ArraySlice<UInt8> { bytes[offset...] }

    /// Begins anew in the memory it has; it must be empty.
    mutating func restart(at id: UInt64, time: UInt64) {
        bytes.removeAll(keepingCapacity: true)
        offset = 0
        used = 0
        base = Position(end: id, time: time, shift: 0)
        tail = base
        isMoved = false
        lowestAddress = .max
    }

    func accepts(id: UInt64, storedAt: UInt64) -> Bool { id >= tail.end && storedAt >= tail.time }

    enum Added { case added, refused, full }

    /// Appends a message, if it can be.
    mutating func add(_ message: Message) -> Added {
        guard accepts(id: message.id, storedAt: message.storedAt) else { return .refused }
        guard !isFull else { return .full }
        append(message)
        return .added
    }

    @inline(__always)
    mutating func append(_ message: Message) {
        let before = bytes.count
        let gap = message.id &- tail.end
        let byteCount = UInt64(message.byteCount)
        let since = message.storedAt &- tail.time
        let shift = message.address &- message.id
        if !isMoved, gap < 1 << 14, byteCount < 1 << 21, since < 1 << 14 {
            // Seven bytes at most, appended at once: nearly every message there is.
            var word: UInt64 = 0
            var count: UInt64 = 0
            Self.write(gap, to: &word, &count)
            Self.write(byteCount, to: &word, &count)
            Self.write(since, to: &word, &count)
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0.prefix(Int(truncatingIfNeeded: count))) }
        } else {
            Self.write(gap, to: &bytes)
            Self.write(byteCount, to: &bytes)
            Self.write(since, to: &bytes)
            if isMoved { Self.write(Self.zigzag(shift &- tail.shift), to: &bytes) }
        }
        used += bytes.count - before
        tail = Position(end: message.id + UInt64(message.byteCount), time: message.storedAt, shift: shift)
        count += 1
        lowestAddress = min(lowestAddress, message.address)
    }

    var first: Message? {
        guard count > 0 else { return nil }
        var at = offset
        var position = base
        return read(&at, &position)
    }

    /// Takes the first message, of which there must be one; true if it was the last.
    mutating func popFirst(into message: inout Message) -> Bool {
        message = read(&offset, &base)
        count -= 1
        return count == 0
    }

    /// Calls `body` with each message, until it says false. Returns false if it did.
    @discardableResult
    func forEach(_ body: (Message) -> Bool) -> Bool {
        var at = offset
        var position = base
        for _ in 0..<count {
            guard body(read(&at, &position)) else { return false }
        }
        return true
    }

    /// The same messages without some, or lying elsewhere. Half-used memory is let go of.
    func rewritten(_ change: (Message) -> Message?) -> PackedChunk {
        var isMoved = false
        var messages: [Message] = []
        messages.reserveCapacity(count)
        forEach { message in
            if let changed = change(message) {
                messages.append(changed)
                isMoved = isMoved || changed.address != changed.id
            }
            return true
        }
        let first = messages.first
        var chunk = PackedChunk(at: first?.id ?? tail.end, time: first?.storedAt ?? tail.time, isMoved: isMoved)
        for message in messages { chunk.append(message) }
        return chunk
    }

    /// A chunk as a checkpoint holds it. nil where the bytes are not `count` messages.
    package init?(base: Position, isMoved: Bool, used: Int, count: Int, bytes: [UInt8]) {
        self.init(at: base.end, time: base.time, isMoved: isMoved)
        guard used >= bytes.count, used <= Int(UInt32.max), count <= bytes.count else { return nil }
        self.base = base
        self.bytes = bytes
        self.used = used
        tail = base
        var at = 0
        for _ in 0..<count {
            guard let gap = Self.checkedRead(bytes, &at), let size = Self.checkedRead(bytes, &at), let time = Self.checkedRead(bytes, &at),
                let shift = isMoved ? Self.checkedRead(bytes, &at) : 0, size <= UInt64(UInt32.max)
            else { return nil }
            let (id, overflow) = tail.end.addingReportingOverflow(gap)
            let (end, overflow2) = id.addingReportingOverflow(size)
            let (stored, overflow3) = tail.time.addingReportingOverflow(time)
            guard !overflow, !overflow2, !overflow3 else { return nil }
            tail = Position(end: end, time: stored, shift: tail.shift &+ Self.unzigzag(shift))
            lowestAddress = min(lowestAddress, id &+ tail.shift)
        }
        guard at == bytes.count else { return nil }
        self.count = count
    }

    // MARK: Numbers

    private func read(_ at: inout Int, _ position: inout Position) -> Message {
        bytes.withUnsafeBufferPointer { bytes in
            let id = position.end &+ Self.read(bytes, &at)
            let byteCount = Self.read(bytes, &at)
            position.time &+= Self.read(bytes, &at)
            if isMoved { position.shift &+= Self.unzigzag(Self.read(bytes, &at)) }
            position.end = id &+ byteCount
            return Message(
                id: id, address: id &+ position.shift, byteCount: UInt32(truncatingIfNeeded: byteCount), storedAt: position.time)
        }
    }

    private static func zigzag(_ value: UInt64) -> UInt64 {
        let signed = Int64(bitPattern: value)
        return UInt64(bitPattern: (signed << 1) ^ (signed >> 63))
    }

    private static func unzigzag(_ value: UInt64) -> UInt64 { (value >> 1) ^ (0 &- (value & 1)) }

    /// Appends to `count` bytes in a word that has room.
    @inline(__always)
    private static func write(_ value: UInt64, to word: inout UInt64, _ count: inout UInt64) {
        var rest = value
        while rest >= 0x80 {
            word |= (rest & 0x7F | 0x80) &<< (8 &* count)
            count &+= 1
            rest &>>= 7
        }
        word |= rest &<< (8 &* count)
        count &+= 1
    }

    private static func write(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func read(_ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = bytes[at]
            at += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    static func checkedRead(_ bytes: [UInt8], _ at: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < bytes.count, shift < 64 {
            let byte = bytes[at]
            at += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }
}
