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
              spindle demo --with-file --fault missing-chunk
                                               a part of the file is lost on the server's disk, and sent again
              spindle demo --expect-failure    with an add-in that was started with --fail
            """)

    @OptionGroup(title: "Cluster") var web: WebOptions

    @Option(help: ArgumentHelp("How long each half may take. (default: 30s; with a fault longer)", valueName: "timeout"), transform: DurationArgument.parse)
    var timeout: DurationArgument?

    @Flag(help: "A failed generation is what is wanted: exit with 0 for it, with 1 for a completed one.")
    var expectFailure = false

    @Flag(help: ArgumentHelp("Then upload a file to the routing, wait until it is stored, and download it.", discussion: "PATH says which; without it one of 25 MB is made up."))
    var withFile = false

    @Argument(help: ArgumentHelp("With --with-file: the file.", valueName: "path"))
    var file: String?

    @Option(
        help: ArgumentHelp(
            "With --with-file: what goes wrong with the file.",
            discussion: "Exits with 0 only if it ends as it must: infected is quarantined, a flipped byte is found and tried again, a missing chunk is asked for and sent again."))
    var fault: DemoFault?

    @Option(help: ArgumentHelp("With a fault of its bytes: where the server keeps files. (default: DIR/files)", valueName: "dir"))
    var store: String?

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
        if fault != nil, !withFile { throw ValidationError("A fault goes with --with-file.") }
        if fault != nil, file != nil { throw ValidationError("A fault goes with the file that is made up, not with one of yours.") }
    }

    func run() async throws {
        try await web.withClient { try await run($0) }
    }

    private func run(_ client: WebClient) async throws {
        let api = DemoAPI(client: client.client, base: client.base, token: client.token, correlationID: "demo-\(UUID().uuidString.lowercased())")
        let patience = timeout?.duration ?? fault?.timeout ?? .seconds(30)
        var run = DemoRun(api: api, timeout: patience, isPrinting: !json)
        var ending = try await run.run()
        if withFile, ending == .completed, let routing = run.routing {
            var files = DemoFileRun(
                api: api, login: client.login, timeout: patience, routing: routing.id, fault: fault, store: store ?? web.directory.path + "/files", timeline: run.timeline)
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
            Output.lines(summary(ending, run, total, patience))
        }
        if !isExpected { throw ExitCode.failure }
    }

    private var fileSummary: String {
        switch fault {
        case nil: withFile ? ", and the file uploaded, stored, published and downloaded with the same digest," : ""
        case .infected: ", and the infected file quarantined, its download refused,"
        case .flippedByte: ", and the flipped byte found, the file tried again and stored,"
        case .missingChunk: ", and the missing part asked for, sent again and the file stored,"
        }
    }

    private func summary(_ ending: DemoRun.Ending, _ run: DemoRun, _ total: Double, _ patience: Duration) -> String {
        switch ending {
        case .completed:
            expectFailure ? "The generation completed, and a failure was expected." : "Everything came: approved, generated and answered\(fileSummary) in \(total) ms."
        case .failed:
            "The generation failed: the routing stays approved, its badge says “failed”, and people were alerted."
                + (expectFailure ? "" : "\nRemove the cause and generate again: POST \(run.api.base)/api/routings/\(run.routing?.id ?? "ID")/retry-generation")
        case .timedOut:
            "Not everything came within \(DurationArgument(patience)). Missing: \(run.missing.joined(separator: ", ")).\n"
                + "`spindle status` shows the processes, `spindle queue ls` what waits, DIR/logs what they said."
        }
    }
}
