import SpindleLog

/// A disk in memory that can fail and crash. The fault model:
/// - A write is kept in volatile memory until the file is synced; so is a change of its size.
/// - At a crash every un-synced sector of 512 bytes is kept, lost (its former bytes stay) or torn (half and half), each on its
///   own; an un-synced growth of the file is kept or lost, and sectors that were never written read as zero.
/// - Creations, renames and removals that no directory sync followed are undone from the last one backwards: any prefix of
///   them survives, as with a journaling file system.
struct DiskState {
    static let sectorBytes = 512

    struct File {
        var durable: [UInt8] = []
        var volatile: [UInt8] = []
        var dirtySectors: Set<Int> = []
    }

    enum DirectoryChange {
        case create(LogFileName, Int)
        case rename(LogFileName, LogFileName)
        case remove(LogFileName)

        func apply(to names: inout [LogFileName: Int]) {
            switch self {
            case .create(let name, let id): names[name] = id
            case .rename(let old, let new): names[new] = names.removeValue(forKey: old)
            case .remove(let name): names[name] = nil
            }
        }
    }

    var files: [Int: File] = [:]
    var names: [LogFileName: Int] = [:]
    var durableNames: [LogFileName: Int] = [:]
    var pendingChanges: [DirectoryChange] = []
    var capacity = UInt64.max

    enum SectorFate: CaseIterable { case kept, lost, torn }

    /// What an un-synced disk may turn into.
    struct CrashChoice {
        var directoryChangesKept: Int
        var sector: (Int) -> SectorFate
        var sizeKept: (Int) -> Bool
    }

    var dirtySectorCount: Int { files.values.reduce(0) { $0 + $1.dirtySectors.count } }

    /// The disk after power was lost. Files and sectors are visited in a fixed order, and numbered for `choice`.
    func crashed(_ choice: CrashChoice) -> DiskState {
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
    subscript(name: LogFileName) -> [UInt8]? {
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

/// `LogStorage` over a `DiskState`. For one thread.
final class FaultyStorage: LogStorage, @unchecked Sendable {  // tests use it from one thread
    enum Fault {
        /// Everything fails from here on, as after a loss of power.
        case crash
        case error(Int32)
        /// A write puts down this many bytes, then fails.
        case errorAfterBytes(Int, Int32)
    }

    /// Faults of a log, played by a storage that leaves out or delays what the log asks for. Tests that let one of these pass
    /// would not notice the same fault in the log itself.
    enum PlantedBug: CaseIterable {
        /// Entries are confirmed without a sync.
        case commitsNotSynced
        /// At a rollover the old segment is synced only after the new one has its name.
        case oldSegmentSyncedLate
        case directoryNotSynced
        case checkpointsNotSynced
    }

    var disk: DiskState
    var plantedBug: PlantedBug?
    private var lateSync: LogFileName?
    /// Calls that change something, so far.
    private(set) var operations = 0
    /// What happens at which call; counted like `operations`.
    var faults: [Int: Fault] = [:]
    /// Fails every call of one kind.
    var stickyFault: (operation: LogStorageError.Operation, errno: Int32)?
    private(set) var isDown = false
    /// The kinds of the changing calls, in order.
    private(set) var trace: [String] = []

    init(_ disk: DiskState = DiskState()) {
        self.disk = disk
    }

    static let crash = LogStorageError(operation: .write, path: "", errno: 0, reason: "power is gone")

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

    var usedBytes: UInt64 { disk.names.values.reduce(0) { $0 + UInt64(disk.files[$1]?.volatile.count ?? 0) } }

    func list() throws(LogStorageError) -> [LogFile] {
        if isDown { throw Self.crash }
        return disk.names.map { LogFile(name: $0.key, size: UInt64(disk.files[$0.value]?.volatile.count ?? 0)) }
    }

    func create(_ file: LogFileName) throws(LogStorageError) {
        try begin(.create, "\(file)")
        guard disk.names[file] == nil else { throw error(.create, "\(file)", 17) }
        let id = (disk.files.keys.max() ?? 0) + 1
        disk.files[id] = DiskState.File()
        change(.create(file, id))
    }

    func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
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

    func sync(_ file: LogFileName) throws(LogStorageError) {
        try begin(.sync, "\(file)")
        let id = try id(file, .sync)
        switch (plantedBug, file) {
        case (.commitsNotSynced, .segment), (.checkpointsNotSynced, .checkpointing): return
        case (.oldSegmentSyncedLate, .segment): lateSync = file
        case _: disk.files[id]?.makeDurable()
        }
    }

    func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) {
        try begin(.rename, "\(file) → \(newName)")
        _ = try id(file, .rename)
        guard disk.names[newName] == nil else { throw error(.rename, "\(newName)", 17) }
        change(.rename(file, newName))
    }

    func remove(_ file: LogFileName) throws(LogStorageError) {
        try begin(.remove, "\(file)")
        _ = try id(file, .remove)
        change(.remove(file))
    }

    func syncDirectory() throws(LogStorageError) {
        try begin(.syncDirectory, "")
        if plantedBug == .directoryNotSynced { return }
        disk.durableNames = disk.names
        disk.pendingChanges = []
    }

    func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int {
        if isDown { throw Self.crash }
        let bytes = disk.files[try id(file, .read)]?.volatile ?? []
        guard Int(offset) < bytes.count else { return 0 }
        let count = min(buffer.count, bytes.count - Int(offset))
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + count])) }
        return count
    }

    func freeBytes() throws(LogStorageError) -> UInt64 {
        disk.capacity - min(disk.capacity, usedBytes)
    }

    private func change(_ change: DiskState.DirectoryChange) {
        change.apply(to: &disk.names)
        disk.pendingChanges.append(change)
    }
}

extension DiskState.File {
    mutating func put(_ bytes: UnsafeRawBufferPointer, at start: Int) {
        guard !bytes.isEmpty else { return }
        let end = start + bytes.count
        if volatile.count < end { volatile += [UInt8](repeating: 0, count: end - volatile.count) }
        volatile.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[start..<end]).copyMemory(from: bytes)
        }
        for sector in start / DiskState.sectorBytes...(end - 1) / DiskState.sectorBytes { dirtySectors.insert(sector) }
    }

    mutating func makeDurable() {
        durable = volatile
        dirtySectors = []
    }
}

/// A generator with a seed, for choices that must repeat.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    // splitmix64, Steele, Lea and Flood 2014
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
