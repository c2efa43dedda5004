import Foundation
import SpindleCluster
import Synchronization

/// What `spindle up` says at the terminal.
final class UpScreen: Sendable {
    /// Lines of a log that are shown when its process did not start.
    private static let tailLinesMax = 12
    private static let tailBytesMax = 16 << 10

    private let configuration: ClusterConfiguration
    private let plan: ClusterPlan
    private let directory: DataDirectory
    private let options: ClusterOptions
    private let isVerbose: Bool
    private let waiting: Mutex<Set<String>>

    init(configuration: ClusterConfiguration, plan: ClusterPlan, directory: DataDirectory, options: ClusterOptions, isVerbose: Bool) {
        self.configuration = configuration
        self.plan = plan
        self.directory = directory
        self.options = options
        self.isVerbose = isVerbose
        waiting = Mutex(Set(plan.processes.map(\.name)))
    }

    func begin() {
        Output.line("starting \(plan.processes.count) processes of the cluster “\(configuration.name)” in \(directory.path)")
    }

    /// Called from several threads.
    @Sendable func handle(_ event: SupervisorEvent) {
        switch event {
        case .started, .stopped, .stopping: break
        case .ready(let name):
            let ports = plan.processes.first { $0.name == name }?.ports ?? []
            Output.line("  \(name.padded(to: 12)) ready\(ports.isEmpty ? "" : "  port \(ports.map(String.init).joined(separator: ", "))")")
            if waiting.withLock({ $0.remove(name) != nil && $0.isEmpty }) { showWhatToTry() }
        case .waiting(let name, let since):
            Output.line("  \(name.padded(to: 12)) is not ready yet, after \(Units.text(.seconds(since.components.seconds)))\(logHint(name))")
        case .exited(let name, let status):
            if status != .exited(code: 0) { Output.line("  \(name.padded(to: 12)) ended with \(status)\(logHint(name))") }
        case .restarting(let name, let delay): Output.line("  \(name.padded(to: 12)) starts again in \(Units.text(.milliseconds(Int(delay.milliseconds))))")
        case .killed(let name): Output.line("  \(name.padded(to: 12)) was killed: it had not stopped")
        }
    }

    private func logHint(_ name: String) -> String { isVerbose ? "" : ": see \(ClusterLaunch.logFile(name, directory))" }

    private func showWhatToTry() {
        let data = options.data.map { " --data \($0)" } ?? ""
        let endpoints = ClusterEndpoints(configuration)
        Output.line("")
        Output.line("The cluster runs.\(endpoints.webURL.map { " Open \($0)/" } ?? "")")
        Output.line("")
        if let page = configuration.webs.first?.trustURL(in: configuration), let authority = try? AuthorityCertificate(file: configuration.authorityFile) {
            Output.line("Browsers warn until they trust the cluster's authority: \(page) explains how. People compare its fingerprint:")
            Output.line("  SHA-256 \(authority.sha256)")
            Output.line("")
        }
        Output.line("In another terminal:")
        Output.line("  \(Self.command) demo\(data)        one routing: approved, generated, answered")
        Output.line("  \(Self.command) queue ls\(data)    what waits where")
        Output.line("  \(Self.command) status\(data)      the processes")
        if let operations = endpoints.operations { Output.line("  curl http://\(operations)/metrics") }
        Output.line("")
        Output.line("Logs: \(ClusterLaunch.logDirectory(directory))   Stop: Ctrl-C")
        let webs = plan.processes.compactMap { if case .web(let web) = $0.role { web } else { nil } }
        if let web = webs.first { Task { [configuration] in await Self.showFirstLink(configuration, web) } }
    }

    /// While nobody has an account, how the first person gets one.
    private static func showFirstLink(_ configuration: ClusterConfiguration, _ web: WebConfiguration) async {
        do {
            guard let link = try await AccountLink.first(configuration, web) else { return }
            Output.line("")
            Output.line("Nobody has an account yet. This link makes the administrator, once, within 24 hours, from any PC that can open the page:")
            Output.line("  \(link.url)")
            if web.signInVisitors { Output.line("Until then, “Try it on this PC” on the page lets you in without an account.") }
        } catch {
            Output.error("No link for the first administrator could be made: \(error)")
        }
    }

    /// How this executable was called.
    private static var command: String { CommandLine.arguments.first ?? "spindle" }

    /// Why the cluster did not start, with the end of the log that says so.
    func explain(_ error: SupervisorError) -> CommandFailure {
        let name: String
        switch error {
        case .notReady(let process, _, _), .keepsEnding(let process, _, _): name = process
        case .alreadyRunning, .runDirectoryUnusable, .badSpecification: return CommandFailure("\(error)")
        }
        guard !isVerbose else { return CommandFailure("\(error)") }
        let file = ClusterLaunch.logFile(name, directory)
        return CommandFailure("\(error)", details: Self.tail(file), advice: "The whole log is in \(file).")
    }

    private static func tail(_ file: String) -> String {
        guard let handle = FileHandle(forReadingAtPath: file), let end = try? handle.seekToEnd() else { return "" }
        defer { try? handle.close() }
        try? handle.seek(toOffset: end > UInt64(tailBytesMax) ? end - UInt64(tailBytesMax) : 0)
        guard let data = try? handle.read(upToCount: tailBytesMax) else { return "" }
        return String(decoding: data, as: UTF8.self).split(separator: "\n").suffix(tailLinesMax).map { "  \($0)" }.joined(separator: "\n")
    }
}
