import Foundation
import Glibc
import SpindleText

/// What a command says on standard output: text for people, JSON for scripts.
enum Output {
    /// One line, with its end, in one write. What a terminal would obey is written out, wherever it comes from.
    static func line(_ text: String) {
        write(TerminalText.escaped(text) + "\n", to: FileHandle.standardOutput)
    }

    /// A text with line ends of its own, which is not a stranger's.
    static func lines(_ text: String) {
        write(TerminalText.escapedLines(text) + "\n", to: FileHandle.standardOutput)
    }

    static func error(_ text: String) {
        write(TerminalText.escapedLines(text) + "\n", to: FileHandle.standardError)
    }

    /// A message's body behind `start`; on a terminal all of it on one line, unless `isRaw`.
    static func inline(_ start: String, body: String, isRaw: Bool) {
        let isKept = isRaw || isatty(FileHandle.standardOutput.fileDescriptor) == 0
        write(TerminalText.escaped(start) + (isKept ? body : TerminalText.escaped(body)) + "\n", to: FileHandle.standardOutput)
    }

    /// A message's body, a line for each of its lines. Only where no terminal reads, or with `isRaw`, does it stay as it is.
    static func body(_ text: String, indent: String, isRaw: Bool) {
        let isKept = isRaw || isatty(FileHandle.standardOutput.fileDescriptor) == 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            write(indent + (isKept ? String(line) : TerminalText.escapedLines(String(line))) + "\n", to: FileHandle.standardOutput)
        }
    }

    /// One JSON value on one line. Field names are in snake case, in alphabetical order.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        write(TerminalText.escapedJSON(String(decoding: try encoder.encode(value), as: UTF8.self)) + "\n", to: FileHandle.standardOutput)
    }

    /// Rows under a heading, columns aligned. Numbers, and what begins with a digit, stand to the right.
    static func table(_ heading: [String], _ rows: [[String]]) {
        // Escaped before they are measured.
        let rows = rows.map { $0.map(TerminalText.escaped) }
        var widths = heading.map(\.count)
        for row in rows {
            for (column, cell) in row.enumerated() where column < widths.count { widths[column] = max(widths[column], cell.count) }
        }
        let isNumeric = heading.indices.map { column in
            !rows.isEmpty && rows.allSatisfy { column < $0.count && ($0[column].first?.isNumber ?? false) }
        }
        for row in [heading] + rows {
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                return isNumeric[column] ? padding + cell : cell + padding
            }
            line(cells.joined(separator: "  ").trimmingEnd())
        }
    }

    /// Help and versions, which are our own words.
    static func help(_ text: String) { write(text + "\n", to: FileHandle.standardOutput) }

    /// A closed pipe behind the command (`spindle … | head`) is its end, not its failure. A full disk is one.
    private static func write(_ text: String, to file: FileHandle) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file.fileDescriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                fail(errno, file)
            }
        }
    }

    private static func fail(_ code: CInt, _ file: FileHandle) -> Never {
        guard code != EPIPE, file.fileDescriptor != STDERR_FILENO else { exit(code == EPIPE ? 0 : EX_IOERR) }
        error("Error: the output cannot be written: \(String(cString: strerror(code))).")
        exit(EX_IOERR)
    }
}

extension String {
    fileprivate func trimmingEnd() -> String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

/// A message's body as JSON can hold it.
struct BodyText: Encodable {
    /// The body, where it is UTF-8.
    var body: String?
    /// Any other body.
    var bodyBase64: String?

    init(_ bytes: [UInt8]) {
        if let text = String(validating: bytes, as: UTF8.self) {
            body = text
        } else {
            bodyBase64 = Data(bytes).base64EncodedString()
        }
    }

    var text: String { body ?? "base64:\(bodyBase64 ?? "")" }
}

extension Duration {
    var milliseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1e3 + Double(attoseconds) / 1e15
    }

    /// Never below zero.
    var microseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(seconds) * 1_000_000 + UInt64(attoseconds / 1_000_000_000_000)
    }
}
