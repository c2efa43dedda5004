package import SpindleLog

/// A disk in memory that can fail and crash. The fault model:
/// - A write is kept in volatile memory until the file is synced; so is a change of its size.
/// - At a crash every un-synced sector of 512 bytes is kept, lost (its former bytes stay) or torn (its beginning is new), each on
///   its own; an un-synced growth of the file is kept or lost, and sectors that were never written read as zero.
/// - Creations, renames and removals that no directory sync followed are undone from the last one backwards: any prefix of
///   them survives, as with a journaling file system.
/// - After a failed sync the pages read well and count as clean: no later sync writes them, only a later write does.
package struct SimulatedDiskState {
    package static let sectorBytes = 512

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

    package var files: [Int: SimulatedFile] = [:]
    package var names: [LogFileName: Int] = [:]
    package var durableNames: [LogFileName: Int] = [:]
    package var pendingChanges: [DirectoryChange] = []
    package var capacity = UInt64.max
    private var lastFile = 0

    package init() {}

    package enum SectorFate: CaseIterable { case kept, lost, torn }

    /// What an un-synced disk may turn into.
    package struct CrashChoice {
        package var directoryChangesKept: Int
        package var sector: (Int) -> SectorFate
        package var sizeKept: (Int) -> Bool
        /// Where torn sectors are torn.
        package var tornAt = SimulatedDiskState.sectorBytes / 2

        package init(directoryChangesKept: Int, sector: @escaping (Int) -> SectorFate, sizeKept: @escaping (Int) -> Bool) {
            self.directoryChangesKept = directoryChangesKept
            self.sector = sector
            self.sizeKept = sizeKept
        }
    }

    package var dirtySectorCount: Int { files.values.reduce(0) { $0 + $1.doubtfulSectorCount } }

    /// The disk after power was lost. Files and sectors are visited in a fixed order, and numbered for `choice`.
    package func crashed(_ choice: CrashChoice) -> SimulatedDiskState {
        var after = self
        after.crash(choice)
        return after
    }

    /// As ``crashed(_:)``, in place.
    package mutating func crash(_ choice: CrashChoice) {
        names = durableNames
        for change in pendingChanges.prefix(choice.directoryChangesKept) { change.apply(to: &names) }
        durableNames = names
        pendingChanges = []
        var sectorIndex = 0
        for (fileIndex, id) in files.keys.sorted().enumerated() {
            guard files[id]?.isDoubtful == true else { continue }
            files[id]?.crash(keepsSize: choice.sizeKept(fileIndex), tornAt: choice.tornAt) {
                defer { sectorIndex += 1 }
                return choice.sector(sectorIndex)
            }
        }
        dropNameless()
    }

    /// Frees the files that no name, present or durable, leads to.
    mutating func dropNameless() {
        guard files.count > names.count, pendingChanges.isEmpty else { return }
        let named = Set(names.values).union(durableNames.values)
        for id in files.keys.sorted() where !named.contains(id) { files[id] = nil }
    }

    mutating func addFile() -> Int {
        lastFile += 1
        files[lastFile] = SimulatedFile()
        return lastFile
    }

    /// The bytes of a file as they read now; setting them makes them durable.
    package subscript(name: LogFileName) -> [UInt8]? {
        get { names[name].flatMap { files[$0]?.bytes } }
        set {
            guard let newValue else {
                names[name] = nil
                durableNames[name] = nil
                return
            }
            let id = names[name] ?? addFile()
            names[name] = id
            durableNames[name] = id
            files[id] = SimulatedFile(durable: newValue)
        }
    }

    /// Changes the bytes of a file where they lie, as a fault of the medium does.
    package mutating func damage(_ name: LogFileName, _ change: (inout [UInt8]) -> Void) {
        guard let id = names[name] else { return }
        files[id]?.damage(change)
    }
}

