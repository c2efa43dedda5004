import SpindleText

/// Why a command failed, and what its user can do about it.
struct CommandFailure: Error, CustomStringConvertible {
    /// On one line: what a stranger's text in it would make of a terminal is written out.
    let problem: String
    /// Lines that belong to the problem: the end of a log, a list of faults.
    let details: String?
    /// The next step; nil where the problem says it all.
    let advice: String?

    init(_ problem: String, details: String? = nil, advice: String? = nil) {
        self.problem = TerminalText.escaped(problem)
        self.details = details.map(TerminalText.escapedLines)
        self.advice = advice.map(TerminalText.escaped)
    }

    var description: String {
        problem + (details.map { "\n\($0)" } ?? "") + (advice.map { "\n       \($0)" } ?? "")
    }
}
