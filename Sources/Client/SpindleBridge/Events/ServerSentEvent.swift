/// Writes events in the format `text/event-stream`.
///
/// Source: WHATWG HTML, "Server-sent events", parsing an event stream.
package enum ServerSentEvent {
    /// The bytes of one event.
    ///
    /// - Parameters:
    ///   - id: becomes the client's last event id; nil leaves it as it is. A line break or NUL in it is dropped: it would end the field.
    ///   - name: the event's type. Line breaks are dropped.
    ///   - data: UTF-8. CR, LF and CRLF each begin a new `data` line, which the receiver joins again with LF.
    package static func encode(id: String? = nil, name: String, data: some Collection<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count + 96)
        if let id { append("id: ", field: id, to: &bytes) }
        append("event: ", field: name, to: &bytes)
        for line in lines(of: data) {
            bytes += "data: ".utf8
            bytes += line
            bytes.append(lineFeed)
        }
        bytes.append(lineFeed)
        return bytes
    }

    /// A line that scripts do not see; keeps proxies from closing an idle connection.
    package static func comment(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        append(": ", field: text, to: &bytes)
        return bytes
    }

    /// How long the client waits before it connects again.
    package static func retry(milliseconds: Int64) -> [UInt8] { Array("retry: \(max(0, milliseconds))\n\n".utf8) }

    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    private static func append(_ prefix: String, field: String, to bytes: inout [UInt8]) {
        bytes += prefix.utf8
        bytes += field.utf8.lazy.filter { $0 != lineFeed && $0 != carriageReturn && $0 != 0 }
        bytes.append(lineFeed)
    }

    /// At least one line, maybe empty.
    private static func lines<Data: Collection<UInt8>>(of data: Data) -> [Data.SubSequence] {
        var lines: [Data.SubSequence] = []
        var start = data.startIndex
        var index = start
        while index < data.endIndex {
            let byte = data[index]
            let next = data.index(after: index)
            guard byte == lineFeed || byte == carriageReturn else {
                index = next
                continue
            }
            lines.append(data[start..<index])
            start = byte == carriageReturn && next < data.endIndex && data[next] == lineFeed ? data.index(after: next) : next
            index = start
        }
        lines.append(data[start...])
        return lines
    }
}
