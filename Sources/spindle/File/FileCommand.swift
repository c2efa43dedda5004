import ArgumentParser
import Foundation
import NIOHTTP1

/// Files of routings, over the web server's API.
struct FileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "file", abstract: "Upload files to routings, look at them, and download them.",
        discussion: """
            An upload that was interrupted goes on where it stopped: run the same command again.

            Example:
              spindle file put part.nc --routing 01a2…
              spindle file ls --routing 01a2…
              spindle file get 01a3… --output part.nc
            """,
        subcommands: [FilePutCommand.self, FileGetCommand.self, FileListCommand.self, FileStatusCommand.self, FileVerifyCommand.self])
}

/// A file as the API shows it.
struct RemoteFile: Decodable, Sendable {
    struct Verdict: Codable, Sendable {
        let outcome: String
        let detail: String?
        let scannedBytes: Int64
        let totalBytes: Int64
    }

    let id: String
    let routingId: String
    let revision: Int
    let logicalName: String
    let logicalPath: String
    let size: Int64?
    let receivedBytes: Int64
    let status: String
    let reason: String?
    let sha256: String?
    let md5: String?
    let verdict: Verdict?
    let uploader: String
    let sharePath: String?
    let retryCount: Int
    let missing: [[Int]]?
    let resumeToken: String?
    let correlationId: String
    let createdAt: String
    let updatedAt: String

    /// Nothing more comes by itself.
    var isFinal: Bool { ["committed", "quarantined", "invalid"].contains(status) }
}

/// What a command prints of a file as JSON.
struct RemoteFileView: Encodable {
    let id: String
    let routingId: String
    let logicalName: String
    let logicalPath: String
    let size: Int64?
    let receivedBytes: Int64
    let status: String
    let reason: String?
    let sha256: String?
    let md5: String?
    let verdict: RemoteFile.Verdict?
    let uploader: String
    let missing: [[Int]]?
    let resumeToken: String?
    let correlationId: String

    init(_ file: RemoteFile) {
        id = file.id
        routingId = file.routingId
        logicalName = file.logicalName
        logicalPath = file.logicalPath
        size = file.size
        receivedBytes = file.receivedBytes
        status = file.status
        reason = file.reason
        sha256 = file.sha256
        md5 = file.md5
        verdict = file.verdict
        uploader = file.uploader
        missing = file.missing
        resumeToken = file.resumeToken
        correlationId = file.correlationId
    }
}

struct FileListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "The files of a routing, or of all of them.")

    @Option(help: ArgumentHelp("The routing's id. (default: all routings)", valueName: "id"))
    var routing: String?

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    @OptionGroup(title: "Cluster") var web: WebOptions

    func run() async throws {
        try await web.withClient { client in
            var rows: [[String]] = []
            try await client.eachFile(of: routing, patience: .zero) { file in
                if json { try Output.json(RemoteFileView(file)) } else { rows.append(Self.row(file)) }
            }
            if !json { Output.table(["ID", "STATUS", "BYTES", "NAME", "REASON"], rows) }
        }
    }

    private static func row(_ file: RemoteFile) -> [String] {
        [file.id, file.status, file.size.map(String.init) ?? "-", file.logicalName, file.reason ?? ""]
    }
}

struct FileStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "status", abstract: "How a file stands: what is here, what is missing, what the scanner said.")

    @Argument(help: "The file's id.")
    var id: String

    @Flag(help: "Answer in JSON.")
    var json = false

    @OptionGroup(title: "Cluster") var web: WebOptions

    func run() async throws {
        try await web.withClient { client in
            let file: RemoteFile
            do { file = try await client.call(.GET, "/api/files/\(id.urlEncoded)") } catch { throw client.explain(error) }
            if json { return try Output.json(RemoteFileView(file)) }
            var lines = [
                ("name", file.logicalName), ("status", file.status), ("bytes", "\(file.receivedBytes) of \(file.size.map(String.init) ?? "unknown")"),
                ("routing", "\(file.routingId), revision \(file.revision)"), ("share path", file.sharePath ?? "not on the share"),
                ("uploader", file.uploader), ("correlation id", file.correlationId),
            ]
            if let reason = file.reason { lines.insert(("reason", reason), at: 2) }
            if let sha256 = file.sha256 { lines.append(("sha256", sha256)) }
            if let md5 = file.md5 { lines.append(("md5", md5)) }
            if let missing = file.missing, !missing.isEmpty {
                lines.append(("missing parts", missing.map { $0[0] == $0[1] ? "\($0[0])" : "\($0[0])–\($0[1])" }.joined(separator: ", ")))
            }
            if let verdict = file.verdict {
                lines.append(("scan", "\(verdict.outcome), \(verdict.scannedBytes) of \(verdict.totalBytes) bytes" + (verdict.detail.map { ": \($0)" } ?? "")))
            }
            for (name, value) in lines { Output.line(name.padding(toLength: 16, withPad: " ", startingAt: 0) + value) }
        }
    }
}

extension String {
    var urlEncoded: String { addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-._~"))) ?? self }
}
