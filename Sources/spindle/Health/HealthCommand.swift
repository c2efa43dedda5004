import ArgumentParser
import Foundation
import MCMSServer
import NIOHTTP1

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Whether all is well, in one sentence, and every problem with what to do. Exits with 0, 1 or 2.",
        discussion: """
            What the first screen of the console says. Exits with 0 when all is well, with 1 at a warning, and with 2 at an error or when the web
            server does not answer.

            Example:
              spindle health
              spindle health --json --language ko
            """)

    @OptionGroup var web: WebOptions

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    @Option(help: ArgumentHelp("Of the texts: en or ko.", valueName: "language"))
    var language = HealthLanguage.en

    private struct Answer: Codable {
        struct Number: Codable {
            let name: String
            let value: Double?
            let unit: String?
            let spark: [Double]
        }

        struct Problem: Codable {
            let kind: String
            let subject: String?
            let severity: HealthSeverity
            let since: String
            let count: Int?
            let what: String
            let why: String
            let action: HealthAction?
        }

        let severity: HealthSeverity
        let sentence: String
        let at: String
        let numbers: [Number]
        let problems: [Problem]
    }

    func run() async throws {
        let answer: Answer
        do {
            answer = try await web.withClient { client in
                do {
                    return try await client.call(.GET, "/api/health/summary?language=\(language.rawValue)")
                } catch {
                    throw client.explain(error)
                }
            }
        } catch {
            Output.error("Error: \(error)")
            throw ExitCode(2)
        }
        if json { try Output.json(answer) } else { show(answer) }
        switch answer.severity {
        case .ok, .info: return
        case .warning: throw ExitCode(1)
        case .error: throw ExitCode(2)
        }
    }

    private func show(_ answer: Answer) {
        Output.line(answer.sentence)
        for problem in answer.problems {
            Output.line("")
            Output.line("\(problem.severity.rawValue.uppercased().padded(to: 8)) \(problem.what) (\(problem.since))")
            Output.line("         \(problem.why)")
            if let command = problem.action?.command { Output.line("         → \(command)") }
        }
    }
}

extension HealthLanguage: ExpressibleByArgument {}
