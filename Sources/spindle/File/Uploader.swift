import AsyncHTTPClient
import ContentStore
import Digests
import Foundation
import NIOCore
import NIOHTTP1

/// Uploads one file by parts: see protocol/upload.md.
struct Uploader: Sendable {
    struct Upload: Decodable, Sendable {
        let id: String
        let resumeToken: String
        let size: Int64?
        let chunkSize: Int64
        let missing: [[Int]]
    }

    private struct Creation: Encodable {
        let routingId: String
        let revision: Int?
        let logicalPath: String?
        let filename: String
        let size: Int64
        let hashes: [String]
    }

    private struct Ignored: Decodable {}

    let client: WebClient
    let routing: String
    let revision: Int?
    let parallel: Int
    let patience: Duration
    let bar: ProgressBar?
    /// Called when all parts but the last are on the server's disk; for demonstrations.
    var beforeLastPart: (@Sendable (Upload) async throws -> Void)?

    func put(_ source: UploadSource, as target: String?, resumeToken: String?, waits: Bool) async throws -> RemoteFile {
        let file = try LocalFile(path: source.path)
        bar?.begin("hashing", bytes: source.bytes)
        let hashes = try await hashes(of: file, bytes: source.bytes)
        let upload: Upload = try await client.persistently(patience: patience) {
            if let resumeToken { return try await client.call(.GET, "/api/upload/\(resumeToken.urlEncoded)") }
            return try await client.call(
                .POST, "/api/upload/parts",
                json: Creation(
                    routingId: routing, revision: revision, logicalPath: target, filename: source.name, size: source.bytes,
                    hashes: hashes.map { Hexadecimal.text($0) }))
        }
        if let size = upload.size, size != source.bytes {
            throw CommandFailure("\(source.path) has \(source.bytes) bytes, and the upload \(size).", advice: "Give the file that this upload began with.")
        }
        var lacking = upload
        while true {
            let missing = lacking.missing.flatMap { Array($0[0]...$0[1]) }
            let grid = ChunkGrid(bytes: source.bytes)
            bar?.begin("sending", bytes: missing.reduce(0) { $0 + grid.bytes(of: $1) })
            if let beforeLastPart {
                try await send(missing.dropLast(), of: file, grid, hashes, upload)
                try await beforeLastPart(upload)
            }
            try await send(beforeLastPart == nil ? missing : missing.suffix(1), of: file, grid, hashes, upload)
            bar?.begin("storing", bytes: 0)
            switch try await wait(for: upload.id, untilFinal: waits) {
            case .ended(let file): return file
            // The server has lost parts, and asks for them again.
            case .lacks(let again): lacking = again
            }
        }
    }

    /// Sends what the server lacks of an upload. Returns the parts' numbers.
    func sendAgain(_ id: String, _ source: UploadSource) async throws -> [Int] {
        let file = try LocalFile(path: source.path)
        let upload: Upload = try await client.persistently(patience: patience) { try await client.call(.GET, "/api/upload/\(id)") }
        let missing = upload.missing.flatMap { Array($0[0]...$0[1]) }
        try await send(missing, of: file, ChunkGrid(bytes: source.bytes), try await hashes(of: file, bytes: source.bytes), upload)
        return missing
    }

    private enum Waiting {
        case ended(RemoteFile)
        case lacks(Upload)
    }

    /// The digest of each chunk; several at once, since one core is slower than a disk.
    private func hashes(of file: LocalFile, bytes: Int64) async throws -> [[UInt8]] {
        let grid = ChunkGrid(bytes: bytes)
        var digests = [[UInt8]](repeating: [], count: grid.count)
        try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            var next = 0
            func add() {
                guard next < grid.count else { return }
                let index = next
                next += 1
                group.addTask { (index, try file.digest(from: grid.offset(of: index), bytes: grid.bytes(of: index))) }
            }
            for _ in 0..<ProcessInfo.processInfo.activeProcessorCount { add() }
            while let (index, digest) = try await group.next() {
                digests[index] = digest
                bar?.advance(grid.bytes(of: index))
                add()
            }
        }
        return digests
    }

    private func send(_ missing: [Int], of file: LocalFile, _ grid: ChunkGrid, _ hashes: [[UInt8]], _ upload: Upload) async throws {
        try await withThrowingTaskGroup(of: Int.self) { group in
            var rest = missing[...]
            func add() {
                guard let index = rest.popFirst() else { return }
                group.addTask {
                    try await client.persistently(patience: patience) {
                        let bytes = try file.read(from: grid.offset(of: index), bytes: grid.bytes(of: index))
                        var request = client.request(.PUT, "/api/upload/\(upload.id)/parts/\(index)")
                        request.headers.add(name: "content-digest", value: "sha-256=:\(Data(hashes[index]).base64EncodedString()):")
                        request.body = .bytes(bytes)
                        _ = try await client.send(request).body.collect(upTo: WebClient.answerBytesMax)
                    }
                    return index
                }
            }
            for _ in 0..<parallel { add() }
            while let index = try await group.next() {
                bar?.advance(grid.bytes(of: index))
                add()
            }
        }
    }

    /// Asks until nothing more comes by itself, or until it is staged where nobody waits.
    private func wait(for id: String, untilFinal: Bool) async throws -> Waiting {
        var pause = Duration.milliseconds(50)
        var told: String?
        while true {
            let file: RemoteFile = try await client.persistently(patience: patience) { try await client.call(.GET, "/api/files/\(id)") }
            bar?.say(file.status + (file.reason.map { ": \($0)" } ?? ""))
            if file.isFinal || !untilFinal {
                bar?.end()
                return .ended(file)
            }
            if file.status == "uploading", file.missing?.isEmpty == false {
                return .lacks(try await client.persistently(patience: patience) { try await client.call(.GET, "/api/upload/\(id)") })
            }
            // Where no bar says it, whoever waits is told once what for.
            if bar == nil, let reason = file.reason, reason != told {
                Output.error("\(file.logicalName) is \(file.status): \(reason)")
                told = reason
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(2))
        }
    }
}

/// An open file of this machine.
final class LocalFile: Sendable {
    private let descriptor: Int32
    private let path: String

    init(path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else { throw CommandFailure("\(path) can't be read: \(String(cString: strerror(errno))).") }
    }

    deinit { close(descriptor) }

    func read(from offset: Int64, bytes: Int64) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: Int(bytes))
        var done: Int64 = 0
        while done < bytes {
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(bytes - done)) { room in
                max(0, pread(descriptor, room.baseAddress, Int(bytes - done), off_t(offset + done)))
            }
            guard count > 0 else { throw CommandFailure("\(path) ends at byte \(offset + done): it was changed while it was read.") }
            done += Int64(count)
        }
        return buffer
    }

    func digest(from offset: Int64, bytes: Int64) throws -> [UInt8] {
        let buffer = try read(from: offset, bytes: bytes)
        var stream = try DigestStream(.sha256)
        try buffer.withUnsafeReadableBytes { try stream.update($0) }
        return try stream.finish()
    }
}
