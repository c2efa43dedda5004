import ContentStore
import Foundation

/// A file as an upload left it, or found it.
struct SentFile: Sendable {
    let id: String
    let name: String
    let sha256: String?
    let md5: String?
    let status: String
    let reason: String?

    init(_ file: RemoteFile) {
        id = file.id
        name = file.logicalName
        sha256 = file.sha256
        md5 = file.md5
        status = file.status
        reason = file.reason
    }

    init(_ file: StoredFiles.File, name: String) {
        id = file.id
        self.name = name
        sha256 = file.sha256
        md5 = file.md5
        status = "committed"
        reason = nil
    }
}

/// Uploads many files. Small ones go several at once: each waits for the server longer than its bytes take. Larger ones go alone, with several
/// parts at once.
struct UploadBatch: Sendable {
    static let filesAtOnce = 16

    struct Outcome: Sendable {
        let source: UploadSource
        let result: Result<SentFile, CommandFailure>
    }

    let uploader: Uploader
    let stored: StoredFiles
    let waits: Bool
    let bar: ProgressBar?

    /// Hands on each file when it is there. Ends early where the server does not answer: the rest would wait for the same.
    func run(_ sources: [UploadSource], as target: @escaping @Sendable (UploadSource) -> String?, _ take: (Outcome) throws -> Void) async throws {
        var done = 0
        bar?.begin("0 of \(sources.count) files", bytes: sources.reduce(0) { $0 + $1.bytes })
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            var running = 0
            for source in sources {
                let isLarge = source.bytes > ChunkGrid.chunkBytes
                while running > (isLarge ? 0 : Self.filesAtOnce - 1), let outcome = try await group.next() {
                    running -= 1
                    done += 1
                    try settle(outcome, done, sources.count, take)
                }
                group.addTask { try await put(source, as: target(source)) }
                running += 1
                if isLarge, let outcome = try await group.next() {
                    running -= 1
                    done += 1
                    try settle(outcome, done, sources.count, take)
                }
            }
            for try await outcome in group {
                done += 1
                try settle(outcome, done, sources.count, take)
            }
        }
        bar?.end()
    }

    private func settle(_ outcome: Outcome, _ done: Int, _ count: Int, _ take: (Outcome) throws -> Void) throws {
        bar?.end()
        try take(outcome)
        bar?.say("\(done) of \(count) files")
        bar?.advance(outcome.source.bytes)
    }

    private func put(_ source: UploadSource, as target: String?) async throws -> Outcome {
        do {
            if let file = try stored.file(like: source, as: target) {
                return Outcome(source: source, result: .success(SentFile(file, name: source.name)))
            }
            return Outcome(source: source, result: .success(SentFile(try await uploader.put(source, as: target, resumeToken: nil, waits: waits))))
        } catch let failure as CommandFailure {
            try await uploader.client.checkAnswers()
            return Outcome(source: source, result: .failure(failure))
        }
    }
}
