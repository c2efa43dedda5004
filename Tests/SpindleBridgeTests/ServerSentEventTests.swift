import SpindleBridge
import SpindleClient
import SpindleText
import Testing

@Suite struct ServerSentEventTests {
    @Test(arguments: [
        ("1:a", "ping", "{}", "id: 1:a\nevent: ping\ndata: {}\n\n"),
        (nil, "ping", "", "event: ping\ndata: \n\n"),
        ("1:a", "x", "a\nb", "id: 1:a\nevent: x\ndata: a\ndata: b\n\n"),
        ("1:a", "x", "a\rb", "id: 1:a\nevent: x\ndata: a\ndata: b\n\n"),
        ("1:a", "x", "a\r\nb", "id: 1:a\nevent: x\ndata: a\ndata: b\n\n"),
        ("1:a", "x", "a\n\rb\r", "id: 1:a\nevent: x\ndata: a\ndata: \ndata: b\ndata: \n\n"),
        ("1:a", "x", "\r\n", "id: 1:a\nevent: x\ndata: \ndata: \n\n"),
        ("1:a", "x", "{\"이름\":\"부품\"}", "id: 1:a\nevent: x\ndata: {\"이름\":\"부품\"}\n\n"),
        ("1\nevent: evil\r\0", "a\r\nretry: 1", "d", "id: 1event: evil\nevent: aretry: 1\ndata: d\n\n"),
    ])
    func `encodes fields, one data line per line`(_ id: String?, _ name: String, _ data: String, _ expected: String) {
        #expect(String(decoding: ServerSentEvent.encode(id: id, name: name, data: Array(data.utf8)), as: UTF8.self) == expected)
    }

    @Test(arguments: [("plain", #""plain""#), ("a\"b\\c", #""a\"b\\c""#), ("\n\u{1}\u{1f}", #""\n\u0001\u001f""#), ("한국어", #""한국어""#)])
    func `quotes JSON`(_ text: String, _ expected: String) {
        #expect(JSONText.quoted(text) == expected)
    }
}

@Suite struct EventRingTests {
    private func ring(events: Int = 100, bytes: Int = 1_000_000, _ offsets: [UInt64]) -> EventRing {
        var ring = EventRing(at: TopicCursor(epoch: 1, offset: 10), eventsMax: events, bytesMax: bytes)
        for offset in offsets {
            _ = ring.append(.init(offset: offset, mask: offset % 2 == 0 ? 1 : 2, content: .event(topic: "t", body: Array("{}".utf8))))
        }
        return ring
    }

    @Test(arguments: [
        // events, bytes, offsets                    → floor, head, count
        (100, 1_000, [11, 12, 15] as [UInt64], 10 as UInt64, 15 as UInt64, 3),
        (2, 1_000, [11, 12, 15], 11, 15, 2),
        (100, 70, [11, 12, 15], 11, 15, 2),
        (100, 1, [11, 12, 15], 12, 15, 1), // the newest stays whatever its size
        (100, 1_000, [11, 11, 9, 12], 10, 12, 2), // what is not newer is left out
        (100, 1_000, [], 10, 10, 0),
    ])
    func `keeps the newest within its limits`(
        _ events: Int, _ bytes: Int, _ offsets: [UInt64], _ floor: UInt64, _ head: UInt64, _ count: Int
    ) {
        let ring = ring(events: events, bytes: bytes, offsets)
        #expect(ring.floor == floor)
        #expect(ring.head == head)
        #expect(ring.count == count)
    }

    @Test(arguments: [
        // after, mask, limit → text with places in hexadecimal, place
        (10 as UInt64, 3 as UInt64, 100, "t@1:b t@1:c t@1:f", 15 as UInt64),
        (11, 3, 100, "t@1:c t@1:f", 15),
        (10, 2, 100, "t@1:b t@1:f", 15),
        (10, 1, 100, "t@1:c", 15), // what it doesn't show is behind it all the same
        (10, 3, 1, "t@1:b", 11),
        (15, 3, 100, "", 15),
        (99, 3, 100, "", 99),
    ])
    func `reads on from a place`(_ after: UInt64, _ mask: UInt64, _ limit: Int, _ text: String, _ place: UInt64) {
        var bytes: [UInt8] = []
        var ring = ring([11, 12, 15])
        // Twice: written, and as it was written.
        for _ in 0..<2 {
            bytes = []
            #expect(ring.read(after: after, mask: mask, framing: .serverSentEvents, bytesMax: limit, into: &bytes) == place)
            #expect(HubScript.frames(bytes).joined(separator: " ") == text)
        }
    }

    @Test func `forgets in bulk and still finds its place`() {
        var ring = ring(events: 10, bytes: 1_000_000, Array(11...5_000))
        #expect(ring.count == 10)
        #expect(ring.floor == 4_990)
        #expect(!ring.covers(4_989))
        #expect(ring.covers(4_990))
        #expect(ring.covers(5_000))
        #expect(!ring.covers(5_001))
        var bytes: [UInt8] = []
        #expect(ring.read(after: 4_998, mask: 3, framing: .serverSentEvents, bytesMax: 100, into: &bytes) == 5_000)
        #expect(HubScript.frames(bytes) == ["t@1:1387", "t@1:1388"])
    }
}
