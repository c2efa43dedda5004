import Foundation
import Yams

extension ClusterConfiguration {
    /// Longer files are refused unread, in bytes.
    package static let fileBytesMax = 1 << 20

    /// Reads and checks a file.
    /// - Throws: everything that is wrong in it, with line and column.
    package static func load(file: String) throws(ConfigurationErrors) -> ClusterConfiguration {
        let handle: FileHandle
        let data: Data
        do {
            handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            defer { try? handle.close() }
            data = try handle.read(upToCount: fileBytesMax + 1) ?? Data()
        } catch {
            throw wholeFile(file, "could not be read: \(FileProblem.sentence(error))")
        }
        guard data.count <= fileBytesMax else { throw wholeFile(file, "is over \(fileBytesMax) bytes, which no configuration is") }
        guard let text = String(data: data, encoding: .utf8) else { throw wholeFile(file, "is not UTF-8 text") }
        return try parse(yaml: text, fileName: file)
    }

    /// Checks a text.
    /// - Parameter fileName: the name that errors show.
    package static func parse(yaml: String, fileName: String) throws(ConfigurationErrors) -> ClusterConfiguration {
        try decode(yaml: yaml, fileName: fileName).configuration
    }

    /// The same, with what the decoder asked for: see `Diagnostics.shapes`.
    package static func decode(
        yaml: String, fileName: String
    ) throws(ConfigurationErrors) -> (configuration: ClusterConfiguration, shapes: [String: [String: Bool]]) {
        guard yaml.utf8.count <= fileBytesMax else { throw wholeFile(fileName, "is over \(fileBytesMax) bytes, which no configuration is") }
        if let line = lineWithLongKey(yaml) {
            let problem = "found \"?\" before a key, expected a plain word as the key"
            throw ConfigurationErrors(errors: [ConfigurationError(file: fileName, line: line, column: 1, path: "", problem: problem, suggestion: nil)])
        }
        let root: Node
        do {
            guard let node = try Yams.compose(yaml: yaml) else { throw wholeFile(fileName, "is empty") }
            root = node
        } catch let error as YamlError {
            throw ConfigurationErrors(errors: [syntaxError(error, fileName, yaml)])
        } catch let errors as ConfigurationErrors {
            throw errors
        } catch {
            throw wholeFile(fileName, "could not be parsed: \(error)")
        }
        let diagnostics = Diagnostics(file: fileName)
        let configuration = ClusterDecoder(diagnostics: diagnostics).cluster(ConfigNode(node: root, path: ""))
        diagnostics.resolveReferences()
        // Between parts that are wrong by themselves, these would only repeat the errors above in other words.
        try diagnostics.throwIfAny()
        ConsistencyChecks(configuration: configuration, place: { place(in: root, $0, $1, $2) }, diagnostics: diagnostics).run()
        try diagnostics.throwIfAny()
        return (configuration, diagnostics.shapes)
    }

    /// The first line, counted from 1, that begins with YAML's mark of a key that is no plain word. Such keys have no meaning here, and to
    /// compare ones that hold each other takes the parser exponential time.
    private static func lineWithLongKey(_ yaml: String) -> Int? {
        var line = 1
        var isAtStart = true
        var isQuestion = false
        for byte in yaml.utf8 {
            let isEnd = byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
            if isQuestion, isEnd || byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { return line }
            if byte == UInt8(ascii: "\n") { line += 1 }
            isQuestion = isAtStart && byte == UInt8(ascii: "?")
            isAtStart = isEnd || (isAtStart && " \t-[{,".utf8.contains(byte))
        }
        return isQuestion ? line : nil
    }

    /// Where `key[index].field` stands in the document, or the closest thing above it that is there.
    private static func place(in root: Node, _ key: String, _ index: Int?, _ field: String?) -> Location {
        var found = ConfigNode(node: root, path: key)
        if let node = root.mapping?.first(where: { $0.key.scalar?.string == key })?.value {
            found = ConfigNode(node: node, path: key)
        }
        if let index, let sequence = found.node.sequence, sequence.indices.contains(index) {
            found = ConfigNode(node: sequence[index], path: "\(key)[\(index)]")
        }
        if let field, let node = found.node.mapping?.first(where: { $0.key.scalar?.string == field })?.value {
            found = ConfigNode(node: node, path: "\(found.path).\(field)")
        }
        return found.location
    }

    private static func wholeFile(_ file: String, _ problem: String) -> ConfigurationErrors {
        ConfigurationErrors(errors: [ConfigurationError(file: file, line: 0, column: 0, path: "", problem: problem, suggestion: nil)])
    }

    private static func syntaxError(_ error: YamlError, _ file: String, _ yaml: String) -> ConfigurationError {
        func at(_ line: Int, _ column: Int, _ problem: String) -> ConfigurationError {
            ConfigurationError(file: file, line: line, column: column, path: "", problem: problem, suggestion: nil)
        }
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            return at(mark.line, mark.column, "is no YAML here: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "\"\($0)\"" }.joined(separator: ", ")
            return at(context.mark.line, context.mark.column, "found the key \(names) more than once in one mapping, expected it once")
        case .reader(let problem, let offset, _, _):
            let place = end(of: yaml.prefix(offset ?? 0))
            return at(place.line, place.column, "is no text: \(problem)")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return ConfigurationError(file: file, line: 0, column: 0, path: "", problem: "could not be parsed: \(error)", suggestion: nil)
        }
    }

    /// The line and column after `text`, counted from 1.
    private static func end(of text: Substring) -> (line: Int, column: Int) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return (max(lines.count, 1), (lines.last?.unicodeScalars.count ?? 0) + 1)
    }
}
