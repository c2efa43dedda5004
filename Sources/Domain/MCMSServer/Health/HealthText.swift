internal import Foundation
package import SpindleText

package enum HealthLanguage: String, Sendable, CaseIterable {
    case en, ko

    /// - Parameters:
    ///   - asked: of the query, which is heeded before what the browser says.
    ///   - accepted: the header Accept-Language. The language that it likes best and that is known here; English where it names none.
    package init(asked: String?, accepted: String?) {
        if let asked = asked.flatMap(Self.named) {
            self = asked
            return
        }
        let liked = (accepted ?? "").split(separator: ",").enumerated().compactMap { index, part -> (language: HealthLanguage, weight: Double, index: Int)? in
            let fields = part.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
            guard let language = fields.first.flatMap(Self.named) else { return nil }
            let weight = fields.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            return weight > 0 ? (language, weight, index) : nil
        }
        self = liked.max { left, right in (left.weight, -left.index) < (right.weight, -right.index) }?.language ?? .en
    }

    /// `ko-KR` is Korean too.
    private static func named(_ tag: String) -> HealthLanguage? {
        HealthLanguage(rawValue: tag.lowercased().split(separator: "-").first.map(String.init) ?? "")
    }
}

/// What a reader can do about a problem.
package struct HealthAction: Sendable, Hashable, Codable {
    /// Of a link to the place.
    package var label: String
    /// What helps at a terminal.
    package var command: String?
    /// Where in the page.
    package var href: String?
}

/// The words of one language.
protocol HealthWords: Sendable {
    /// What is wrong, without an end mark.
    func headline(_ problem: HealthProblem) -> String
    /// What waits because of it; nil: nothing that is counted.
    func waits(_ problem: HealthProblem) -> String?
    /// What the reader need not fear; nil where nothing can be said.
    func calm(_ kind: HealthKind) -> String?
    /// The cause as far as it is known, and what follows from it.
    func why(_ problem: HealthProblem) -> String
    func label(_ kind: HealthKind) -> String
    func since(_ time: HealthText.Moment) -> String
    func sentence(_ parts: HealthText.Parts) -> String
    func allIsWell(_ numbers: HealthReport.Numbers?) -> String
    var starting: String { get }
}

/// Says a report in words. Pure.
package struct HealthText: Sendable {
    /// A moment as people read it.
    struct Moment: Sendable {
        let month: Int
        let day: Int
        /// `10:42`
        let clock: String
        let isToday: Bool
    }

    struct Parts: Sendable {
        let headline: String
        let since: String?
        let waits: String?
        let calm: String?
        /// Problems besides this one.
        let more: Int
    }

    private let words: any HealthWords
    private let offsetSeconds: @Sendable (Timestamp) -> Int

    /// - Parameter offsetSeconds: of the local time, ahead of UTC.
    package init(_ language: HealthLanguage, offsetSeconds: @escaping @Sendable (Timestamp) -> Int) {
        words =
            switch language {
            case .en: EnglishHealth()
            case .ko: KoreanHealth()
            }
        self.offsetSeconds = offsetSeconds
    }

    package func sentence(_ report: HealthReport) -> String {
        guard let worst = report.problems.first else {
            return report.unseen.isEmpty ? words.allIsWell(report.numbers) : words.starting
        }
        return words.sentence(
            Parts(
                headline: words.headline(worst), since: Self.tellsSince(worst.key.kind) ? words.since(moment(worst.since, now: report.at)) : nil,
                waits: words.waits(worst), calm: words.calm(worst.key.kind), more: report.problems.count - 1))
    }

    package func what(_ problem: HealthProblem) -> String { words.headline(problem) }
    package func why(_ problem: HealthProblem) -> String { words.why(problem) }

    package func action(_ problem: HealthProblem) -> HealthAction {
        let (command, href) = HealthRemedy.of(problem)
        return HealthAction(label: words.label(problem.key.kind), command: command, href: href)
    }

    /// Whether a headline goes with the time from which it is so.
    private static func tellsSince(_ kind: HealthKind) -> Bool {
        switch kind {
        case .queueWaits, .diskFull, .certificateEnds, .certificateUnusable, .clockJumped, .clockDiffers: false
        case .brokerUnreachable, .brokerRefuses, .databaseUnavailable, .shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable,
            .scannerUndecided, .workersMissing, .workersQuiet, .addinMissing, .queuePaused, .queueFull, .queueFails, .deadLetters, .outboxStuck,
            .outboxDead, .diskFiles:
            true
        }
    }

    private func moment(_ time: Timestamp, now: Timestamp) -> Moment {
        func local(_ time: Timestamp) -> String { time.adding(milliseconds: Int64(offsetSeconds(time)) * 1000).rfc3339 }
        // `2026-01-31T09:30:00.250Z`
        let (text, today) = (local(time), local(now))
        let date = text.prefix(10).split(separator: "-").suffix(2).compactMap { Int($0) }
        return Moment(
            month: date.first ?? 1, day: date.last ?? 1, clock: String(text.dropFirst(11).prefix(5)), isToday: text.prefix(10) == today.prefix(10))
    }
}

/// What is done about a problem: a command, and a place in the page.
enum HealthRemedy {
    static func of(_ problem: HealthProblem) -> (command: String?, href: String?) {
        let subject = problem.key.subject
        let quoted = shell(subject)
        switch problem.key.kind {
        case .brokerUnreachable, .brokerRefuses, .databaseUnavailable: return ("spindle status", "#/system")
        case .shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable, .scannerUndecided: return ("spindle cas stat", "#/system")
        case .workersMissing, .addinMissing: return ("spindle worker ls", "#/workers")
        case .workersQuiet: return ("spindle worker resume --label \(shell("group=" + subject))", "#/workers")
        case .queuePaused: return ("spindle queue resume \(quoted)", page("queues", subject))
        case .queueFull, .queueWaits, .queueFails: return ("spindle queue stats \(quoted)", page("queues", subject))
        case .deadLetters: return ("spindle queue browse \(quoted) --full", page("queues", subject))
        case .outboxStuck: return ("spindle outbox ls", "#/outbox")
        case .outboxDead: return ("spindle outbox ls --status dead", "#/outbox")
        case .diskFull, .diskFiles: return ("df -h \(shell(problem.reason))", "#/system")
        case .certificateEnds:
            let name = HealthFigures.fileName(subject).split(separator: ".").first.map(String.init) ?? ""
            // The authority is not renewed by itself.
            return (name == "ca" ? "spindle cert ls" : "spindle cert renew \(shell(name))", "#/system")
        case .certificateUnusable: return ("spindle cert ls", "#/system")
        case .clockJumped, .clockDiffers: return ("timedatectl", "#/system")
        }
    }

    private static func page(_ view: String, _ id: String) -> String {
        "#/\(view)/\(id.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-_."))) ?? "")"
    }

    /// As one word of a shell.
    static func shell(_ text: String) -> String {
        let plain = !text.isEmpty && text.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || "-_./=:@%+,".utf8.contains(byte)
        }
        return plain ? text : "'" + text.replacing("'", with: #"'\''"#) + "'"
    }
}

/// Figures as both languages write them.
enum HealthFigures {
    static func bytes(_ count: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (max(0, count), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return value >= 10 || unit == 0 ? "\(Int(value)) \(units[unit])" : "\(Double(Int(value * 10)) / 10) \(units[unit])"
    }

    static func fileName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}
