import ArgumentParser
import Foundation
import Logging
import SpindleClient
import SpindleCluster
import SpindleWorker

struct AddinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "addin", abstract: "The simulated ESPRIT add-in: takes generation commands and answers them.",
        discussion: """
            It is a broker client like the real one: it may lease esprit-gen and publish to addin-result, nothing else. It reports its
            progress, writes a file to the share, and reports it; the result and the acknowledgement are one step for the broker.

            Example, with the one that `spindle up` starts switched off in the description:
              spindle addin --slow 10s
              spindle addin --fail
            """)

    @Option(help: "How long it works on one command. (default: the description's)", transform: DurationArgument.parse)
    var slow: DurationArgument?

    @Flag(help: "Report every generation as failed.")
    var fail = false

    @Option(help: ArgumentHelp("End abruptly, once, when the work has come so far; started again, it works on.", valueName: "percent"))
    var dieAfter: Int?

    @Flag(help: "Report every result twice: the second must change nothing.")
    var answerTwice = false

    @OptionGroup var role: RoleOptions

    func validate() throws {
        if let dieAfter, !(0...99).contains(dieAfter) { throw ValidationError("--die-after must be from 0 to 99.") }
    }

    func run() async throws {
        let cluster = try role.cluster.loadRunning()
        guard let description = cluster.addin else {
            throw CommandFailure("the description has no add-in.", advice: "Add `addin:` with its principal and queues, as in `spindle config show`.")
        }
        let share = AddinShare(root: try cluster.sharePath(), identity: try cluster.shareIdentity())
        let process = try RoleProcess(name: role.name ?? "addin", options: role)
        let client = try await BrokerLink(cluster: cluster, host: description.host, principal: description.principal)
            .client(name: process.name, labels: [("role", "addin")], logger: process.logger)
        let behaviour = AddinBehaviour(
            workDuration: slow?.duration ?? description.workDuration, failureRatio: fail ? 1 : description.failureRatio, answersTwice: answerTwice,
            death: dieAfter.map { AddinDeath(percent: $0, marker: "\(cluster.dataDirectory)/run/\(process.name).died") })
        let simulator = AddinSimulator(
            name: process.name, client: client, resultQueue: description.resultQueue, share: share, behaviour: behaviour)
        let worker = SpindleWorker(
            client: client,
            configuration: WorkerConfiguration(queues: [.init(description.queue, lease: description.lease)], stopDeadline: RoleProcess.stopDeadline - .seconds(5)),
            logger: process.logger)
        worker.register(simulator)
        process.logger.info("simulated add-in is ready", metadata: ["queue": "\(description.queue)", "pid": "\(getpid())"])
        try await process.run([ClientClosing(client: client), process.readyNotice(client, cluster), worker])
    }
}
