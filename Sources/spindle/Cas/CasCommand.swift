import ArgumentParser
import ContentStore
import Digests
import Foundation
import Logging
import MCMSFiles
import SpindleCluster
import SpindleText

/// The content-addressed store of a cluster on this machine.
struct CasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cas", abstract: "The store of files: how full it is, whether it is whole, and what may go.",
        subcommands: [CasStatCommand.self, CasVerifyCommand.self, CasCollectCommand.self, CasAuditCommand.self, CasEstimateCommand.self])
}

struct CasOptions: ParsableArguments {
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    func setup() throws -> FilesSetup {
        let configuration = try cluster.load()
        try DataDirectory(path: configuration.dataDirectory).checkReadable()
        guard let path = configuration.domain.map({ configuration.resolve($0.database) }), FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure("there is no database of this cluster.", advice: "Say with --data or --config which cluster is meant.")
        }
        return try FilesSetup(configuration, try DomainStore.open(configuration))
    }
}

struct CasStatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stat", abstract: "How much the store holds, and what keeping each content once saves.")

    @OptionGroup var options: CasOptions

    func run() async throws {
        let figures = try await options.setup().store.figures()
        if options.json { return try Output.json(figures) }
        let saved = figures.referredBytes > 0 ? 100 - 100 * Double(figures.bytes) / Double(figures.referredBytes) : 0
        Output.table(
            ["WHAT", "FIGURE"],
            [
                ["files", "\(figures.files)"], ["bytes of all files", "\(figures.referredBytes)"], ["payloads", "\(figures.payloads)"],
                ["bytes of all payloads", "\(figures.bytes)"], ["saved", String(format: "%.1f %%", max(0, saved))], ["payloads to collect", "\(figures.orphans)"],
                ["uploads under way", "\(figures.uploads)"],
            ])
    }
}

struct CasVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read every payload, and compare its bytes with its name. Exits with 1 where one is damaged or missing.")

    @OptionGroup var options: CasOptions

    private struct Line: Encodable {
        let hash: String
        let isWhole: Bool
        let bytes: Int64
    }

    func run() async throws {
        let setup = try options.setup()
        var (whole, damaged) = (0, 0)
        for (hash, bytes) in try await setup.store.payloads() {
            guard let address = ContentAddress(hash: hash) else { continue }
            let isWhole = try await setup.payloads.verify(address)
            if isWhole { whole += 1 } else { damaged += 1 }
            if options.json {
                try Output.json(Line(hash: hash, isWhole: isWhole, bytes: bytes))
            } else if !isWhole {
                Output.line("DAMAGED OR MISSING  \(hash)  \(bytes) bytes")
            }
        }
        if !options.json { Output.line("\(whole) payloads are whole, \(damaged) are damaged or missing.") }
        if damaged > 0 { throw ExitCode.failure }
    }
}

struct CasCollectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Remove payloads that no file refers to, once their grace time is over.",
        discussion: "The workers do this by themselves; this also finds what a worker left that died for good.")

    @Flag(help: "Only say what would go.")
    var dryRun = false

    @OptionGroup var options: CasOptions

    func run() async throws {
        let setup = try options.setup()
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let report = try await setup.garbage.collectAll(isDry: dryRun, now: now)
        if options.json { return try Output.json(report) }
        for hash in report.removed { Output.line("\(dryRun ? "would remove" : "removed")  \(hash)") }
        for hash in report.strays { Output.line("\(dryRun ? "would remove" : "removed")  \(hash)  (known to no file)") }
        Output.line("\(report.removed.count + report.strays.count) payloads, \(report.bytes) bytes; \(report.waiting.count) more wait for the end of their grace.")
    }
}

struct CasAuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "audit", abstract: "What was written down of a file's integrity; without an id, the latest of all files.")

    @Argument(help: "The file's id.")
    var id: String?

    @Option(help: ArgumentHelp("How many, without an id.", valueName: "n"))
    var limit = 50

    @OptionGroup var options: CasOptions

    func run() async throws {
        let store = try options.setup().store
        let audits: [IntegrityAudit]
        do {
            audits = if let id { try await store.audits(of: id) } else { try await store.audits(limit: max(1, min(limit, 10_000))) }
        } catch let error as FileError {
            throw CommandFailure("\(error)")
        }
        if options.json { return try audits.forEach { try Output.json($0) } }
        Output.table(
            ["TIME", "VERDICT", "FILE", "HASH", "CHUNKS", "UPLOADER", "STORE", "DETAIL"],
            audits.map { [$0.time.rfc3339, $0.verdict.rawValue, $0.fileId, String($0.hash.prefix(12)), "\($0.chunkCount)", $0.uploader, $0.storeAnswer, $0.detail ?? ""] })
    }
}

struct CasEstimateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "estimate", abstract: "What keeping each content once would save on a folder. Nothing is uploaded.")

    @Argument(help: ArgumentHelp("The folder.", valueName: "dir"))
    var folder: String

    @Flag(help: "Answer in JSON.")
    var json = false

    private struct Line: Encodable {
        let files: Int
        let bytes: Int64
        let payloads: Int
        let payloadBytes: Int64
        let savedPercent: Double
    }

    func run() async throws {
        let sources = try UploadSource.find([folder])
        var seen: [[UInt8]: Int64] = [:]
        for source in sources {
            seen[try LocalFile(path: source.path).wholeDigest(bytes: source.bytes)] = source.bytes
        }
        let bytes = sources.reduce(0) { $0 + $1.bytes }
        let kept = seen.values.reduce(0, +)
        let line = Line(
            files: sources.count, bytes: bytes, payloads: seen.count, payloadBytes: kept, savedPercent: bytes > 0 ? 100 - 100 * Double(kept) / Double(bytes) : 0)
        if json { return try Output.json(line) }
        Output.line("\(line.files) files of \(line.bytes) bytes are \(line.payloads) payloads of \(line.payloadBytes) bytes: \(String(format: "%.1f", line.savedPercent)) % saved.")
    }
}
