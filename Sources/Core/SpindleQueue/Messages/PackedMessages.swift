/// Waiting messages that nothing sets apart from their neighbours, in the order of their ids.
///
/// A message takes three variable-length numbers, usually four bytes: the gap to the end of the one before, its size, and the
/// time since the one before. A backlog of ten million messages so takes some 40 MB; the messages themselves lie in the log.
/// They lie in chunks of some 4 KiB: one is rewritten where a message is taken out of the middle, or lies elsewhere now.
package struct PackedMessages: Sendable {
    package struct Message: Equatable, Sendable {
        package var id: UInt64
        /// Where the record lies in the log.
        package var address: UInt64
        package var byteCount: UInt32
        package var storedAt: UInt64
        package init(id: UInt64, address: UInt64, byteCount: UInt32, storedAt: UInt64) {
            self.id = id
            self.address = address
            self.byteCount = byteCount
            self.storedAt = storedAt
        }
    }

    /// The first message, while there is one: so a lane with one message has no chunk.
    private var head = Message(id: 0, address: 0, byteCount: 0, storedAt: 0)
    /// The others. None is empty, but for one that waits to be used again.
    private(set) var chunks = ChunkList()
    package private(set) var count = 0
    /// Bytes of the records.
    package private(set) var byteCount: UInt64 = 0
    /// Chunks in which records may lie elsewhere.
    private var movedChunks = 0

    package init() {}

    package var isEmpty: Bool { count == 0 }
    @inline(__always) package var first: Message? { count > 0 ? head : nil }

    /// Whether a message can be added: only behind the last one.
    package func accepts(id: UInt64, storedAt: UInt64) -> Bool {
        switch count {
        case 0: true
        case 1: id >= head.id + UInt64(head.byteCount) && storedAt >= head.storedAt
        default: chunks[chunks.last].accepts(id: id, storedAt: storedAt)
        }
    }

    /// A message that was just stored: its address is its id. It must be acceptable.
    package mutating func append(id: UInt64, byteCount: UInt32, storedAt: UInt64) {
        let isAdded = add(id: id, byteCount: byteCount, storedAt: storedAt)
        precondition(isAdded, "packed messages rise in id and time")
    }

    /// The same; false where it isn't acceptable.
    mutating func add(id: UInt64, byteCount: UInt32, storedAt: UInt64) -> Bool {
        let message = Message(id: id, address: id, byteCount: byteCount, storedAt: storedAt)
        switch count {
        case 0:
            head = message
        case 1:
            guard accepts(id: id, storedAt: storedAt) else { return false }
            if chunks.isEmpty {
                // Most groups have a message or two: the first chunk grows as it must.
                chunks.append(PackedChunk(at: id, time: storedAt))
            } else {
                if chunks[0].isMoved { movedChunks -= 1 }
                chunks[0].restart(at: id, time: storedAt)
            }
            chunks[0].append(message)
        default:
            switch chunks.addToLast(message) {
            case .added: break
            case .refused: return false
            case .full:
                var chunk = PackedChunk(at: id, time: storedAt, reserving: PackedChunk.byteCountMax)
                chunk.append(message)
                chunks.append(chunk)
            }
        }
        count += 1
        self.byteCount += UInt64(byteCount)
        return true
    }

    @discardableResult
    package mutating func popFirst() -> Message? {
        guard count > 0 else { return nil }
        let message = head
        count -= 1
        byteCount -= UInt64(message.byteCount)
        if count > 0 { advance() }
        return message
    }

    /// The next one comes to the head.
    private mutating func advance() {
        let isLast = chunks.popFirst(into: &head)
        // The last chunk's memory is kept: a queue that is nearly empty would ask for it again and again.
        guard isLast, chunks.count > 1 else { return }
        if chunks[0].isMoved { movedChunks -= 1 }
        chunks.removeFirst()
    }

    // MARK: By id

    /// The chunk that holds `id` if one does.
    func chunkIndex(of id: UInt64) -> Int {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].tail.end <= id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    package func find(_ id: UInt64) -> Message? {
        guard count > 0, id >= head.id else { return nil }
        guard id > head.id else { return head }
        guard count > 1 else { return nil }
        let index = chunkIndex(of: id)
        guard index < chunks.count else { return nil }
        var found: Message?
        chunks[index].forEach { message in
            if message.id == id { found = message }
            return message.id < id
        }
        return found
    }

    /// Takes a message out, wherever it is.
    package mutating func remove(_ id: UInt64) -> Message? {
        if count > 0, head.id == id { return popFirst() }
        guard let message = find(id) else { return nil }
        rewrite(chunkIndex(of: id)) { $0.id == id ? nil : $0 }
        count -= 1
        byteCount -= UInt64(message.byteCount)
        return message
    }

    /// The record of `id` lies at `to` now. False if it isn't here with a record at `from`.
    package mutating func relocate(_ id: UInt64, from: UInt64, to: UInt64) -> Bool {
        guard let message = find(id), message.address == from else { return false }
        if head.id == id {
            head.address = to
            return true
        }
        rewrite(chunkIndex(of: id)) { message in
            guard message.id == id else { return message }
            var moved = message
            moved.address = to
            return moved
        }
        return true
    }

    /// The same, where it is the first message.
    mutating func relocateFirst(_ move: Relocation) -> Bool {
        guard let first, first.id == move.id, first.address == move.from else { return false }
        head.address = move.to
        return true
    }

    mutating func rewrite(_ index: Int, _ change: (Message) -> Message?) {
        let chunk = chunks[index].rewritten(change)
        if chunks[index].isMoved { movedChunks -= 1 }
        if chunk.count == 0, chunks.count > 1 {
            chunks.remove(at: index)
        } else {
            chunks[index] = chunk
            if chunk.isMoved { movedChunks += 1 }
        }
    }

    /// Calls `body` with the messages whose ids are above `id`, in their order, until it says false.
    package func forEach(after id: UInt64 = 0, _ body: (Message) -> Bool) {
        guard count > 0 else { return }
        if head.id > id || id == 0 {
            guard body(head) else { return }
        }
        guard count > 1 else { return }
        var index = id == 0 ? 0 : chunkIndex(of: id)
        while index < chunks.count {
            guard chunks[index].forEach({ $0.id > id || id == 0 ? body($0) : true }) else { return }
            index += 1
        }
    }

    /// No record lies below. Exact where no record was moved; else it may be a little too low.
    package var lowestAddress: UInt64? {
        guard count > 0 else { return nil }
        guard count > 1, head.address != head.id || movedChunks > 0 else { return head.address }
        var lowest = head.address
        for chunk in chunks.all {
            lowest = min(lowest, chunk.isMoved ? chunk.lowestAddress : chunk.base.end)
            // Behind a chunk in which nothing was moved only moved ones can be lower.
            if !chunk.isMoved, movedChunks == 0 { break }
        }
        return lowest
    }

    /// Calls `body` with the messages whose records lie below `address`, until it says false.
    package func forEach(below address: UInt64, _ body: (Message) -> Bool) {
        guard count > 0 else { return }
        if head.address < address {
            guard body(head) else { return }
        }
        guard count > 1 else { return }
        for chunk in chunks.all where chunk.lowestAddress < address {
            guard chunk.forEach({ $0.address < address ? body($0) : true }) else { return }
        }
    }

    // MARK: Checkpoint

    /// What is behind the first message, as a checkpoint keeps it.
    package var rest: ArraySlice<PackedChunk> { count > 1 ? chunks.all : [] }

    /// nil where the messages don't rise, or one has more than `byteCountMax` bytes.
    package init?(first: Message, rest chunks: [PackedChunk], byteCountMax: UInt32 = .max) {
        head = first
        count = 1
        byteCount = UInt64(first.byteCount)
        var end = first.id.addingReportingOverflow(UInt64(first.byteCount))
        var time = first.storedAt
        guard !end.overflow else { return nil }
        for chunk in chunks {
            guard let first = chunk.first, first.id >= end.partialValue, first.storedAt >= time else { return nil }
            let isSound = chunk.forEach { message in
                byteCount += UInt64(message.byteCount)
                return message.byteCount <= byteCountMax
            }
            guard isSound else { return nil }
            count += chunk.count
            if chunk.isMoved { movedChunks += 1 }
            end.partialValue = chunk.tail.end
            time = chunk.tail.time
            self.chunks.append(chunk)
        }
    }

    /// The messages of a checkpoint of version 1: chunks that go on where the one before ended, the first from `headOffset`.
    /// nil where the bytes are not that.
    package init?(version1 chunks: [[UInt8]], headOffset: UInt64, headEnd: UInt64, headTime: UInt64, byteCountMax: UInt32 = .max) {
        guard var at = Int(exactly: headOffset) else { return nil }
        var end = headEnd
        var time = headTime
        for (index, chunk) in chunks.enumerated() {
            guard at <= chunk.count, at < chunk.count || index > 0 else { return nil }
            while at < chunk.count {
                guard let gap = PackedChunk.checkedRead(chunk, &at), let size = PackedChunk.checkedRead(chunk, &at),
                    let since = PackedChunk.checkedRead(chunk, &at), let byteCount = UInt32(exactly: size), byteCount <= byteCountMax
                else { return nil }
                let (id, overflow) = end.addingReportingOverflow(gap)
                let (next, overflow2) = id.addingReportingOverflow(size)
                let (storedAt, overflow3) = time.addingReportingOverflow(since)
                guard !overflow, !overflow2, !overflow3 else { return nil }
                append(id: id, byteCount: byteCount, storedAt: storedAt)
                end = next
                time = storedAt
            }
            at = 0
        }
    }
}
