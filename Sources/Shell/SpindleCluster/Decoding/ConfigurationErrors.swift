/// One thing that is wrong in a configuration file: where it is, what was found there, and what was expected.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package let file: String
    /// Counted from 1. Zero when the error concerns the whole file (it could not be read).
    package let line: Int
    /// Counted from 1, in Unicode scalars. Zero when the error concerns the whole file.
    package let column: Int
    /// The way through the document, for example `queues[2].policy.lease`. Empty for the whole document.
    package let path: String
    /// A sentence that says what was found and what was expected.
    package let problem: String
    /// The name that was probably meant.
    package let suggestion: String?

    package var description: String {
        var text = line > 0 ? "\(file):\(line):\(column): " : "\(file): "
        if !path.isEmpty { text += "\(path): " }
        text += problem
        if let suggestion { text += " (did you mean \(suggestion)?)" }
        return text
    }
}

/// Everything that is wrong in a configuration file, in the order of the file. Never empty.
package struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    package let errors: [ConfigurationError]

    package var description: String {
        errors.map(\.description).joined(separator: "\n")
    }
}
