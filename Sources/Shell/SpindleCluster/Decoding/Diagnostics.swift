/// A place in the document.
struct Location: Sendable, Hashable {
    let path: String
    let line: Int
    let column: Int
}

/// What can be declared under a name and referred to elsewhere.
enum Declared: String {
    case host, queue, principal, broker, topic
    case web = "web server"
    case workerGroup = "worker group"
}

/// Gathers what is wrong, what was declared and what was referred to, while one file is decoded. The decoder goes on
/// after an error, so that a person sees all of them at once.
final class Diagnostics {
    /// More errors than this are noise.
    static let errorsMax = 200

    let file: String
    private(set) var errors: [ConfigurationError] = []
    /// Per kind of mapping, the keys that the decoder asked for, and whether they must be there. The test of
    /// cluster-config/schema.json compares with it.
    private(set) var shapes: [String: [String: Bool]] = [:]
    private var declarations: [Declared: [(name: String, location: Location)]] = [:]
    /// Names that exist without an entry of their own: dead-letter queues that a policy implies.
    private var implied: [Declared: [String]] = [:]
    private var references: [(kind: Declared, name: String, location: Location)] = []

    init(file: String) {
        self.file = file
    }

    func report(_ problem: String, at location: Location, suggestion: String? = nil) {
        guard errors.count < Self.errorsMax else { return }
        errors.append(
            ConfigurationError(
                file: file, line: location.line, column: location.column, path: location.path, problem: problem,
                suggestion: suggestion))
    }

    func asked(shape: String, key: String, required: Bool) {
        shapes[shape, default: [:]][key] = required
    }

    func opened(shape: String) {
        if shapes[shape] == nil { shapes[shape] = [:] }
    }

    func declare(_ kind: Declared, _ name: String, at location: Location) {
        guard !name.isEmpty else { return }
        if let first = declarations[kind]?.first(where: { $0.name == name }) {
            report("found the \(kind.rawValue) \"\(name)\" a second time; it is already at line \(first.location.line)", at: location)
            return
        }
        declarations[kind, default: []].append((name, location))
    }

    func imply(_ kind: Declared, _ name: String) {
        if !names(kind).contains(name) { implied[kind, default: []].append(name) }
    }

    func refer(to kind: Declared, _ name: String, at location: Location) {
        guard !name.isEmpty else { return }
        references.append((kind, name, location))
    }

    private func names(_ kind: Declared) -> [String] {
        (declarations[kind] ?? []).map(\.name) + (implied[kind] ?? [])
    }

    /// Reports every reference to something that was never declared. Called once, when everything was read.
    func resolveReferences() {
        for reference in references {
            let names = names(reference.kind)
            guard !names.contains(reference.name) else { continue }
            let known = names.isEmpty ? "none is declared" : "declared: \(names.prefix(20).joined(separator: ", "))"
            report(
                "found \"\(reference.name)\", expected the name of a \(reference.kind.rawValue) (\(known))",
                at: reference.location, suggestion: Suggestion.closest(to: reference.name, among: names))
        }
    }

    /// Throws what was gathered, in the order of the file.
    func throwIfAny() throws(ConfigurationErrors) {
        guard !errors.isEmpty else { return }
        throw ConfigurationErrors(errors: errors.sorted { ($0.line, $0.column) < ($1.line, $1.column) })
    }
}
