import ArgumentParser
import Foundation

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Send one routing through the running cluster, and show what happens when.",
        discussion: """
            Creates a routing, submits and approves it over HTTP, and waits on the event streams, as a browser does, until the add-in's
            result is there. Exits with 0 only if all of it came.

            Example:
              spindle demo
              spindle demo --with-file         uploads a file to the routing too, and downloads it
              spindle demo --with-file A.nc    the same with a file of yours
              spindle demo --expect-failure    with an add-in that was started with --fail
            """)

    @OptionGroup(title: "Cluster") var web: WebOptions

    @Option(help: "How long it may take.", transform: DurationArgument.parse)
    var timeout = DurationArgument(.seconds(30))

    @Flag(help: "A failed generation is what is wanted: exit with 0 for it, with 1 for a completed one.")
    var expectFailure = false

    @Flag(help: ArgumentHelp("Then upload a file to the routing, wait until it is stored, and download it.", discussion: "PATH says which; without it one of 25 MB is made up."))
    var withFile = false

    @Argument(help: ArgumentHelp("With --with-file: the file.", valueName: "path"))
    var file: String?

    @Flag(help: "Answer in JSON, one object at the end.")
    var json = false

    private struct Answer: Encodable {
        let ending: DemoRun.Ending
        let isExpected: Bool
        let routingId: String?
        let outputs: [String]
        let totalMs: Double
        let missing: [String]
        let timeline: [DemoTimeline.Step]
    }

    func validate() throws {
        if file != nil, !withFile { throw ValidationError("A file goes with --with-file.") }
    }

    func run() async throws {
        try await web.withClient { try await run($0) }
    }

    private func run(_ client: WebClient) async throws {
        let api = DemoAPI(client: client.client, base: client.base, token: client.token, correlationID: "demo-\(UUID().uuidString.lowercased())")
        var run = DemoRun(api: api, timeout: timeout.duration, isPrinting: !json)
        var ending = try await run.run()
        if withFile, ending == .completed, let routing = run.routing {
            var files = DemoFileRun(api: api, timeout: timeout.duration, routing: routing.id, timeline: run.timeline)
            if try await !files.run(path: file) { ending = .timedOut }
            run.take(files)
        }
        let isExpected = ending == (expectFailure ? .failed : .completed)
        let total = run.timeline.steps.last?.ms ?? 0
        if json {
            try Output.json(
                Answer(
                    ending: ending, isExpected: isExpected, routingId: run.routing?.id, outputs: run.outputs, totalMs: total, missing: run.missing, timeline: run.timeline.steps))
        } else {
            Output.line("")
            Output.lines(summary(ending, run, total))
        }
        if !isExpected { throw ExitCode.failure }
    }

    private func summary(_ ending: DemoRun.Ending, _ run: DemoRun, _ total: Double) -> String {
        switch ending {
        case .completed:
            expectFailure ? "The generation completed, and a failure was expected." : "Everything came: approved, generated and answered in \(total) ms."
        case .failed:
            "The generation failed: the routing stays approved, its badge says “failed”, and people were alerted."
                + (expectFailure ? "" : "\nRemove the cause and generate again: POST \(run.api.base)/api/routings/\(run.routing?.id ?? "ID")/retry-generation")
        case .timedOut:
            "Not everything came within \(timeout). Missing: \(run.missing.joined(separator: ", ")).\n"
                + "`spindle status` shows the processes, `spindle queue ls` what waits, DIR/logs what they said."
        }
    }
}
