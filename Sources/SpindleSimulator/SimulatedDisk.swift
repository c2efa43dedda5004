package import SpindleLog

/// A disk in memory that can fail and crash. The fault model:
/// - A write is kept in volatile memory until the file is synced; so is a change of its size.
/// - At a crash every un-synced sector of 512 bytes is kept, lost (its former bytes stay) or torn (half and half), each on its
///   own; an un-synced growth of the file is kept or lost, and sectors that were never written read as zero.
/// - Creations, renames and removals that no directory sync followed are undone from the last one backwards: any prefix of
///   them survives, as with a journaling file system.
package struct SimulatedDiskState {
    package static let sectorBytes = 512

    package struct File {
        package var durable: [UInt8] = []
        package var volatile: [UInt8] = []
        package var dirtySectors: Set<Int> = []
    }

    package enum DirectoryChange {
        case create(LogFileName, Int)
        case rename(LogFileName, LogFileName)
        case remove(LogFileName)

        package func apply(to names: inout [LogFileName: Int]) {
            switch self {
            case .create(let name, let id): names[name] = id
            case .rename(let old, let new): names[new] = names.removeValue(forKey: old)
            case .remove(let name): names[name] = nil
            }
        }
    }

    package var files: [Int: File] = [:]
    package var names: [LogFileName: Int] = [:]
    package var durableNames: [LogFileName: Int] = [:]
    package var pendingChanges: [DirectoryChange] = []
    package var capacity = UInt64.max

    package init() {}

    package enum SectorFate: CaseIterable { case kept, lost, torn }

    /// What an un-synced disk may turn into.
    package struct CrashChoice {
        package var directoryChangesKept: Int
        package var sector: (Int) -> SectorFate
        package var sizeKept: (Int) -> Bool

        package init(directoryChangesKept: Int, sector: @escaping (Int) -> SectorFate, sizeKept: @escaping (Int) -> Bool) {
            self.directoryChangesKept = directoryChangesKept
            self.sector = sector
            self.sizeKept = sizeKept
        }
    }

    package var dirtySectorCount: Int { files.values.reduce(0) { $0 + $1.dirtySectors.count } }

    /// The disk after power was lost. Files and sectors are visited in a fixed order, and numbered for `choice`.
    package func crashed(_ choice: CrashChoice) -> SimulatedDiskState {
        var after = self
        after.names = durableNames
        for change in pendingChanges.prefix(choice.directoryChangesKept) { change.apply(to: &after.names) }
        after.durableNames = after.names
        after.pendingChanges = []
        var sectorIndex = 0
        for (fileIndex, id) in files.keys.sorted().enumerated() {
            guard let file = files[id] else { continue }
            guard !file.dirtySectors.isEmpty || file.durable.count != file.volatile.count else { continue }
            var bytes = file.durable
            if file.volatile.count > bytes.count, choice.sizeKept(fileIndex) {
                bytes += [UInt8](repeating: 0, count: file.volatile.count - bytes.count)
            }
            for sector in file.dirtySectors.sorted() {
                let fate = choice.sector(sectorIndex)
                sectorIndex += 1
                let start = sector * Self.sectorBytes
                let end = min(start + Self.sectorBytes, bytes.count, file.volatile.count)
                let keptEnd =
                    switch fate {
                    case .kept: end
                    case .lost: start
                    case .torn: min(start + Self.sectorBytes / 2, end)
                    }
                if start < keptEnd { bytes.replaceSubrange(start..<keptEnd, with: file.volatile[start..<keptEnd]) }
            }
            after.files[id] = File(durable: bytes, volatile: bytes)
        }
        return after
    }

    /// The bytes of a file as they read now.
    package subscript(name: LogFileName) -> [UInt8]? {
        get { names[name].flatMap { files[$0]?.volatile } }
        set {
            guard let newValue else {
                names[name] = nil
                durableNames[name] = nil
                return
            }
            let id = names[name] ?? ((files.keys.max() ?? 0) + 1)
            names[name] = id
            durableNames[name] = id
            files[id] = File(durable: newValue, volatile: newValue)
        }
    }
}

