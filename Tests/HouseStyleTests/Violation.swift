/// A place that breaks a rule.
struct Violation: Equatable, CustomStringConvertible {
    let path: String
    /// Counted from 1.
    let line: Int
    let rule: String

    var description: String { "\(path):\(line): \(rule)" }
}
