internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import SpindleText

extension APIRoutes {
    /// What the first screen says. Everybody who has signed in may read it.
    mutating func addHealthSummary(_ watch: HealthWatch, _ access: WebAccess) {
        on(.get, "api/health/summary", nil) { call in
            // The page asks again and again by itself: that keeps no session that nobody uses.
            _ = try await access.principal(for: call.request, purpose: .background)
            let language = try call.language()
            let text = HealthText(language) { TimeZone.current.secondsFromGMT(for: Date(timeIntervalSince1970: Double($0.milliseconds) / 1000)) }
            return try .json(HealthSummary(watch.report(), text), headers: [.contentLanguage: language.rawValue])
        }
    }
}

/// A report as the API answers it.
package struct HealthSummary: Encodable {
    /// One of the numbers at the top of the page, and how it was.
    struct Number: Encodable {
        private enum Key: String, CodingKey { case name, value, unit, spark }

        let name: String
        /// Nil: not known.
        let value: Int?
        let unit: String?
        /// Oldest first, one a minute, the present one last; as far as this server has seen.
        let spark: [Int]

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(name, forKey: .name)
            try fields.encode(value, forKey: .value)
            try fields.encodeIfPresent(unit, forKey: .unit)
            try fields.encode(spark, forKey: .spark)
        }
    }

    struct ProblemView: Encodable {
        private enum Key: String, CodingKey { case kind, subject, severity, since, count, what, why, action }

        let problem: HealthProblem
        let what: String
        let why: String
        let action: HealthAction?

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(problem.key.kind.rawValue, forKey: .kind)
            try fields.encode(problem.key.subject.isEmpty ? nil : problem.key.subject, forKey: .subject)
            try fields.encode(problem.severity, forKey: .severity)
            try fields.encode(problem.since, forKey: .since)
            try fields.encode(problem.count, forKey: .count)
            try fields.encode(what, forKey: .what)
            try fields.encode(why, forKey: .why)
            try fields.encode(action, forKey: .action)
        }
    }

    let severity: HealthSeverity
    let sentence: String
    let at: Timestamp
    let numbers: [Number]
    let problems: [ProblemView]

    package init(_ report: HealthReport, _ text: HealthText) {
        severity = report.severity
        sentence = text.sentence(report)
        at = report.at
        func number(_ name: String, _ field: KeyPath<HealthReport.Numbers, Int>, unit: String? = nil) -> Number {
            let value = report.numbers?[keyPath: field]
            return Number(name: name, value: value, unit: unit, spark: report.past.map { $0[keyPath: field] } + [value].compactMap { $0 })
        }
        numbers = [
            number("jobsRunning", \.jobsRunning), number("jobsWaiting", \.jobsWaiting), number("oldestWaitSeconds", \.oldestWaitSeconds, unit: "s"),
            number("failedToday", \.failedToday),
        ]
        problems = report.problems.map { ProblemView(problem: $0, what: text.what($0), why: text.why($0), action: text.action($0)) }
    }
}
