package import Logging
package import SpindleText
import Tracing

/// How log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object on each line.
    case json
    /// For people at a terminal.
    case plain
}

/// A swift-log backend that writes one line for each event, to standard error unless told otherwise.
///
/// JSON: `time` (RFC 3339, UTC, milliseconds), `level`, `label`, `service`, `correlationId`, `message`, `error`, then the
/// metadata by key. Dictionaries in the metadata are flattened, `{"a": {"b": 1}}` to `a.b`; a metadata key that is one of
/// the fields before gets an underscore behind it. Metadata is merged in the order handler, provider, statement: later ones win.
package struct LineLogHandler: LogHandler {
    /// Longer messages and values are cut, in bytes.
    package static let textBytesMax = 64 << 10
    /// Fields past these are left out.
    package static let fieldsMax = 256

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let service: String
    private let format: LogFormat
    private let sink: LineSink
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - label: the logger's label.
    ///   - service: the role that this process plays, for example `broker-1`.
    ///   - now: the clock; a test gives its own.
    package init(
        label: String, service: String, format: LogFormat, level: Logger.Level, metadataProvider: Logger.MetadataProvider? = nil,
        sink: LineSink = .standardError, now: @escaping @Sendable () -> Timestamp = { WallClock.now() }
    ) {
        self.label = label
        self.service = service
        self.format = format
        self.logLevel = level
        self.metadataProvider = metadataProvider
        self.sink = sink
        self.now = now
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var merged = metadata
        if let provided = metadataProvider?.get() { merged.merge(provided) { $1 } }
        if let own = event.metadata { merged.merge(own) { $1 } }
        let fromContext = ServiceContext.current?.correlationID
        // A statement's own correlation id wins; on a line it stands once.
        let correlationID = merged.removeValue(forKey: "correlationId").map { "\($0)" } ?? fromContext
        // One key for the error, whether it was given as the event's error or among the metadata.
        let error = event.error.map { "\($0)" } ?? merged.removeValue(forKey: "error").map { "\($0)" }
        let record = LogRecord(
            time: now(), level: event.level, label: label, service: service, correlationID: correlationID,
            message: event.message.description, error: error, fields: Self.flatten(merged))
        switch format {
        case .json: sink.write(record.json())
        case .plain: sink.write(record.plain())
        }
    }

    /// Key and value pairs, sorted by key.
    private static func flatten(_ metadata: Logger.Metadata) -> [(key: String, value: LogRecord.Value)] {
        var fields: [(key: String, value: LogRecord.Value)] = []
        func add(_ value: Logger.MetadataValue, under key: String) {
            switch value {
            case .string(let text): fields.append((key, .text(text)))
            case .stringConvertible(let convertible): fields.append((key, LogRecord.Value(convertible)))
            case .array(let elements): fields.append((key, .list(elements.map { "\($0)" })))
            case .dictionary(let nested): for (inner, value) in nested { add(value, under: "\(key).\(inner)") }
            }
        }
        for (key, value) in metadata { add(value, under: key) }
        return Array(fields.sorted { $0.key < $1.key }.prefix(fieldsMax))
    }
}

/// One log line before it has a form.
struct LogRecord {
    enum Value {
        case text(String)
        /// A number or boolean, in JSON's own notation.
        case literal(String)
        case list([String])

        init(_ convertible: any CustomStringConvertible) {
            switch convertible {
            case let number as any FixedWidthInteger: self = .literal("\(number)")
            case let number as Double where number.isFinite: self = .literal("\(number)")
            case let bool as Bool: self = .literal("\(bool)")
            default: self = .text(convertible.description)
            }
        }
    }

    static let ownKeys = ["time", "level", "label", "service", "correlationId", "message", "error"]

    let time: Timestamp
    let level: Logger.Level
    let label: String
    let service: String
    let correlationID: String?
    let message: String
    let error: String?
    let fields: [(key: String, value: Value)]

    func json() -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        func key(_ name: String) {
            line.append(line.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
            JSONText.append(name, to: &line)
            line.append(UInt8(ascii: ":"))
        }
        func pair(_ name: String, _ text: String?) {
            guard let text else { return }
            key(name)
            JSONText.append(Self.cut(text), to: &line)
        }
        pair("time", time.rfc3339)
        pair("level", level.rawValue)
        pair("label", label)
        pair("service", service.isEmpty ? nil : service)
        pair("correlationId", correlationID)
        pair("message", message)
        pair("error", error)
        for field in fields {
            key(Self.ownKeys.contains(field.key) ? field.key + "_" : field.key)
            switch field.value {
            case .text(let text): JSONText.append(Self.cut(text), to: &line)
            case .literal(let literal): line.append(contentsOf: literal.utf8)
            case .list(let texts):
                line.append(UInt8(ascii: "["))
                for (index, text) in texts.enumerated() {
                    if index > 0 { line.append(UInt8(ascii: ",")) }
                    JSONText.append(Self.cut(text), to: &line)
                }
                line.append(UInt8(ascii: "]"))
            }
        }
        line.append(UInt8(ascii: "}"))
        // Control characters beyond ASCII and changes of the direction of writing: the same JSON, and fit for a terminal.
        guard line.contains(where: { $0 >= 0x80 }) else { return line }
        return Array(TerminalText.escapedJSON(String(decoding: line, as: UTF8.self)).utf8)
    }

    /// `2026-11-20T18:20:02.123Z notice  broker: message key=value`, on one line whatever the texts hold.
    func plain() -> [UInt8] {
        var text = "\(time.rfc3339) \(level.rawValue.padded(to: 8)) \(label): \(Self.printable(message))"
        if let error { text += " error=\(Self.quoted(error))" }
        if let correlationID { text += " correlationId=\(Self.quoted(correlationID))" }
        for field in fields {
            switch field.value {
            case .text(let value): text += " \(field.key)=\(Self.quoted(value))"
            case .literal(let literal): text += " \(field.key)=\(literal)"
            case .list(let values): text += " \(field.key)=[\(values.map(Self.quoted).joined(separator: ", "))]"
            }
        }
        return Array(text.utf8)
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > LineLogHandler.textBytesMax else { return text }
        return String(decoding: text.utf8.prefix(LineLogHandler.textBytesMax), as: UTF8.self) + "…"
    }

    /// Without control characters: a text from outside can neither start a line of its own nor drive the terminal.
    private static func printable(_ text: String) -> String {
        TerminalText.escaped(cut(text))
    }

    private static func quoted(_ text: String) -> String {
        let text = printable(text)
        return text.isEmpty || text.contains(where: { " \"=".contains($0) }) ? "\"\(text.replacing("\"", with: "\\\""))\"" : text
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