/// A file of a ``SimulatedDiskState``: its bytes as they read, and beside them what the un-synced sectors were before.
package struct SimulatedFile {
    package private(set) var bytes: [UInt8] = []
    private var durableCount = 0
    /// Un-synced sectors in the order of their first change, and what the disk has in their place, 512 bytes each.
    private var dirty: [Int] = []
    private var before: [UInt8] = []
    private var isDirty: [Bool] = []
    /// Sectors that a failed sync left behind: they read well, count as clean, and may be on no disk.
    private var ghosts: [(sector: Int, before: [UInt8])] = []
    /// A sector that was synced lately, and what it was before: for disks that lose a write.
    package private(set) var lastSynced: (sector: Int, before: [UInt8])?

    init() {}

    init(durable: [UInt8]) {
        bytes = durable
        durableCount = durable.count
    }

    var isDoubtful: Bool { !dirty.isEmpty || !ghosts.isEmpty || durableCount != bytes.count }
    var doubtfulSectorCount: Int { dirty.count + ghosts.count }

    private static let sectorBytes = SimulatedDiskState.sectorBytes

    mutating func put(_ source: UnsafeRawBufferPointer, at start: Int) {
        guard !source.isEmpty else { return }
        let end = start + source.count
        if bytes.count < end {
            bytes.append(contentsOf: repeatElement(0, count: end - bytes.count))
            isDirty.append(contentsOf: repeatElement(false, count: (end + Self.sectorBytes - 1) / Self.sectorBytes - isDirty.count))
        } else if isDirty.count * Self.sectorBytes < bytes.count {
            isDirty.append(contentsOf: repeatElement(false, count: (bytes.count + Self.sectorBytes - 1) / Self.sectorBytes - isDirty.count))
        }
        for sector in start / Self.sectorBytes...(end - 1) / Self.sectorBytes where !isDirty[sector] { remember(sector) }
        bytes.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[start..<end]).copyMemory(from: source) }
    }

    private mutating func remember(_ sector: Int) {
        isDirty[sector] = true
        dirty.append(sector)
        if !ghosts.isEmpty, let index = ghosts.firstIndex(where: { $0.sector == sector }) {
            before += ghosts.remove(at: index).before
            return
        }
        let start = sector * Self.sectorBytes
        let end = min(start + Self.sectorBytes, bytes.count)
        before.append(contentsOf: bytes[start..<end])
        if end < start + Self.sectorBytes { before.append(contentsOf: repeatElement(0, count: start + Self.sectorBytes - end)) }
    }

    mutating func makeDurable() {
        durableCount = bytes.count
        guard let last = dirty.last else { return }
        lastSynced = (last, Array(before.suffix(Self.sectorBytes)))
        for sector in dirty { isDirty[sector] = false }
        dirty.removeAll(keepingCapacity: true)
        before.removeAll(keepingCapacity: true)
    }

    /// A sync failed: what was un-synced is taken for clean, and some of it is not on the disk.
    mutating func failSync() {
        for (index, sector) in dirty.enumerated() {
            ghosts.append((sector, Array(before[index * Self.sectorBytes..<(index + 1) * Self.sectorBytes])))
            isDirty[sector] = false
        }
        dirty.removeAll(keepingCapacity: true)
        before.removeAll(keepingCapacity: true)
    }

    mutating func crash(keepsSize: Bool, tornAt: Int, _ fate: () -> SimulatedDiskState.SectorFate) {
        let size = keepsSize ? bytes.count : durableCount
        var doubtful = ghosts
        for (index, sector) in dirty.enumerated() {
            doubtful.append((sector, Array(before[index * Self.sectorBytes..<(index + 1) * Self.sectorBytes])))
        }
        doubtful.sort { $0.sector < $1.sector }
        for (sector, old) in doubtful {
            let start = sector * Self.sectorBytes
            let lostFrom =
                switch fate() {
                case .kept: Self.sectorBytes
                case .lost: 0
                case .torn: tornAt
                }
            let end = min(start + Self.sectorBytes, bytes.count)
            if start + lostFrom < end { bytes.replaceSubrange(start + lostFrom..<end, with: old[lostFrom..<end - start]) }
        }
        if size < bytes.count { bytes.removeLast(bytes.count - size) }
        self = SimulatedFile(durable: bytes)
    }

    mutating func damage(_ change: (inout [UInt8]) -> Void) { change(&bytes) }
}
