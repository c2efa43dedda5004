/// A Swift file, with comments and the insides of string literals taken out of the code, so that rules see code only.
struct SourceText {
    struct Line {
        /// The line as written.
        let raw: String
        /// Without comments; string literals are empty quotes. Code inside `\(…)` is kept.
        let code: String
        /// The text of the comments on this line, without their marks.
        let comment: String
    }

    /// From the root of the repository, for example `Sources/SpindleWire/Frame.swift`.
    let path: String
    let lines: [Line]

    init(path: String, text: String) {
        self.path = path
        lines = Self.separate(text)
    }

    /// Whether the line or the one before it has a comment that explains: three words or more.
    func isExplained(_ index: Int) -> Bool {
        [index, index - 1].contains { lines.indices.contains($0) && lines[$0].comment.split(separator: " ").count >= 3 }
    }

    // MARK: Separating

    private enum Mode {
        case code
        case lineComment
        /// With the depth of nesting.
        case blockComment(Int)
        case string(hashes: Int, isMultiline: Bool)
    }

    private static func separate(_ text: String) -> [Line] {
        var lines: [Line] = []
        // The innermost mode last; a number beside a string's code says how many parentheses are open in it.
        var stack: [(mode: Mode, parentheses: Int)] = [(.code, 0)]
        for rawLine in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let characters = Array(rawLine)
            var code = ""
            var comment = ""
            var index = 0
            func starts(_ token: String, at position: Int) -> Bool {
                let token = Array(token)
                return position + token.count <= characters.count && Array(characters[position..<(position + token.count)]) == token
            }
            while index < characters.count {
                let top = stack.count - 1
                switch stack[top].mode {
                case .lineComment:
                    comment.append(characters[index])
                    index += 1
                case .blockComment(let depth):
                    if starts("*/", at: index) {
                        if depth == 1 { stack.removeLast() } else { stack[top].mode = .blockComment(depth - 1) }
                        index += 2
                    } else if starts("/*", at: index) {
                        stack[top].mode = .blockComment(depth + 1)
                        index += 2
                    } else {
                        comment.append(characters[index])
                        index += 1
                    }
                case .string(let hashes, let isMultiline):
                    let marks = String(repeating: "#", count: hashes)
                    if starts("\\" + marks + "(", at: index) {
                        stack.append((.code, 1))
                        code.append("(")
                        index += 2 + hashes
                    } else if hashes == 0, characters[index] == "\\" {
                        index += 2
                    } else if starts((isMultiline ? "\"\"\"" : "\"") + marks, at: index) {
                        stack.removeLast()
                        code.append("\"")
                        index += (isMultiline ? 3 : 1) + hashes
                    } else {
                        index += 1
                    }
                case .code:
                    if starts("//", at: index) {
                        stack.append((.lineComment, 0))
                        index += 2
                    } else if starts("/*", at: index) {
                        stack.append((.blockComment(1), 0))
                        index += 2
                    } else if let string = stringStart(characters, index) {
                        stack.append((.string(hashes: string.hashes, isMultiline: string.isMultiline), 0))
                        code.append("\"")
                        index += string.length
                    } else {
                        if top > 0, characters[index] == "(" { stack[top].parentheses += 1 }
                        if top > 0, characters[index] == ")" { stack[top].parentheses -= 1 }
                        code.append(characters[index])
                        if top > 0, stack[top].parentheses == 0 { stack.removeLast() }
                        index += 1
                    }
                }
            }
            if case .lineComment = stack[stack.count - 1].mode { stack.removeLast() }
            // A one-line literal cannot go on: whatever was read as its beginning was something else.
            if case .string(_, isMultiline: false) = stack[stack.count - 1].mode { stack.removeLast() }
            let words = comment.drop { "/ ".contains($0) }
            lines.append(Line(raw: String(rawLine), code: code, comment: String(words)))
        }
        return lines
    }

    /// A literal that begins here: `"`, `"""`, `#"`, `#"""` and so on.
    private static func stringStart(_ characters: [Character], _ start: Int) -> (hashes: Int, isMultiline: Bool, length: Int)? {
        var index = start
        while index < characters.count, characters[index] == "#" { index += 1 }
        let hashes = index - start
        guard index < characters.count, characters[index] == "\"" else { return nil }
        let isMultiline = index + 2 < characters.count && characters[index + 1] == "\"" && characters[index + 2] == "\""
        return (hashes, isMultiline, hashes + (isMultiline ? 3 : 1))
    }
}
