import ArgumentParser
import ContentStore
import Foundation

/// What goes wrong with the demonstration's file, on purpose.
enum DemoFault: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// It is the test file that every virus scanner knows.
    case infected
    /// A byte of what arrived is another one when the workers look at it.
    case flippedByte = "flipped-byte"
    /// A part of what arrived is gone when the workers look at it.
    case missingChunk = "missing-chunk"

    /// What must be seen of it on the event streams.
    var signs: [String] {
        switch self {
        case .infected: ["file.updated (quarantined)", "notification.alert (file.quarantined)"]
        case .flippedByte: ["file.updated (invalid)", "notification.alert (file.invalid)"]
        case .missingChunk: ["file.updated (uploading)", "notification.alert (file.missingParts)"]
        }
    }

    /// A damaged file is looked at again after the delay of the queue `storage-retry`.
    var timeout: Duration { self == .flippedByte ? .seconds(180) : .seconds(60) }
}

/// The bytes of an upload on the server's disk, for whoever is on the server's machine.
struct StagedBytes: Sendable {
    private static let flippedAt: UInt64 = 4_711

    let path: String

    /// - Parameter store: what the description calls `files: store:`.
    init(upload: String, store: String) { path = "\(store)/\(StagingArea.path(of: upload))" }

    private func open() throws -> FileHandle {
        guard let handle = FileHandle(forUpdatingAtPath: path) else {
            throw CommandFailure(
                "the upload's bytes can't be changed: there is no \(path) that can be written.",
                advice: "A fault needs the server's disk: run this on its machine, as its user, with --store where the description has another `store:`.")
        }
        return handle
    }

    /// Flips a bit; a second time, it is as it was.
    func flip() throws {
        let handle = try open()
        defer { try? handle.close() }
        try handle.seek(toOffset: Self.flippedAt)
        guard let byte = try handle.read(upToCount: 1)?.first else { throw CommandFailure("\(path) has no byte \(Self.flippedAt).") }
        try handle.seek(toOffset: Self.flippedAt)
        try handle.write(contentsOf: Data([byte ^ 0x10]))
        try handle.synchronize()
    }

    /// Makes a hole of a chunk, as a disk that lost it does.
    func lose(chunk: Int, of grid: ChunkGrid) throws {
        let handle = try open()
        defer { try? handle.close() }
        let bytes = try handle.readToEnd() ?? Data()
        let (start, end) = (grid.offset(of: chunk), grid.offset(of: chunk) + grid.bytes(of: chunk))
        try handle.truncate(atOffset: 0)
        try handle.truncate(atOffset: UInt64(bytes.count))
        try handle.seek(toOffset: 0)
        try handle.write(contentsOf: bytes.prefix(Int(start)))
        try handle.seek(toOffset: UInt64(end))
        try handle.write(contentsOf: bytes.dropFirst(Int(end)))
        try handle.truncate(atOffset: UInt64(bytes.count))
        try handle.synchronize()
    }
}
