import SpindleLog

/// Any storage behind one type, so that a test can put a failing one under a whole broker.
struct ErasedLogStorage: LogStorage {
    private let base: any LogStorage

    init(_ base: any LogStorage) { self.base = base }

    func list() throws(LogStorageError) -> [LogFile] { try base.list() }
    func create(_ file: LogFileName) throws(LogStorageError) { try base.create(file) }
    func reserve(_ file: LogFileName, byteCount: UInt64) throws(LogStorageError) { try base.reserve(file, byteCount: byteCount) }
    func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
        try base.write(file, at: offset, bytes)
    }
    func sync(_ file: LogFileName) throws(LogStorageError) { try base.sync(file) }
    func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) { try base.rename(file, to: newName) }
    func remove(_ file: LogFileName) throws(LogStorageError) { try base.remove(file) }
    func syncDirectory() throws(LogStorageError) { try base.syncDirectory() }
    func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int {
        try base.read(file, at: offset, into: buffer)
    }
    func freeBytes() throws(LogStorageError) -> UInt64 { try base.freeBytes() }
    func forgetCached(_ file: LogFileName, at offset: UInt64, byteCount: UInt64) { base.forgetCached(file, at: offset, byteCount: byteCount) }
    func beginReclaiming() throws(LogStorageError) -> Bool { try base.beginReclaiming() }
    func endReclaiming() { base.endReclaiming() }
}
