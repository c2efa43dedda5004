import ArgumentParser
import AsyncHTTPClient
import Digests
import Foundation
import NIOCore
import NIOHTTP1

struct FileGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Download a file, and check its digest.",
        discussion: """
            What has come lies in FILE.part until all of it is here and its SHA-256 is right. Interrupted, run the same command again.
            """)

    @Argument(help: "The file's id.")
    var id: String

    @Option(help: ArgumentHelp("Where it is written; - for standard output. (default: its own name, here)", valueName: "file"))
    var output: String?

    @Option(help: "How long a server that does not answer is waited for.", transform: DurationArgument.parse)
    var patience = DurationArgument(.seconds(120))

    @Flag(help: "Answer in JSON.")
    var json = false

    @OptionGroup(title: "Cluster") var web: WebOptions

    private struct Line: Encodable {
        let id: String
        let output: String
        let size: Int64
        let sha256: String
    }

    func run() async throws {
        try await web.withClient { client in
            let file: RemoteFile = try await client.persistently(patience: patience.duration) { try await client.call(.GET, "/api/files/\(id.urlEncoded)") }
            guard file.status == "committed", let sha256 = file.sha256, let size = file.size else {
                throw CommandFailure("\(file.logicalName) is \(file.status)" + (file.reason.map { ": \($0)." } ?? "."), advice: "It can be downloaded when it is committed.")
            }
            if output == "-" {
                try await Download(client: client, file: file, patience: patience.duration).stream { bytes in
                    try FileHandle.standardOutput.write(contentsOf: Data(bytes.readableBytesView))
                }
                return
            }
            let target = output ?? file.logicalName.split(separator: "/").last.map(String.init) ?? id
            try await Download(client: client, file: file, patience: patience.duration).save(to: target, bar: json ? nil : ProgressBar(target))
            if json { return try Output.json(Line(id: file.id, output: target, size: size, sha256: sha256)) }
            Output.line("\(target)  \(size) bytes  sha256 \(sha256)")
        }
    }
}

struct FileVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read a file back, and compare its bytes with its digests. Nothing is written.")

    @Argument(help: "The file's id.")
    var id: String

    @Flag(help: "Answer in JSON.")
    var json = false

    @OptionGroup(title: "Cluster") var web: WebOptions

    private struct Line: Encodable {
        let id: String
        let isWhole: Bool
        let sha256: String
        let md5: String
    }

    func run() async throws {
        try await web.withClient { client in
            let file: RemoteFile
            do { file = try await client.call(.GET, "/api/files/\(id.urlEncoded)") } catch { throw client.explain(error) }
            guard file.status == "committed" else { throw CommandFailure("\(file.logicalName) is \(file.status): only what is committed can be read back.") }
            var sha256 = try DigestStream(.sha256)
            var md5 = try DigestStream(.md5)
            try await Download(client: client, file: file, patience: .seconds(120)).stream { bytes in
                try bytes.withUnsafeReadableBytes {
                    try sha256.update($0)
                    try md5.update($0)
                }
            }
            let line = Line(
                id: file.id, isWhole: false, sha256: Hexadecimal.text(try sha256.finish()), md5: Hexadecimal.text(try md5.finish()))
            let isWhole = line.sha256 == file.sha256 && line.md5 == file.md5
            if json {
                try Output.json(Line(id: line.id, isWhole: isWhole, sha256: line.sha256, md5: line.md5))
            } else {
                Output.line(isWhole ? "whole: sha256 \(line.sha256), md5 \(line.md5)" : "DAMAGED: sha256 \(line.sha256), expected \(file.sha256 ?? "-")")
            }
            if !isWhole { throw ExitCode.failure }
        }
    }
}

/// A file's bytes, read from the web server; it goes on where a connection broke.
struct Download {
    let client: WebClient
    let file: RemoteFile
    let patience: Duration

    /// Hands on all bytes in their order.
    func stream(from start: Int64 = 0, _ take: (ByteBuffer) throws -> Void) async throws {
        guard let size = file.size, let sha256 = file.sha256 else { throw CommandFailure("\(file.logicalName) is not committed.") }
        var offset = start
        while offset < size {
            try await client.persistently(patience: patience) {
                var request = client.request(.GET, "/api/files/\(file.id)/content")
                request.headers.add(name: "range", value: "bytes=\(offset)-")
                request.headers.add(name: "if-range", value: "\"sha256-\(sha256)\"")
                let response = try await client.send(request, timeout: .hours(24))
                guard response.status == .partialContent else {
                    throw CommandFailure("the server does not go on at byte \(offset).", advice: "Is there a proxy that takes Range away?")
                }
                for try await piece in response.body {
                    try take(piece)
                    offset += Int64(piece.readableBytes)
                }
            }
        }
    }

    func save(to target: String, bar: ProgressBar?) async throws {
        let partial = target + ".part"
        guard let size = file.size, let sha256 = file.sha256 else { throw CommandFailure("\(file.logicalName) is not committed.") }
        let descriptor = open(partial, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw CommandFailure("\(partial) can't be written: \(String(cString: strerror(errno))).") }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var there = Int64(try handle.seekToEnd())
        if there > size {
            try handle.truncate(atOffset: 0)
            there = 0
        }
        bar?.begin("receiving", bytes: size - there)
        try await stream(from: there) { piece in
            try handle.write(contentsOf: Data(piece.readableBytesView))
            bar?.advance(Int64(piece.readableBytes))
        }
        try handle.synchronize()
        bar?.begin("checking", bytes: 0)
        let digest = try LocalFile(path: partial).wholeDigest(bytes: size)
        bar?.end()
        guard Hexadecimal.text(digest) == sha256 else {
            try FileManager.default.removeItem(atPath: partial)
            throw CommandFailure("\(target) arrived damaged: its SHA-256 is \(Hexadecimal.text(digest)), and not \(sha256). It was removed.", advice: "Run the command again.")
        }
        guard rename(partial, target) == 0 else { throw CommandFailure("\(target) can't be written: \(String(cString: strerror(errno))).") }
    }
}

extension LocalFile {
    func wholeDigest(bytes: Int64) throws -> [UInt8] {
        var stream = try DigestStream(.sha256)
        var offset: Int64 = 0
        while offset < bytes {
            let piece = try read(from: offset, bytes: min(1 << 20, bytes - offset))
            try piece.withUnsafeReadableBytes { try stream.update($0) }
            offset += Int64(piece.readableBytes)
        }
        return try stream.finish()
    }
}
