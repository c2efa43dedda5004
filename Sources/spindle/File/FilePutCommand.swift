import ArgumentParser
import AsyncHTTPClient
import ContentStore
import Digests
import Foundation
import NIOCore
import Synchronization

struct FilePutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Upload files and folders to a routing, and wait until they are stored.",
        discussion: """
            The file is hashed first, so that nothing is sent that the store has already; then only what is missing is sent, in parts of
            10 MiB, several at once. Interrupted, run the same command again: it goes on where it stopped. Of a folder, what is stored
            already is not sent again.

            Example:
              spindle file put part.nc --routing 01a2…
              spindle file put fixtures/ --routing 01a2… --as 'W:\\jobs\\42'
            """)

    @Argument(help: ArgumentHelp("Files, or folders with all that is in them.", valueName: "path"))
    var paths: [String]

    @Option(help: ArgumentHelp("The routing's id.", valueName: "id"))
    var routing: String

    @Option(name: .customLong("as"), help: ArgumentHelp("Where it is put on the share; of several files, the folder. (default: ROUTING/NAME)", valueName: "path"))
    var logicalPath: String?

    @Option(help: ArgumentHelp("The routing's revision. (default: the one that it has)", valueName: "n"))
    var revision: Int?

    @Option(help: ArgumentHelp("Goes on with this upload, whatever it was called.", valueName: "token"))
    var resumeToken: String?

    @Option(help: ArgumentHelp("Parts that are sent at once.", valueName: "n"))
    var parallel = 4

    @Option(help: "How long a server that does not answer is waited for.", transform: DurationArgument.parse)
    var patience = DurationArgument(.seconds(120))

    @Flag(help: "Do not wait until it is stored.")
    var noWait = false

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    @OptionGroup(title: "Cluster") var web: WebOptions

    func validate() throws {
        guard (1...64).contains(parallel) else { throw ValidationError("--parallel is from 1 to 64.") }
        if resumeToken != nil, paths.count > 1 || Self.isFolder(paths[0]) { throw ValidationError("--resume-token goes with one file.") }
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    private struct Line: Encodable {
        let id: String
        let name: String
        let size: Int64
        let sha256: String?
        let md5: String?
        let status: String
        let reason: String?
    }

    func run() async throws {
        let sources = try UploadSource.find(paths)
        try await web.withClient { client in
            if sources.count == 1 {
                let bar = json ? nil : ProgressBar(sources[0].name)
                let file = try await uploader(client, bar).put(sources[0], as: target(of: sources[0], isOnly: true), resumeToken: resumeToken, waits: !noWait)
                try show(SentFile(file), sources[0])
                if !noWait, file.status != "committed" { throw ExitCode.failure }
            } else {
                try await putAll(sources, client)
            }
        }
    }

    private func uploader(_ client: WebClient, _ bar: ProgressBar?) -> Uploader {
        Uploader(client: client, routing: routing, revision: revision, parallel: parallel, patience: patience.duration, bar: bar)
    }

    /// Exits with 1 where one of them was not stored; the others need not suffer.
    private func putAll(_ sources: [UploadSource], _ client: WebClient) async throws {
        var failed = 0
        let batch = UploadBatch(
            uploader: uploader(client, nil), stored: try await StoredFiles(of: routing, revision: revision, client: client, patience: patience.duration),
            waits: !noWait, bar: json ? nil : ProgressBar(paths.count == 1 ? paths[0] : "upload"))
        try await batch.run(sources, as: { target(of: $0, isOnly: false) }) { outcome in
            switch outcome.result {
            case .success(let file):
                try show(file, outcome.source)
                if !noWait, file.status != "committed" { failed += 1 }
            case .failure(let failure):
                failed += 1
                Output.error("Error: \(outcome.source.name): \(failure)")
            }
        }
        guard failed > 0 else { return }
        Output.error("\(failed) of \(sources.count) files were not stored. Run the same command again: it sends only these.")
        throw ExitCode.failure
    }

    private func target(of source: UploadSource, isOnly: Bool) -> String? {
        guard let logicalPath else { return nil }
        return isOnly && !source.isInFolder ? logicalPath : logicalPath + "/" + source.name
    }

    private func show(_ file: SentFile, _ source: UploadSource) throws {
        if json {
            return try Output.json(
                Line(id: file.id, name: file.name, size: source.bytes, sha256: file.sha256, md5: file.md5, status: file.status, reason: file.reason))
        }
        Output.line("\(file.id)  \(file.sha256 ?? "-")  \(file.status)  \(file.name)" + (file.reason.map { "  (\($0))" } ?? ""))
    }
}

/// A file of this machine that is to be uploaded.
struct UploadSource: Sendable {
    let path: String
    /// As it will be called: with the folders below the one that was named.
    let name: String
    let bytes: Int64
    let isInFolder: Bool

    /// What the paths name; of folders all plain files below, in order. Symbolic links below a folder are left out.
    static func find(_ paths: [String]) throws -> [UploadSource] {
        var found: [UploadSource] = []
        for path in paths {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                throw CommandFailure("there is no file \(path).")
            }
            guard isFolder.boolValue else {
                found.append(try source(path, name: URL(fileURLWithPath: path).lastPathComponent, isInFolder: false))
                continue
            }
            let base = URL(fileURLWithPath: path).standardizedFileURL
            guard let walk = FileManager.default.enumerator(atPath: base.path) else { throw CommandFailure("the folder \(path) can't be read.") }
            var names: [String] = []
            while let name = walk.nextObject() as? String {
                guard (walk.fileAttributes?[.type] as? FileAttributeType) == .typeRegular else { continue }
                names.append(name)
            }
            for name in names.sorted() { found.append(try source(base.path + "/" + name, name: name, isInFolder: true)) }
        }
        guard !found.isEmpty else { throw CommandFailure("there are no files in \(paths.joined(separator: ", ")).") }
        return found
    }

    private static func source(_ path: String, name: String, isInFolder: Bool) throws -> UploadSource {
        let attributes: [FileAttributeKey: Any]
        do {
            attributes = try FileManager.default.attributesOfItem(atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
        } catch {
            throw CommandFailure("\(path) can't be read: \(error)")
        }
        guard attributes[.type] as? FileAttributeType == .typeRegular, let bytes = attributes[.size] as? NSNumber else {
            throw CommandFailure("\(path) is no plain file.")
        }
        return UploadSource(path: path, name: name.precomposedStringWithCanonicalMapping, bytes: bytes.int64Value, isInFolder: isInFolder)
    }
}
