/// The seam between the log and the files that hold it.
///
/// The operations are as small as the system calls behind them, so that every order of writing, syncing and renaming is
/// decided in this module, and a simulated disk can crash between any two of them. Calls block. Writes to one file come
/// from one thread at a time; reads, and calls for other files, may come from other threads at the same time.
///
/// What an implementation must keep:
/// - `write` is durable only after `sync` of the same file; its size too.
/// - `create`, `rename` and `remove` are durable only after `syncDirectory`. `rename` is atomic.
/// - An interrupted call is repeated, a short write continued. Every other failure is thrown, and the failed call is
///   **never** repeated by the implementation: after a failed sync nobody knows what is on the disk.
package protocol LogStorage: Sendable {
    /// Every file of the log with its size, in any order. Files with foreign names are left out.
    func list() throws(LogStorageError) -> [LogFile]

    /// Makes an empty file. Fails if the name is taken.
    func create(_ file: LogFileName) throws(LogStorageError)

    /// Asks for the space of a new file's first `byteCount` bytes at once, before they are written. Only a hint that keeps the
    /// file in one piece and its syncs short; nothing depends on it. May grow the file, with zeros. Does nothing by default.
    func reserve(_ file: LogFileName, byteCount: UInt64) throws(LogStorageError)

    /// Writes all of `bytes` at `offset`; extends the file as needed.
    func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError)

    /// Makes the file's content and size durable.
    func sync(_ file: LogFileName) throws(LogStorageError)

    /// Gives the file a new name. Fails if the new name is taken.
    func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError)

    func remove(_ file: LogFileName) throws(LogStorageError)

    /// Makes creations, renames and removals durable.
    func syncDirectory() throws(LogStorageError)

    /// Reads from `offset` until `buffer` is full or the file ends. Returns the bytes read.
    func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int

    /// Bytes of the file system that this process may still take.
    func freeBytes() throws(LogStorageError) -> UInt64

    /// Says that these bytes, which are durable, need not be kept in memory: what is read of them next comes from the disk. Only
    /// a hint. Does nothing by default.
    func forgetCached(_ file: LogFileName, at offset: UInt64, byteCount: UInt64)

    /// Asked before segments are freed: false while somebody outside copies them. Paired with ``endReclaiming()`` where true.
    func beginReclaiming() throws(LogStorageError) -> Bool
    func endReclaiming()
}

extension LogStorage {
    package func reserve(_ file: LogFileName, byteCount: UInt64) throws(LogStorageError) {}
    package func forgetCached(_ file: LogFileName, at offset: UInt64, byteCount: UInt64) {}
    package func beginReclaiming() throws(LogStorageError) -> Bool { true }
    package func endReclaiming() {}
}

package struct LogFile: Hashable, Sendable {
    package var name: LogFileName
    package var size: UInt64

    package init(name: LogFileName, size: UInt64) {
        self.name = name
        self.size = size
    }
}

/// The names of a log's files. The name says what stage a file is in, and a file moves on only by rename.
package enum LogFileName: Hashable, Sendable, CustomStringConvertible {
    /// Holds entries. Can transition to: `spent` (by the reclaimer), `quarantined` (by recovery).
    case segment(UInt64)
    /// Whole, zeroed or recycled, with the header of the segment that it will become. Can transition to: `segment`.
    case prepared(UInt64)
    /// A segment that is being zeroed. Can transition to: `prepared`.
    case preparing
    /// A segment of which nothing is needed any more. Can transition to: `prepared`.
    case spent(UInt64)
    /// The checkpoint of everything below this position.
    case checkpoint(LSN)
    /// A checkpoint that is being written. Can transition to: `checkpoint`.
    case checkpointing
    /// Put aside by recovery under a name of its own; nothing reads it.
    case quarantined(String)

    private static let quarantineMark = ".quarantined-"

    /// The file's name in its directory.
    package var description: String {
        switch self {
        case .segment(let number): Self.padded(number) + ".segment"
        case .prepared(let number): Self.padded(number) + ".prepared"
        case .preparing: "preparing.temp"
        case .spent(let number): Self.padded(number) + ".spent"
        case .checkpoint(let lsn): Self.padded(lsn.rawValue) + ".checkpoint"
        case .checkpointing: "checkpointing.temp"
        case .quarantined(let text): text
        }
    }

    /// The name that `text` spells, or nil if no file of a log is called so.
    package init?(_ text: String) {
        switch text {
        case "preparing.temp": self = .preparing
        case "checkpointing.temp": self = .checkpointing
        case _ where text.contains(Self.quarantineMark): self = .quarantined(text)
        case _:
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].count == 20, parts[0].allSatisfy(\.isASCIIDigit), let number = UInt64(parts[0])
            else { return nil }
            switch parts[1] {
            case "segment": self = .segment(number)
            case "prepared": self = .prepared(number)
            case "spent": self = .spent(number)
            case "checkpoint": self = .checkpoint(LSN(rawValue: number))
            case _: return nil
            }
        }
    }

    /// The name under which this file is put aside, the `attempt`-th of its kind.
    package func quarantined(attempt: Int) -> LogFileName { .quarantined(description + Self.quarantineMark + "\(attempt)") }

    /// A quarantined file: what it was, and the how manieth of its name.
    struct PutAside {
        var name: LogFileName
        var file: LogFileName
        var attempt: Int
    }

    /// What a quarantined file was; nil for others, and where its name does not say.
    var putAside: PutAside? {
        guard case .quarantined(let text) = self, let mark = text.firstRange(of: Self.quarantineMark),
            let file = LogFileName(String(text[..<mark.lowerBound])), let attempt = Int(text[mark.upperBound...]),
            (1..<Int(Int32.max)).contains(attempt)
        else { return nil }
        return PutAside(name: self, file: file, attempt: attempt)
    }

    private static func padded(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { "0" <= self && self <= "9" && isASCII }
}

/// A file operation that the system refused.
package struct LogStorageError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Operation: String, Hashable, Sendable {
        case open, lock, list, create, reserve, write, sync, rename, remove, syncDirectory, read, freeBytes
    }

    package var operation: Operation
    /// The file or directory, as the implementation addresses it.
    package var path: String
    /// The system's error number (Linux), or 0 when the failure is not one of the system's.
    package var errno: Int32
    /// What happened, in words.
    package var reason: String

    package init(operation: Operation, path: String, errno: Int32, reason: String) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.reason = reason
    }

    /// The disk, or the user's quota, is full (ENOSPC, EDQUOT).
    package var isNoSpace: Bool { errno == 28 || errno == 122 }

    package var description: String {
        errno == 0 ? "\(operation.rawValue) \(path): \(reason)" : "\(operation.rawValue) \(path): \(reason) (errno \(errno))"
    }
}
