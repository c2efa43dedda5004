package import SpindleLog

/// `LogStorage` over a `SimulatedDiskState`. For one thread.
package final class SimulatedDisk: LogStorage, @unchecked Sendable {  // tests use it from one thread
    package enum Fault {
        /// Everything fails from here on, as after a loss of power.
        case crash
        case error(Int32)
        /// A write puts down this many bytes, then fails.
        case errorAfterBytes(Int, Int32)
        /// A write is done in two parts; the second counts as an operation of its own, so that a crash can fall between.
        case short(Int)
    }

    /// Faults of a log, played by a storage that leaves out or delays what the log asks for. Tests that let one of these pass
    /// would not notice the same fault in the log itself.
    package enum Omission: CaseIterable {
        /// Entries are confirmed without a sync.
        case commitsNotSynced
        /// At a rollover the old segment is synced only after the new one has its name.
        case oldSegmentSyncedLate
        case directoryNotSynced
        case checkpointsNotSynced
    }

    package var disk: SimulatedDiskState
    package var omission: Omission?
    private var lateSync: LogFileName?
    /// Calls that change something, so far.
    package private(set) var operations = 0
    /// What happens at which call; counted like `operations`.
    package var faults: [Int: Fault] = [:]
    /// Fails every call of one kind.
    package var stickyFault: (operation: LogStorageError.Operation, errno: Int32)?
    package private(set) var isDown = false
    /// The kinds of the changing calls, in order, while ``recordsTrace``.
    package private(set) var trace: [String] = []
    package var recordsTrace = true
    /// Called before every changing call: what other threads of a broker do between two calls of one.
    package var betweenCalls: (() -> Void)?

    package init(_ disk: SimulatedDiskState = SimulatedDiskState()) {
        self.disk = disk
    }

    package static let crash = LogStorageError(operation: .write, path: "", errno: 0, reason: "power is gone")

    private func begin(
        _ operation: LogStorageError.Operation, _ file: @autoclosure () -> String
    ) throws(LogStorageError) -> Fault? {
        if isDown { throw Self.crash }
        if let betweenCalls {
            betweenCalls()
            if isDown { throw Self.crash }
        }
        if let late = lateSync, operation != .rename, operation != .syncDirectory {
            lateSync = nil
            if let id = disk.names[late] { disk.files[id]?.makeDurable() }
        }
        let fault = faults.isEmpty ? nil : faults[operations]
        operations += 1
        if recordsTrace { trace.append("\(operation.rawValue) \(file())") }
        if let stickyFault, stickyFault.operation == operation { throw error(operation, file(), stickyFault.errno) }
        switch fault {
        case .crash:
            isDown = true
            throw Self.crash
        case .error(let errno): throw error(operation, file(), errno)
        case .errorAfterBytes, .short, nil: return fault
        }
    }

    private func error(_ operation: LogStorageError.Operation, _ file: String, _ errno: Int32) -> LogStorageError {
        LogStorageError(operation: operation, path: file, errno: errno, reason: "injected")
    }

    private func id(_ file: LogFileName, _ operation: LogStorageError.Operation) throws(LogStorageError) -> Int {
        guard let id = disk.names[file] else { throw error(operation, "\(file)", 2) }
        return id
    }

    package var usedBytes: UInt64 { disk.names.values.reduce(0) { $0 + UInt64(disk.files[$1]?.bytes.count ?? 0) } }

    package func list() throws(LogStorageError) -> [LogFile] {
        if isDown { throw Self.crash }
        return disk.names.map { LogFile(name: $0.key, size: UInt64(disk.files[$0.value]?.bytes.count ?? 0)) }
    }

    package func create(_ file: LogFileName) throws(LogStorageError) {
        _ = try begin(.create, "\(file)")
        guard disk.names[file] == nil else { throw error(.create, "\(file)", 17) }
        change(.create(file, disk.addFile()))
    }

    package func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
        let fault = try begin(.write, "\(file)")
        let id = try id(file, .write)
        switch fault {
        case .errorAfterBytes(let limit, let errno) where limit < bytes.count:
            try put(id, file, UnsafeRawBufferPointer(rebasing: bytes[..<limit]), at: Int(offset))
            throw error(.write, "\(file)", errno)
        case .short(let limit) where limit < bytes.count:
            try put(id, file, UnsafeRawBufferPointer(rebasing: bytes[..<limit]), at: Int(offset))
            try write(file, at: offset + UInt64(limit), UnsafeRawBufferPointer(rebasing: bytes[limit...]))
        case _:
            try put(id, file, bytes, at: Int(offset))
        }
    }

    private func put(_ id: Int, _ file: LogFileName, _ bytes: UnsafeRawBufferPointer, at start: Int) throws(LogStorageError) {
        let growth = start + bytes.count - (disk.files[id]?.bytes.count ?? 0)
        if growth > 0, disk.capacity < .max, usedBytes + UInt64(growth) > disk.capacity { throw error(.write, "\(file)", 28) }
        disk.files[id]?.put(bytes, at: start)
    }

    package func sync(_ file: LogFileName) throws(LogStorageError) {
        do throws(LogStorageError) {
            _ = try begin(.sync, "\(file)")
        } catch {
            // The error is told once, and the pages are taken for clean.
            if !isDown, let id = disk.names[file] { disk.files[id]?.failSync() }
            throw error
        }
        let id = try id(file, .sync)
        switch (omission, file) {
        case (.commitsNotSynced, .segment), (.checkpointsNotSynced, .checkpointing): return
        case (.oldSegmentSyncedLate, .segment): lateSync = file
        case _: disk.files[id]?.makeDurable()
        }
    }

    package func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) {
        _ = try begin(.rename, "\(file) → \(newName)")
        _ = try id(file, .rename)
        guard disk.names[newName] == nil else { throw error(.rename, "\(newName)", 17) }
        change(.rename(file, newName))
    }

    package func remove(_ file: LogFileName) throws(LogStorageError) {
        _ = try begin(.remove, "\(file)")
        _ = try id(file, .remove)
        change(.remove(file))
    }

    package func syncDirectory() throws(LogStorageError) {
        _ = try begin(.syncDirectory, "")
        if omission == .directoryNotSynced { return }
        disk.durableNames = disk.names
        disk.pendingChanges.removeAll(keepingCapacity: true)
        disk.dropNameless()
    }

    package func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int {
        if isDown { throw Self.crash }
        guard let bytes = disk.files[try id(file, .read)]?.bytes, Int(offset) < bytes.count else { return 0 }
        let count = min(buffer.count, bytes.count - Int(offset))
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + count])) }
        return count
    }

    package func freeBytes() throws(LogStorageError) -> UInt64 {
        disk.capacity - min(disk.capacity, usedBytes)
    }

    private func change(_ change: SimulatedDiskState.DirectoryChange) {
        change.apply(to: &disk.names)
        disk.pendingChanges.append(change)
    }
}