/// `LogStorage` over a `SimulatedDiskState`. For one thread.
package final class SimulatedDisk: LogStorage, @unchecked Sendable {  // tests use it from one thread
    package enum Fault {
        /// Everything fails from here on, as after a loss of power.
        case crash
        case error(Int32)
        /// A write puts down this many bytes, then fails.
        case errorAfterBytes(Int, Int32)
    }

    /// Faults of a log, played by a storage that leaves out or delays what the log asks for. Tests that let one of these pass
    /// would not notice the same fault in the log itself.
    package enum PlantedBug: CaseIterable {
        /// Entries are confirmed without a sync.
        case commitsNotSynced
        /// At a rollover the old segment is synced only after the new one has its name.
        case oldSegmentSyncedLate
        case directoryNotSynced
        case checkpointsNotSynced
    }

    package var disk: SimulatedDiskState
    package var plantedBug: PlantedBug?
    private var lateSync: LogFileName?
    /// Calls that change something, so far.
    package private(set) var operations = 0
    /// What happens at which call; counted like `operations`.
    package var faults: [Int: Fault] = [:]
    /// Fails every call of one kind.
    package var stickyFault: (operation: LogStorageError.Operation, errno: Int32)?
    package private(set) var isDown = false
    /// The kinds of the changing calls, in order.
    package private(set) var trace: [String] = []

    package init(_ disk: SimulatedDiskState = SimulatedDiskState()) {
        self.disk = disk
    }

    package static let crash = LogStorageError(operation: .write, path: "", errno: 0, reason: "power is gone")

    private func begin(_ operation: LogStorageError.Operation, _ file: String) throws(LogStorageError) {
        if isDown { throw Self.crash }
        if let late = lateSync, operation != .rename, operation != .syncDirectory {
            lateSync = nil
            if let id = disk.names[late] { disk.files[id]?.makeDurable() }
        }
        let fault = faults[operations]
        operations += 1
        trace.append("\(operation.rawValue) \(file)")
        if let stickyFault, stickyFault.operation == operation { throw error(operation, file, stickyFault.errno) }
        switch fault {
        case .crash:
            isDown = true
            throw Self.crash
        case .error(let errno): throw error(operation, file, errno)
        case .errorAfterBytes, nil: break
        }
    }

    private func error(_ operation: LogStorageError.Operation, _ file: String, _ errno: Int32) -> LogStorageError {
        LogStorageError(operation: operation, path: file, errno: errno, reason: "injected")
    }

    private func id(_ file: LogFileName, _ operation: LogStorageError.Operation) throws(LogStorageError) -> Int {
        guard let id = disk.names[file] else { throw error(operation, "\(file)", 2) }
        return id
    }

    package var usedBytes: UInt64 { disk.names.values.reduce(0) { $0 + UInt64(disk.files[$1]?.volatile.count ?? 0) } }

    package func list() throws(LogStorageError) -> [LogFile] {
        if isDown { throw Self.crash }
        return disk.names.map { LogFile(name: $0.key, size: UInt64(disk.files[$0.value]?.volatile.count ?? 0)) }
    }

    package func create(_ file: LogFileName) throws(LogStorageError) {
        try begin(.create, "\(file)")
        guard disk.names[file] == nil else { throw error(.create, "\(file)", 17) }
        let id = (disk.files.keys.max() ?? 0) + 1
        disk.files[id] = SimulatedDiskState.File()
        change(.create(file, id))
    }

    package func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
        let fault = faults[operations]
        try begin(.write, "\(file)")
        var count = bytes.count
        var failure: LogStorageError?
        if case .errorAfterBytes(let limit, let errno) = fault, limit < count {
            count = limit
            failure = error(.write, "\(file)", errno)
        }
        let id = try id(file, .write)
        let start = Int(offset)
        let growth = UInt64(max(0, start + count - (disk.files[id]?.volatile.count ?? 0)))
        if growth > 0, usedBytes + growth > disk.capacity { throw error(.write, "\(file)", 28) }
        disk.files[id]?.put(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: start)
        if let failure { throw failure }
    }

    package func sync(_ file: LogFileName) throws(LogStorageError) {
        try begin(.sync, "\(file)")
        let id = try id(file, .sync)
        switch (plantedBug, file) {
        case (.commitsNotSynced, .segment), (.checkpointsNotSynced, .checkpointing): return
        case (.oldSegmentSyncedLate, .segment): lateSync = file
        case _: disk.files[id]?.makeDurable()
        }
    }

    package func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) {
        try begin(.rename, "\(file) → \(newName)")
        _ = try id(file, .rename)
        guard disk.names[newName] == nil else { throw error(.rename, "\(newName)", 17) }
        change(.rename(file, newName))
    }

    package func remove(_ file: LogFileName) throws(LogStorageError) {
        try begin(.remove, "\(file)")
        _ = try id(file, .remove)
        change(.remove(file))
    }

    package func syncDirectory() throws(LogStorageError) {
        try begin(.syncDirectory, "")
        if plantedBug == .directoryNotSynced { return }
        disk.durableNames = disk.names
        disk.pendingChanges = []
    }

    package func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int {
        if isDown { throw Self.crash }
        let bytes = disk.files[try id(file, .read)]?.volatile ?? []
        guard Int(offset) < bytes.count else { return 0 }
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

extension SimulatedDiskState.File {
    package mutating func put(_ bytes: UnsafeRawBufferPointer, at start: Int) {
        guard !bytes.isEmpty else { return }
        let end = start + bytes.count
        if volatile.count < end { volatile += [UInt8](repeating: 0, count: end - volatile.count) }
        volatile.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[start..<end]).copyMemory(from: bytes)
        }
        for sector in start / SimulatedDiskState.sectorBytes...(end - 1) / SimulatedDiskState.sectorBytes { dirtySectors.insert(sector) }
    }

    package mutating func makeDurable() {
        durable = volatile
        dirtySectors = []
    }
}
