import SpindleWire
import Testing

/// Notes on items as they are gathered and read.
@Suite struct ItemNotesTests {
    private func error(_ text: String, retry: UInt32 = 0) -> WireError { WireError(.queueFull, text, retryAfterMilliseconds: retry) }

    @Test func neighboursOfWhichTheSameIsSaidShareANote() {
        var notes = ItemNotes()
        for (item, text, retry) in [(0, "a", 0), (1, "a", 0), (2, "a", 5), (4, "a", 5), (5, "b", 5), (6, "b", 5)] as [(Int, String, UInt32)] {
            notes.add(error(text, retry: retry), item: item)
        }
        #expect(notes.notes.map { [$0.first, $0.count] } == [[0, 2], [2, 1], [4, 1], [5, 2]])
        #expect((0...7).map { notes[$0]?.first } == [0, 0, 2, nil, 4, 5, 5, nil])
    }

    @Test(arguments: [1, 100, WireLimits.sentenceBytesMax, 3 * WireLimits.sentenceBytesMax]) func theyAreBounded(textBytes: Int) throws {
        var notes = ItemNotes()
        for item in 0..<10_000 {
            notes.add(error(String(repeating: item % 2 == 0 ? "a" : "b", count: textBytes)), item: item)
        }
        #expect(notes.isFull)
        #expect(notes.notes.count <= WireLimits.itemNotesMax)
        #expect(notes.byteCount <= WireLimits.itemNotesBytesMax)
        var writer = WireWriter()
        notes.encode(into: &writer)
        #expect(writer.count == TaggedTail.headByteCount + notes.byteCount)
        let reply = StatusReply(runs: [.init(status: ItemStatus(.queueFull), count: 10_000)], notes: notes)
        var whole = WireWriter()
        reply.encode(into: &whole)
        let bytes = whole.array()
        #expect(try StatusReply(bytes.span.bytes).notes.notes.count == notes.notes.count)
    }

    /// What an older client reads, and what an older broker writes.
    @Test func aReplyWithoutNotesIsAsItWas() throws {
        var writer = WireWriter()
        StatusReply(runs: [.init(status: .ok, count: 1)]).encode(into: &writer)
        #expect(writer.array() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    }
}
