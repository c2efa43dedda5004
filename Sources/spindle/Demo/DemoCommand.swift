import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOSSL
import SpindleCluster

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Send one routing through the running cluster, and show what happens when.",
        discussion: """
            Creates a routing, submits and approves it over HTTP, and waits on the event streams, as a browser does, until the add-in's
            result is there. Exits with 0 only if all of it came.

            Example:
              spindle demo
              spindle demo --expect-failure    with an add-in that was started with --fail
            """)

    @Option(help: ArgumentHelp("The cluster's data directory: its tokens are there. (default: $SPINDLE_DATA, else ./spindle-data)", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The cluster's first port. (default: that of the cluster in the data directory, else 7400)", valueName: "n"))
    var portBase: PortBaseArgument?

    @Option(help: ArgumentHelp("The web server's address, instead.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("The authority that signed the web server's certificate, PEM. (default: DIR/tls/ca.pem where that is there)", valueName: "file"))
    var ca: String?

    @Option(help: "How long it may take.", transform: DurationArgument.parse)
    var timeout = DurationArgument(.seconds(30))

    @Flag(help: "A failed generation is what is wanted: exit with 0 for it, with 1 for a completed one.")
    var expectFailure = false

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
        guard let url else { return }
        if portBase != nil { throw ValidationError("--url and --port-base both say where the web server is: give one of them.") }
        guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme ?? ""), parts.host?.isEmpty == false else {
            throw ValidationError("“\(url)” is no web address: it looks like http://HOST:PORT.")
        }
    }

    func run() async throws {
        let directory = DataDirectory(option: data)
        let token = try directory.token(of: "admin")
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .init(tlsConfiguration: tls(directory)))
        let api = DemoAPI(client: client, base: base(directory), token: token, correlationID: "demo-\(UUID().uuidString.lowercased())")
        var run = DemoRun(api: api, timeout: timeout.duration, isPrinting: !json)
        let result: Result<DemoRun.Ending, any Error>
        do { result = .success(try await run.run()) } catch { result = .failure(error) }
        // What is still open is the event streams, which have no more to tell.
        try? await client.shutdown()
        let ending = try result.get()
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

    private func base(_ directory: DataDirectory) -> String {
        if let url { return url.hasSuffix("/") ? String(url.dropLast()) : url }
        if let portBase { return "http://127.0.0.1:\(portBase.web)" }
        return directory.endpoints()?.webURL ?? "http://127.0.0.1:\(PortBaseArgument(BrokerPorts.baseDefault).web)"
    }

    private func tls(_ directory: DataDirectory) -> NIOSSL.TLSConfiguration {
        let own = directory.tlsDirectory + "/ca.pem"
        var configuration = NIOSSL.TLSConfiguration.makeClientConfiguration()
        if let ca = ca ?? (FileManager.default.fileExists(atPath: own) ? own : nil) { configuration.trustRoots = .file(ca) }
        return configuration
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
