import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// One event of a stream.
struct StreamEvent: Sendable, Equatable {
    var id = ""
    var name = "message"
    var data = ""
}

/// Reads `text/event-stream`. Source: WHATWG HTML, "Server-sent events".
struct EventStreamParser {
    /// A longer line ends the stream.
    static let lineBytesMax = 1 << 20

    struct LineTooLong: Error {}

    private var line: [UInt8] = []
    private var lastWasCarriageReturn = false
    private var event = StreamEvent()
    private var dataLines: [String] = []

    /// The events that are complete with these bytes.
    mutating func add(_ bytes: some Sequence<UInt8>) throws(LineTooLong) -> [StreamEvent] {
        var events: [StreamEvent] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n") where lastWasCarriageReturn: lastWasCarriageReturn = false
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                lastWasCarriageReturn = byte == UInt8(ascii: "\r")
                if let event = endLine() { events.append(event) }
            case _:
                lastWasCarriageReturn = false
                guard line.count < Self.lineBytesMax else { throw LineTooLong() }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> StreamEvent? {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        guard !text.isEmpty else { return endEvent() }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count > 1 ? parts[1] : ""
        if value.first == " " { value = value.dropFirst() }
        switch parts[0] {
        case "id": event.id = String(value)
        case "event": event.name = String(value)
        case "data": dataLines.append(String(value))
        case _: break // a comment, `retry`, or a field of the future
        }
        return nil
    }

    private mutating func endEvent() -> StreamEvent? {
        defer {
            event.name = "message"
            dataLines = []
        }
        guard !dataLines.isEmpty else { return nil }
        event.data = dataLines.joined(separator: "\n")
        return event
    }
}

/// A connection to one event stream of the web server.
struct EventStream {
    let client: HTTPClient
    let url: String
    let token: String

    /// Calls `handle` for each event, until the stream ends.
    func follow(_ handle: (StreamEvent) async -> Void) async throws {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "authorization", value: "Bearer \(token)")
        request.headers.add(name: "accept", value: "text/event-stream")
        // The deadline is for the whole stream; who follows it ends it.
        let response = try await client.execute(request, deadline: .distantFuture)
        guard response.status == .ok else { throw CommandFailure("\(url) answered \(response.status.code).") }
        var parser = EventStreamParser()
        for try await part in response.body {
            for event in try parser.add(part.readableBytesView) { await handle(event) }
        }
    }
}
