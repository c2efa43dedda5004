/// What a reply says of items beyond their statuses: why, and when to try again. Tail tag `0x7F02` of every reply that has statuses in the order
/// of the request's items: `(u32 first item · u32 items · u32 retry after ms · sentence text)` one behind the other.
/// Source: `protocol/README.md`, "Notes on items".
package struct ItemNotes: Equatable, Sendable {
    package static let tag: UInt16 = 0x7F02

    /// About `count` items from `first` on, counted from 0.
    package struct Note: Equatable, Sendable {
        package var first: UInt32
        package var count: UInt32
        /// 0: nothing is known of that.
        package var retryAfterMilliseconds: UInt32
        package var text: String
        package init(first: UInt32, count: UInt32, retryAfterMilliseconds: UInt32, text: String) {
            self.first = first
            self.count = count
            self.retryAfterMilliseconds = retryAfterMilliseconds
            self.text = text
        }

        /// Bytes of a note besides its text.
        static let byteCountMin = 14
        fileprivate var end: UInt64 { UInt64(first) + UInt64(count) }
        fileprivate var byteCount: Int { Self.byteCountMin + min(text.utf8.count, WireLimits.sentenceBytesMax) }
    }

    /// In the order of their items, no item in two of them.
    package private(set) var notes: [Note] = []
    /// Bytes that they take on the wire.
    package private(set) var byteCount = 0

    package init(_ notes: [Note] = []) {
        self.notes = notes
        byteCount = notes.reduce(0) { $0 + $1.byteCount }
    }

    package var isEmpty: Bool { notes.isEmpty }
    /// No further note is taken: what would be said need not be made.
    package var isFull: Bool {
        notes.count >= WireLimits.itemNotesMax || byteCount > WireLimits.itemNotesBytesMax - Note.byteCountMin - WireLimits.sentenceBytesMax
    }

    /// Says of `item` what the error says; together with the item before it, where that is the same. Items rise. Left out where the notes are
    /// full.
    package mutating func add(_ error: WireError, item: Int) {
        let item = UInt32(clamping: item)
        if let last = notes.last, last.end == UInt64(item), last.text == error.message, last.retryAfterMilliseconds == error.retryAfterMilliseconds {
            notes[notes.count - 1].count += 1
            return
        }
        guard !isFull else { return }
        let note = Note(first: item, count: 1, retryAfterMilliseconds: error.retryAfterMilliseconds, text: error.message)
        notes.append(note)
        byteCount += note.byteCount
    }

    /// What is said of `item`; nil: nothing.
    package subscript(item: Int) -> Note? {
        var low = 0
        var high = notes.count
        while low < high {
            let middle = (low + high) / 2
            if notes[middle].end <= UInt64(item) { low = middle + 1 } else { high = middle }
        }
        guard low < notes.count, notes[low].first <= item else { return nil }
        return notes[low]
    }

    /// Writes nothing where there is no note.
    package func encode(into writer: inout WireWriter) {
        guard !isEmpty else { return }
        let field = writer.beginTag(Self.tag)
        for note in notes {
            writer.u32(note.first)
            writer.u32(note.count)
            writer.u32(note.retryAfterMilliseconds)
            writer.sentence(note.text)
        }
        writer.endTag(field)
    }

    /// Reads the rest of a reply about `itemCount` items as a tail, of which this is the only known field.
    init(tail reader: inout WireReader, itemCount: UInt64) throws(WireError) {
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Self.tag]) {
            self = try ItemNotes(tail.extracting(field.range), itemCount: itemCount)
        }
    }

    private init(_ bytes: RawSpan, itemCount: UInt64) throws(WireError) {
        var reader = WireReader(bytes)
        var notes: [Note] = []
        var end: UInt64 = 0
        while !reader.isAtEnd {
            let note = Note(
                first: try reader.u32("note's first item"), count: try reader.u32("note's items"), retryAfterMilliseconds: try reader.u32("retry after"),
                text: try reader.sentence("note"))
            guard note.count > 0, note.first >= end, note.end <= itemCount else {
                throw .malformed("a note on \(note.count) items from \(note.first) on, of \(itemCount), after one that ends at \(end)")
            }
            end = note.end
            notes.append(note)
        }
        self.init(notes)
    }
}
