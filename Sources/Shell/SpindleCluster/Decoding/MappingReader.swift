import Yams

/// A cursor on one value of the document: the node, and the way to it.
struct ConfigNode {
    let node: Node
    let path: String

    /// Where an error about this value is shown.
    var location: Location {
        Location(path: path, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    /// What stands here, for error messages.
    var shown: String {
        switch node {
        case .scalar(let scalar): ScalarText(text: scalar.string, isPlain: scalar.style == .plain).shown
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}

/// Reads one mapping key by key, and reports what is missing, unknown or wrong. Every key is asked for exactly once,
/// then `finish()` reports the keys nobody asked for.
final class MappingReader {
    let location: Location
    let diagnostics: Diagnostics
    private let shape: String
    private let entries: [(key: String, node: Node, keyLocation: Location)]
    private var asked: [String] = []
    /// False when the value was no mapping: that was reported, so its missing keys are not.
    private let isMapping: Bool
    private let errorsBefore: Int

    /// - Parameter shape: the name of this kind of mapping in cluster-config/schema.json.
    init(_ value: ConfigNode, shape: String, _ diagnostics: Diagnostics) {
        self.shape = shape
        self.location = value.location
        self.diagnostics = diagnostics
        errorsBefore = diagnostics.errors.count
        diagnostics.opened(shape: shape)
        guard case .mapping(let mapping) = value.node else {
            isMapping = false
            entries = []
            diagnostics.report("found \(value.shown), expected a mapping (key: value)", at: value.location)
            return
        }
        isMapping = true
        var entries: [(key: String, node: Node, keyLocation: Location)] = []
        for (keyNode, node) in mapping {
            let key = ConfigNode(node: keyNode, path: value.path)
            guard case .scalar(let scalar) = keyNode else {
                diagnostics.report("found \(key.shown) as a key, expected a word", at: key.location)
                continue
            }
            let path = value.path.isEmpty ? scalar.string : "\(value.path).\(scalar.string)"
            let location = Location(path: path, line: key.location.line, column: key.location.column)
            entries.append((scalar.string, node, location))
        }
        self.entries = entries
    }

    // MARK: Single values

    /// A value that must be there.
    func required<Value>(_ key: String, _ type: ScalarType<Value>) -> Value {
        guard let child = take(key, required: true) else {
            reportMissing(key, expected: type.expected)
            return type.placeholder
        }
        return scalar(child, type) ?? type.placeholder
    }

    /// A value that may be left out.
    func optional<Value>(_ key: String, _ type: ScalarType<Value>) -> Value? {
        take(key, required: false).flatMap { scalar($0, type) }
    }

    /// A value that is taken from `inherited` when left out, and must be there when there is nothing to inherit.
    func value<Value>(_ key: String, _ type: ScalarType<Value>, inherited: Value?) -> Value {
        guard let inherited else { return required(key, type) }
        return optional(key, type) ?? inherited
    }

    /// The same for a value that may also be `none`, which reads as nil.
    func valueOrNone<Value>(_ key: String, _ type: ScalarType<Value>, inherited: Value??) -> Value? {
        value(key, type.orNone(), inherited: inherited)
    }

    /// A name that must be there and that something else declares.
    func reference(_ key: String, to kind: Declared) -> String {
        guard let child = take(key, required: true) else {
            reportMissing(key, expected: "the name of a \(kind.rawValue)")
            return ""
        }
        guard let name = scalar(child, ScalarType.name) else { return "" }
        diagnostics.refer(to: kind, name, at: child.location)
        return name
    }

    /// The name under which this mapping is declared.
    func declaredName(_ key: String = "name", as kind: Declared) -> String {
        let name = required(key, .name)
        diagnostics.declare(kind, name, at: place(of: key))
        return name
    }

    // MARK: Lists and mappings

    /// The elements of a list. Empty when the key is left out and not required.
    /// - Parameter countMin: fewer than this many elements are an error.
    func list(_ key: String, required: Bool, of what: String, countMin: Int = 0) -> [ConfigNode] {
        guard let child = take(key, required: required) else {
            if required { reportMissing(key, expected: "a list of \(what)") }
            return []
        }
        guard case .sequence(let sequence) = child.node else {
            diagnostics.report("found \(child.shown), expected a list of \(what)", at: child.location)
            return []
        }
        if sequence.count < countMin {
            diagnostics.report("found \(sequence.count) elements, expected at least \(countMin)", at: child.location)
        }
        return sequence.enumerated().map { ConfigNode(node: $0.element, path: "\(child.path)[\($0.offset)]") }
    }

    /// The elements of a list of scalars.
    func scalars<Value>(_ key: String, required: Bool = false, _ type: ScalarType<Value>, of what: String, countMin: Int = 0) -> [(value: Value, location: Location)] {
        list(key, required: required, of: what, countMin: countMin).compactMap { child in
            scalar(child, type).map { ($0, child.location) }
        }
    }

    /// A mapping below this one. Nil when left out; that is an error if it is required.
    func mapping(_ key: String, shape: String, required: Bool) -> MappingReader? {
        guard let child = take(key, required: required) else {
            if required { reportMissing(key, expected: "a mapping") }
            return nil
        }
        return MappingReader(child, shape: shape, diagnostics)
    }

    enum WordOrMapping {
        case word
        case mapping(MappingReader)
    }

    /// One word, or a mapping. Nil when left out, or when it is neither, which is reported.
    func wordOrMapping(_ key: String, word: String, shape: String) -> WordOrMapping? {
        guard let child = take(key, required: false) else { return nil }
        guard case .scalar(let scalar) = child.node else { return .mapping(MappingReader(child, shape: shape, diagnostics)) }
        if scalar.string == word { return .word }
        diagnostics.report(
            "found \(child.shown), expected a mapping, or \(word)", at: child.location,
            suggestion: Suggestion.closest(to: scalar.string, among: [word]))
        return nil
    }

    // MARK: The end

    /// Whether one of `keys` is written here, and nothing wrong was found since this mapping was opened: then a check
    /// between them is no echo of another error.
    func mayCompare(_ keys: String...) -> Bool {
        diagnostics.errors.count == errorsBefore && entries.contains { keys.contains($0.key) }
    }

    /// Reports the keys nobody asked for. Call it last.
    func finish() {
        for entry in entries where !asked.contains(entry.key) {
            if let refused = RefusedKey.find(entry.key, shape: shape) {
                diagnostics.report("found \"\(entry.key)\", \(refused.advice)", at: entry.keyLocation)
                continue
            }
            diagnostics.report(
                "found the unknown key \"\(entry.key)\", expected one of: \(asked.joined(separator: ", "))", at: entry.keyLocation,
                suggestion: Suggestion.closest(to: entry.key, among: asked))
        }
    }

    /// Where `key`'s value stands, or this mapping when it is left out.
    func place(of key: String) -> Location {
        guard let entry = entries.first(where: { $0.key == key }) else { return location }
        return ConfigNode(node: entry.node, path: entry.keyLocation.path).location
    }

    private func take(_ key: String, required: Bool) -> ConfigNode? {
        asked.append(key)
        diagnostics.asked(shape: shape, key: key, required: required)
        return entries.first { $0.key == key }.map { ConfigNode(node: $0.node, path: $0.keyLocation.path) }
    }

    private func reportMissing(_ key: String, expected: String) {
        guard isMapping else { return }
        // A key that is nearly the missing one is a slip, which finish() reports with this one as its suggestion.
        let path = location.path.isEmpty ? key : "\(location.path).\(key)"
        diagnostics.report(
            "the key \"\(key)\" is missing, expected \(expected)", at: Location(path: path, line: location.line, column: location.column))
    }

    private func scalar<Value>(_ child: ConfigNode, _ type: ScalarType<Value>) -> Value? {
        if case .scalar(let scalar) = child.node {
            let text = ScalarText(text: scalar.string, isPlain: scalar.style == .plain)
            if let value = type.read(text) { return value }
            let suggestion = Suggestion.closest(to: text.text, among: type.words)
            diagnostics.report("found \(text.shown), expected \(type.expected)", at: child.location, suggestion: suggestion)
            return nil
        }
        diagnostics.report("found \(child.shown), expected \(type.expected)", at: child.location)
        return nil
    }
}
