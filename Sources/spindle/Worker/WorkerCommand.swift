import ArgumentParser
import Foundation
import Logging
import MCMS
import MCMSFiles
import ServiceLifecycle
import SpindleClient
import SpindleCluster
import SpindleWorker

/// `spindle worker` alone is the role, as service units start it; its subcommands are for operators.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "One worker process; or look at the workers that are connected, and steer them.",
        discussion: """
            Without a subcommand this is a worker: it leases tasks and handles them. `spindle help worker run` shows its options.

            Example:
              spindle worker --group results
              spindle worker ls
            """,
        subcommands: [WorkerRunCommand.self, WorkerListCommand.self, WorkerQuietCommand.self, WorkerResumeCommand.self, WorkerTerminateCommand.self],
        defaultSubcommand: WorkerRunCommand.self)
}

struct WorkerRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Be a worker process: lease tasks and handle them. What `spindle worker` alone does.",
        discussion: """
            Handles the results that the add-in reports (AddinJobResultCommand) and uploaded files (FileIngestCommand and what follows from it),
            and sends what the database's outbox holds.

            Example:
              spindle worker run --group results
            """)

    @Option(help: ArgumentHelp("The worker group of the description whose queues are worked on. (default: all of this host)", valueName: "name"))
    var group: String?

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let cluster = try role.cluster.loadRunning()
        let groups = try groups(of: cluster)
        guard let first = groups.first else { throw CommandFailure("the description has no worker groups.", advice: "Add one under `workers:`.") }
        try checkHandlers(groups)
        let process = try RoleProcess(name: role.name ?? "worker-\(first.name)", options: role)
        let client = try await BrokerLink(cluster: cluster, host: first.host, principal: first.principal).client(
            name: process.name, labels: [("role", "worker")] + groups.map { ("group", $0.name) }, logger: process.logger)
        let store = try DomainStore.open(cluster)
        let worker = SpindleWorker(
            client: client,
            configuration: WorkerConfiguration(
                queues: groups.flatMap { group in group.queues.map { .init($0, concurrency: group.concurrency) } },
                stopDeadline: RoleProcess.stopDeadline - .seconds(5)),
            logger: process.logger)
        let handler = AddinResultHandler(
            store: store, share: try cluster.shareDirectory(),
            outputAttemptsMax: cluster.domain?.outputAttemptsMax ?? AddinResultHandler.outputAttemptsDefault)
        worker.register(AddinResultTask(handler, worker: process.name))
        let setup = try FilesSetup(cluster, store)
        let scanner = try setup.scanner(logger: process.logger)
        let ingest = try setup.ingest(scanner)
        // Where no files are ingested, nobody waits for the scanner.
        let scans = groups.contains { !Set($0.queues).isDisjoint(with: [FileQueues.ingest, FileQueues.retry]) }
        var probing: [any Service] = []
        if scans { probing = (scanner.map { [$0] } ?? []) + setup.upkeep(logger: process.logger) }
        let sweeping: [any Service] =
            groups.contains { $0.queues.contains(FileQueues.garbage) }
            ? [GarbageSweep(garbage: setup.garbage, files: setup.store, logger: process.logger)] : []
        FileTasks(ingest: ingest, garbage: setup.garbage, files: setup.store).register(with: worker)
        process.logger.info("worker is ready", metadata: ["queues": "\(groups.flatMap(\.queues).joined(separator: ","))", "pid": "\(getpid())"])
        try await process.run([
            ClientClosing(client: client), process.readyNotice(client, cluster), DomainStore.relay(store, client, cluster, logger: process.logger),
            DeadMessageWatch(store: store, client: client, others: ingest.died, logger: process.logger),
            CommandWithdrawals(store: store, client: client, logger: process.logger), worker,
        ] + probing + sweeping)
    }

    /// The queues whose tasks this version handles.
    private static let handledQueues = [
        MCMSNames.resultQueue: MCMSNames.resultTask, FileQueues.ingest: FileQueues.ingestTask, FileQueues.retry: FileQueues.ingestTask,
        FileQueues.missing: FileQueues.missingTask, FileQueues.garbage: FileQueues.garbageTask,
    ]

    /// Whoever leases tasks and cannot handle them makes dead letters of other people's work.
    private func checkHandlers(_ groups: [WorkerGroupConfiguration]) throws {
        for group in groups {
            guard let queue = group.queues.first(where: { Self.handledQueues[$0] == nil }) else { continue }
            let known = Self.handledQueues.keys.sorted().joined(separator: ", ")
            throw CommandFailure(
                "the worker group “\(group.name)” has no handler for the tasks of “\(queue)”.",
                advice: "Handled here: \(known). Take “\(queue)” out of the group's queues; a worker of another program leases it.")
        }
    }

    /// Those of one principal: a process is one client.
    private func groups(of cluster: ClusterConfiguration) throws -> [WorkerGroupConfiguration] {
        guard let name = group ?? groupName(in: cluster) else {
            guard let principal = cluster.workers.first?.principal else { return [] }
            return cluster.workers.filter { $0.principal == principal }
        }
        guard let group = cluster.workers.first(where: { $0.name == name }) else {
            throw CommandFailure("the description has no worker group “\(name)”.", advice: "It has: \(cluster.workers.map(\.name).joined(separator: ", ")).")
        }
        return [group]
    }

    /// The supervisor gives each process the name that the plan gives it.
    private func groupName(in cluster: ClusterConfiguration) -> String? {
        for process in ClusterPlan(cluster, host: nil).processes where process.name == role.name {
            if case .worker(let group, _) = process.role { return group.name }
        }
        return nil
    }
}
