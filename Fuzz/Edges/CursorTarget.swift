internal import Foundation
internal import FuzzCore
internal import SpindleBridge
internal import SpindleClient
import SpindleText

extension FuzzTarget {
    /// What stands in URLs, headers and event streams: cursors and tokens as text, events and JSON of any text.
    static let cursor = FuzzTarget("cursor", inputBytesMax: 1024, seeds: { ["1:ff", "+1:2", "ab.7", "", "a\r\nb\n\nid: 1", "\u{0}\u{1}\"\\"].map { Array($0.utf8) } }) { input in
        let bytes = input.withUnsafeBytes { [UInt8]($0) }
        let text = String(decoding: bytes, as: UTF8.self)
        if let cursor = TopicCursor(text) {
            try must(text.utf8.count <= 33, "a cursor of \(text.utf8.count) bytes is taken")
            try must(TopicCursor(cursor.description) == cursor, "the cursor \(cursor) is another one when it comes again")
        }
        switch EventHubMachine.Resume(text) {
        case .now: try must(text.isEmpty, "'\(text)' counts as no cursor at all")
        case .after(let cursor): try must(TopicCursor(text) == cursor, "'\(text)' means two cursors")
        case .unreadable: try must(TopicCursor(text) == nil, "the cursor '\(text)' is not read")
        }
        if let token = DeliveryToken(text) {
            try must(DeliveryToken(token.description) == token, "the token \(token) is another one when it comes again")
        }
        let quoted = JSONText.object([(text, text)])
        let object = try? JSONSerialization.jsonObject(with: Data(quoted.utf8)) as? [String: String]
        try must(object?.count == 1 && object?.values.first == text, "JSON text does not say what it was made of: \(quoted)")
        try checkEvent(id: text, name: text, data: bytes)
    }

    /// Reads an event as a browser does. Source: WHATWG HTML, "Server-sent events", parsing an event stream.
    private static func checkEvent(id: String, name: String, data: [UInt8]) throws {
        let stream = ServerSentEvent.encode(id: id, name: name, data: data) + ServerSentEvent.comment(name)
        var fields: [String: [[UInt8]]] = [:]
        var dispatched = 0
        var isCarriageReturn = false
        var line: [UInt8] = []
        func end() {
            if line.isEmpty { dispatched += 1 }
            let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            var value = line[min(colon + 1, line.endIndex)...]
            if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
            if dispatched == 0 { fields[String(decoding: line[..<colon], as: UTF8.self), default: []].append(Array(value)) }
            line = []
        }
        for byte in stream {
            switch byte {
            case UInt8(ascii: "\r"): end()
            case UInt8(ascii: "\n"): if !isCarriageReturn { end() }
            default: line.append(byte)
            }
            isCarriageReturn = byte == UInt8(ascii: "\r")
        }
        try must(dispatched == 1 && line.isEmpty, "one event came out as \(dispatched)")
        try must(fields.keys.sorted() == ["data", "event", "id"], "an event has fields of its own: \(fields.keys.sorted())")
        try must(fields["id"]?.count == 1 && fields["event"]?.count == 1, "an event has two names")
        let read = Array((fields["data"] ?? []).joined(separator: [UInt8(ascii: "\n")]))
        try must(String(decoding: read, as: UTF8.self).utf8.elementsEqual(String(decoding: lines(data), as: UTF8.self).utf8), "an event's data changes on its way")
    }

    /// With one byte for each end of a line. Bytes, not characters: a return with a combining mark behind it is none to Foundation.
    private static func lines(_ data: [UInt8]) -> [UInt8] {
        var lines: [UInt8] = []
        for (index, byte) in data.enumerated() where byte != UInt8(ascii: "\n") || index == 0 || data[index - 1] != UInt8(ascii: "\r") {
            lines.append(byte == UInt8(ascii: "\r") ? UInt8(ascii: "\n") : byte)
        }
        return lines
    }
}
