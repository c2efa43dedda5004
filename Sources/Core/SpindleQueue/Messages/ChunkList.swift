/// Chunks in their order, which are taken from the front: an array with a start, whose elements are changed where they lie.
///
/// (A `Deque` moves an element out and in again to change it, and copies it to look at it: that is most of what storing a message
/// would cost.)
struct ChunkList: Sendable {
    private var items: [PackedChunk] = []
    private var start = 0

    /// Places before the start that are kept at most, while they are fewer than those that are used.
    private static let spareMin = 16

    init() {}

    @inline(__always) var count: Int { items.count - start }
    @inline(__always) var isEmpty: Bool { items.count == start }
    /// To be looked through.
    var all: ArraySlice<PackedChunk> { items[start...] }

    subscript(index: Int) -> PackedChunk {
        @inline(__always) _read { yield items[start + index] }
        @inline(__always) _modify { yield &items[start + index] }
    }

    @inline(__always) var last: Int { items.count - start - 1 }

    /// Adds a message to the last chunk, of which there must be one.
    @inline(__always)
    mutating func addToLast(_ message: PackedChunk.Message) -> PackedChunk.Added { items[items.count - 1].add(message) }

    /// Takes the first message of the first chunk; true if it was that chunk's last.
    @inline(__always)
    mutating func popFirst(into message: inout PackedChunk.Message) -> Bool { items[start].popFirst(into: &message) }

    mutating func append(_ chunk: PackedChunk) { items.append(chunk) }

    /// There must be one.
    mutating func removeFirst() {
        items[start] = PackedChunk(at: 0, time: 0) // lets go of its bytes
        start += 1
        guard start >= Self.spareMin, start >= items.count - start else { return }
        items.removeSubrange(..<start)
        start = 0
    }

    mutating func remove(at index: Int) { items.remove(at: start + index) }
}
