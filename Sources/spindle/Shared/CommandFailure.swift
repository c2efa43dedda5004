/// Why a command failed, and what its user can do about it.
struct CommandFailure: Error, CustomStringConvertible {
    let problem: String
    /// The next step; nil where the problem says it all.
    let advice: String?

    init(_ problem: String, advice: String? = nil) {
        self.problem = problem
        self.advice = advice
    }

    var description: String { advice.map { "\(problem)\n       \($0)" } ?? problem }
}
