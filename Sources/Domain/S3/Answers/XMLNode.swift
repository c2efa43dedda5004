/// An element of an answer: as much of XML as object stores write. Attributes, comments and processing instructions are skipped; a document
/// type, which nobody needs here, is refused.
package struct XMLNode: Hashable, Sendable {
    package struct Malformed: Error, Hashable, CustomStringConvertible {
        package let offset: Int
        package let problem: String
        package var description: String { "the answer is no XML that can be read: \(problem), at byte \(offset)" }
    }

    private static let depthMax = 32

    /// Without its namespace's prefix.
    package var name: String
    package var text = ""
    package var children: [XMLNode] = []

    /// The text of the first child of that name.
    package subscript(name: String) -> String? { children.first { $0.name == name }?.text }

    package func all(_ name: String) -> [XMLNode] { children.filter { $0.name == name } }

    package init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = Reader(bytes: bytes)
        self = try reader.document()
    }

    private init(name: String) { self.name = name }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        func failure(_ problem: String) -> Malformed { Malformed(offset: at, problem: problem) }

        func starts(with text: StaticString) -> Bool {
            text.withUTF8Buffer { text in at + text.count <= bytes.count && bytes[at..<at + text.count].elementsEqual(text) }
        }

        /// Moves behind the next occurrence.
        mutating func skip(past text: StaticString) throws(Malformed) {
            while at < bytes.count {
                if starts(with: text) {
                    at += text.utf8CodeUnitCount
                    return
                }
                at += 1
            }
            throw failure("it ends early")
        }

        /// Skips what says nothing: space, declarations, comments.
        mutating func skipMisc() throws(Malformed) {
            while at < bytes.count {
                if [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
                else if starts(with: "<?") { try skip(past: "?>") }
                else if starts(with: "<!--") { try skip(past: "-->") }
                else { return }
            }
        }

        mutating func document() throws(Malformed) -> XMLNode {
            // A byte order mark.
            if bytes.starts(with: [0xef, 0xbb, 0xbf]) { at = 3 }
            try skipMisc()
            let root = try element(depth: 1)
            try skipMisc()
            guard at == bytes.count else { throw failure("something follows the end") }
            return root
        }

        mutating func element(depth: Int) throws(Malformed) -> XMLNode {
            guard depth <= XMLNode.depthMax else { throw failure("more than \(XMLNode.depthMax) elements in each other") }
            guard starts(with: "<") else { throw failure("expected an element") }
            at += 1
            let name = try self.name()
            if try endTag() { return XMLNode(name: name) }
            var node = XMLNode(name: name)
            var text: [UInt8] = []
            while true {
                guard at < bytes.count else { throw failure("\(name) has no end") }
                if starts(with: "</") {
                    at += 2
                    guard try self.name() == name, try !endTag() else { throw failure("\(name) has another end") }
                    node.text = String(decoding: text, as: UTF8.self)
                    return node
                }
                if starts(with: "<!--") { try skip(past: "-->") }
                else if starts(with: "<?") { try skip(past: "?>") }
                else if bytes[at] == UInt8(ascii: "<") { node.children.append(try element(depth: depth + 1)) }
                else if bytes[at] == UInt8(ascii: "&") { text += try entity() }
                else {
                    text.append(bytes[at])
                    at += 1
                }
            }
        }

        mutating func name() throws(Malformed) -> String {
            let start = at
            while at < bytes.count, ![0x20, 0x09, 0x0a, 0x0d, UInt8(ascii: ">"), UInt8(ascii: "/"), UInt8(ascii: "<")].contains(bytes[at]) { at += 1 }
            let name = bytes[start..<at]
            guard let first = name.first, first != UInt8(ascii: "!") else { throw failure("expected a name") }
            return String(decoding: name.split(separator: UInt8(ascii: ":")).last ?? name, as: UTF8.self)
        }

        /// Skips attributes, up to the tag's end.
        /// - Returns: whether the element ends with it.
        mutating func endTag() throws(Malformed) -> Bool {
            while at < bytes.count {
                let byte = bytes[at]
                at += 1
                switch byte {
                case UInt8(ascii: ">"): return false
                case UInt8(ascii: "/") where at < bytes.count && bytes[at] == UInt8(ascii: ">"):
                    at += 1
                    return true
                case UInt8(ascii: "\""): try skip(past: "\"")
                case UInt8(ascii: "'"): try skip(past: "'")
                case UInt8(ascii: "<"): throw failure("a tag in a tag")
                default: break
                }
            }
            throw failure("a tag has no end")
        }

        mutating func entity() throws(Malformed) -> [UInt8] {
            let longest = 12
            guard let end = bytes[at..<min(bytes.count, at + longest)].firstIndex(of: UInt8(ascii: ";")) else { throw failure("& without an end") }
            let name = String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
            defer { at = end + 1 }
            switch name {
            case "amp": return [UInt8(ascii: "&")]
            case "lt": return [UInt8(ascii: "<")]
            case "gt": return [UInt8(ascii: ">")]
            case "quot": return [UInt8(ascii: "\"")]
            case "apos": return [UInt8(ascii: "'")]
            default:
                let number = name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
                guard let number, let scalar = Unicode.Scalar(number) else { throw failure("the unknown entity &\(name);") }
                return Array(String(Character(scalar)).utf8)
            }
        }
    }
}
