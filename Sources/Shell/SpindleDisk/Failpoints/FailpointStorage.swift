package import SpindleLog

/// A storage that passes everything on, and acts at one ``Failpoint``. For tests of real processes.
package struct FailpointStorage: LogStorage {
    private let base: any LogStorage
    private let armed: ArmedFailpoint

    package init(_ base: any LogStorage, _ armed: ArmedFailpoint) {
        self.base = base
        self.armed = armed
    }

    package func list() throws(LogStorageError) -> [LogFile] { try base.list() }
    package func create(_ file: LogFileName) throws(LogStorageError) { try base.create(file) }
    package func reserve(_ file: LogFileName, byteCount: UInt64) throws(LogStorageError) { try base.reserve(file, byteCount: byteCount) }

    package func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
        var half: Failpoint?
        switch file {
        case .segment:
            armed.pass(armed.either(inRecovery: .recoveryBeforeWrite, later: .logBeforeWrite))
            half = armed.either(inRecovery: .recoveryInWrite, later: .logInWrite)
        case .checkpointing: half = .checkpointInWrite
        case .prepared, .preparing, .spent, .checkpoint, .quarantined: break
        }
        if armed.isDue(half) {
            try base.write(file, at: offset, UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
            armed.act()
        }
        try base.write(file, at: offset, bytes)
    }

    package func sync(_ file: LogFileName) throws(LogStorageError) {
        var after: Failpoint?
        switch file {
        case .segment:
            armed.pass(armed.either(inRecovery: .recoveryBeforeSync, later: .logBeforeSync))
            after = armed.either(inRecovery: .recoveryAfterSync, later: .logAfterSync)
        case .checkpointing: armed.pass(.checkpointBeforeSync)
        case .preparing, .spent: armed.pass(.preparedBeforeSync)
        case .prepared, .checkpoint, .quarantined: break
        }
        try base.sync(file)
        armed.pass(after)
    }

    package func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) {
        let (before, after) = points(of: file, to: newName)
        armed.pass(before)
        try base.rename(file, to: newName)
        armed.pass(after)
    }

    private func points(of file: LogFileName, to newName: LogFileName) -> (before: Failpoint?, after: Failpoint?) {
        switch (file, newName) {
        case (_, .quarantined): (nil, .recoveryAfterRename)
        case (.prepared, .segment): (.segmentBeforeRename, .segmentAfterRename)
        case (_, .prepared): (.preparedBeforeRename, .preparedAfterRename)
        case (_, .checkpoint): (.checkpointBeforeRename, .checkpointAfterRename)
        case (.segment, .spent): (.reclaimBeforeRename, .reclaimAfterRename)
        default: (nil, nil)
        }
    }

    package func remove(_ file: LogFileName) throws(LogStorageError) {
        switch file {
        case .segment:
            armed.pass(.reclaimBeforeUnlink)
            try base.remove(file)
            armed.pass(.reclaimAfterUnlink)
        case .checkpoint:
            try base.remove(file)
            armed.pass(.checkpointAfterRemove)
        case .prepared, .preparing, .spent, .checkpointing, .quarantined: try base.remove(file)
        }
    }

    package func syncDirectory() throws(LogStorageError) { try base.syncDirectory() }
    package func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int {
        try base.read(file, at: offset, into: buffer)
    }
    package func freeBytes() throws(LogStorageError) -> UInt64 { try base.freeBytes() }
}
