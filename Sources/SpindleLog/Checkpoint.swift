/// A checkpoint's file: the state of everything below an LSN, little-endian:
///
/// ```
///   0        8        12       16                32       40       48       56       60       64
///   +--------+--------+--------+--------+--------+--------+--------+--------+--------+--------+- - - - - -+
///   | magic  |version | header |      log id     |  LSN   | zero   |payload | payload| header |  payload  |
///   |SPINDCKP| u32    | bytes  |     16 bytes    |  u64   | u64    |bytes   | CRC32C | CRC32C |           |
///   +--------+--------+--------+-----------------+--------+--------+--------+--------+--------+- - - - - -+
/// ```
/// The header CRC covers bytes 0–59. The file ends where the payload ends.
package struct CheckpointHeader: Hashable, Sendable {
    package var log: LogID
    package var lsn: LSN
    package var payloadCount: UInt64
    package var payloadCRC: UInt32

    package static let bytes = 64
    package static let version: UInt32 = 1
    static let magic: UInt64 = 0x504B_4344_4E49_5053  // "SPINDCKP" as little-endian bytes
    /// The largest checkpoint that is read or written.
    package static let payloadBytesMax: UInt64 = 8 << 30

    private static let crcOffset = 60

    package enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case header(String)
        case size(expected: UInt64, actual: UInt64)
        case payloadChecksum

        package var description: String {
            switch self {
            case .header(let reason): reason
            case .size(let expected, let actual): "the checkpoint's file has \(actual) bytes, its header says \(expected)"
            case .payloadChecksum: "the checkpoint's checksum does not match its content"
            }
        }
    }

    func encode(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.bytes)
        let header = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Self.bytes])
        header.initializeMemory(as: UInt8.self, repeating: 0)
        header.storeLittleEndian(Self.magic, at: 0)
        header.storeLittleEndian(Self.version, at: 8)
        header.storeLittleEndian(UInt32(Self.bytes), at: 12)
        header.storeLittleEndian(log.high, at: 16)
        header.storeLittleEndian(log.low, at: 24)
        header.storeLittleEndian(lsn.rawValue, at: 32)
        header.storeLittleEndian(payloadCount, at: 48)
        header.storeLittleEndian(payloadCRC, at: 56)
        header.storeLittleEndian(
            Checksum.extend(0, UnsafeRawBufferPointer(rebasing: header[..<Self.crcOffset])), at: Self.crcOffset)
    }

    static func decode(_ buffer: UnsafeRawBufferPointer) -> Result<CheckpointHeader, Fault> {
        guard buffer.count >= bytes else { return .failure(.header("the file is shorter than a checkpoint header")) }
        let header = UnsafeRawBufferPointer(rebasing: buffer[..<bytes])
        guard header.loadLittleEndian(UInt64.self, at: 0) == magic else {
            return .failure(.header("the checkpoint header does not start with SPINDCKP"))
        }
        guard Checksum.extend(0, UnsafeRawBufferPointer(rebasing: header[..<crcOffset]))
            == header.loadLittleEndian(UInt32.self, at: crcOffset)
        else { return .failure(.header("the checkpoint header's checksum does not match")) }
        let version = header.loadLittleEndian(UInt32.self, at: 8)
        guard version == Self.version, header.loadLittleEndian(UInt32.self, at: 12) == UInt32(bytes) else {
            return .failure(.header("the checkpoint has format version \(version), this program reads version \(Self.version)"))
        }
        return .success(
            CheckpointHeader(
                log: LogID(high: header.loadLittleEndian(UInt64.self, at: 16), low: header.loadLittleEndian(UInt64.self, at: 24)),
                lsn: LSN(rawValue: header.loadLittleEndian(UInt64.self, at: 32)),
                payloadCount: header.loadLittleEndian(UInt64.self, at: 48),
                payloadCRC: header.loadLittleEndian(UInt32.self, at: 56)))
    }
}

extension CheckpointHeader {
    /// Checks the file against its header and its name, a piece at a time. Nil if it is whole.
    static func check<Storage: LogStorage>(
        _ file: LogFile, in storage: Storage, bytesPerRead: Int
    ) throws(LogStorageError) -> Fault? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytesPerRead, bytes), alignment: 8)
        defer { buffer.deallocate() }
        let head = try storage.read(file.name, at: 0, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<bytes]))
        let header: CheckpointHeader
        switch decode(UnsafeRawBufferPointer(rebasing: buffer[..<head])) {
        case .success(let decoded): header = decoded
        case .failure(let fault): return fault
        }
        guard case .checkpoint(header.lsn) = file.name else { return .header("the checkpoint says that it is of LSN \(header.lsn)") }
        let (expected, overflow) = header.payloadCount.addingReportingOverflow(UInt64(bytes))
        guard !overflow, expected == file.size else { return .size(expected: overflow ? .max : expected, actual: file.size) }
        var offset = UInt64(bytes)
        var checksum: UInt32 = 0
        while true {
            let count = try storage.read(file.name, at: offset, into: buffer)
            if count == 0 { break }
            checksum = Checksum.extend(checksum, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
        guard offset == expected else { return .size(expected: expected, actual: offset) }
        return checksum == header.payloadCRC ? nil : .payloadChecksum
    }
}

/// A checkpoint's bytes in memory, checked.
final class LoadedCheckpoint {
    let header: CheckpointHeader
    private let memory: UnsafeMutableRawBufferPointer

    private init(header: CheckpointHeader, memory: UnsafeMutableRawBufferPointer) {
        self.header = header
        self.memory = memory
    }

    deinit {
        memory.deallocate()
    }

    var payload: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[CheckpointHeader.bytes...]) }

    /// Reads the file whole, and checks it against its header and its name.
    static func load<Storage: LogStorage>(
        _ file: LogFile, from storage: Storage
    ) throws(LogStorageError) -> Result<LoadedCheckpoint, CheckpointHeader.Fault> {
        let sizeMax = CheckpointHeader.payloadBytesMax + UInt64(CheckpointHeader.bytes)
        guard file.size <= sizeMax else { return .failure(.size(expected: sizeMax, actual: file.size)) }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(Int(file.size), CheckpointHeader.bytes), alignment: 8)
        var kept = false
        defer { if !kept { memory.deallocate() } }
        let count = try storage.read(file.name, at: 0, into: memory)
        let bytes = UnsafeRawBufferPointer(rebasing: memory[..<count])
        let header: CheckpointHeader
        switch CheckpointHeader.decode(bytes) {
        case .success(let decoded): header = decoded
        case .failure(let fault): return .failure(fault)
        }
        let (expected, overflow) = header.payloadCount.addingReportingOverflow(UInt64(CheckpointHeader.bytes))
        guard !overflow, expected == UInt64(count), expected == file.size else {
            return .failure(.size(expected: overflow ? .max : expected, actual: file.size))
        }
        guard case .checkpoint(header.lsn) = file.name else {
            return .failure(.header("the checkpoint says that it is of LSN \(header.lsn)"))
        }
        guard Checksum.extend(0, UnsafeRawBufferPointer(rebasing: bytes[CheckpointHeader.bytes...])) == header.payloadCRC else {
            return .failure(.payloadChecksum)
        }
        kept = true
        return .success(LoadedCheckpoint(header: header, memory: memory))
    }
}

package enum LogCheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    case storage(LogStorageError)
    /// What was read back is not what was written. The checkpoints before are untouched.
    case notReadBack(file: String, CheckpointHeader.Fault)
    case tooLarge(payloadBytes: UInt64, payloadBytesMax: UInt64)

    package var description: String {
        switch self {
        case .storage(let error): "the checkpoint could not be written: \(error)"
        case .notReadBack(let file, let fault): "checkpoint \(file) did not read back as written: \(fault)"
        case .tooLarge(let bytes, let max): "a checkpoint of \(bytes) bytes is over the limit of \(max) bytes"
        }
    }
}

/// Writes checkpoints. Safe on a background thread while a writer appends; one call at a time.
package struct LogCheckpointer<Storage: LogStorage>: Sendable {
    package let storage: Storage
    package let log: LogID

    /// Checkpoints that are kept, the newest ones.
    package static var kept: Int { 2 }
    private static var bytesPerRead: Int { 1 << 20 }

    package init(storage: Storage, log: LogID) {
        self.storage = storage
        self.log = log
    }

    /// As ``write(at:durable:_:)``, with a payload that lies in memory.
    @discardableResult
    package func write(_ payload: RawSpan, at lsn: LSN, durable: LSN) throws(LogCheckpointError) -> UInt64 {
        try write(at: lsn, durable: durable) { $0(payload) }
    }

    /// Makes a payload the durable state of everything below `lsn`, then removes all checkpoints but the newest two. Returns the bytes
    /// of its file.
    ///
    /// The payload must reflect no entry at or after `lsn`, and `lsn` must be durable: a checkpoint ahead of the log would
    /// have recovery report lost entries. A failure leaves the checkpoints before as they were; it may be tried again.
    ///
    /// - Parameter payload: called once with what it hands the payload's pieces to, in order; or not at all, where there is a
    ///   checkpoint of `lsn`. Behind a piece that could not be written all others are ignored.
    @discardableResult
    package func write(
        at lsn: LSN, durable: LSN, _ payload: (_ append: (RawSpan) -> Void) -> Void
    ) throws(LogCheckpointError) -> UInt64 {
        precondition(lsn <= durable, "a checkpoint must not be ahead of the durable log")
        var file = LogFile(name: .checkpoint(lsn), size: 0)
        do throws(LogStorageError) {
            let files = try storage.list()
            if let existing = files.first(where: { $0.name == file.name }) {
                file = existing  // nothing was logged since; the state is the same
            } else {
                if files.contains(where: { $0.name == .checkpointing }) { try storage.remove(.checkpointing) }
                let payloadCount = try writeTemporary(lsn, payload)
                file.size = UInt64(CheckpointHeader.bytes) + payloadCount
                if payloadCount <= CheckpointHeader.payloadBytesMax {
                    try storage.rename(.checkpointing, to: file.name)
                    try storage.syncDirectory()
                } else {
                    try storage.remove(.checkpointing)
                }
            }
        } catch {
            throw .storage(error)
        }
        let payloadCount = file.size - UInt64(CheckpointHeader.bytes)
        guard payloadCount <= CheckpointHeader.payloadBytesMax else {
            throw .tooLarge(payloadBytes: payloadCount, payloadBytesMax: CheckpointHeader.payloadBytesMax)
        }
        try verify(file)
        do { try removeOlder() } catch { throw .storage(error) }
        return file.size
    }

    /// The payload as it comes, and at last the header, which counts and sums it. Returns the payload's bytes.
    private func writeTemporary(
        _ lsn: LSN, _ payload: (_ append: (RawSpan) -> Void) -> Void
    ) throws(LogStorageError) -> UInt64 {
        try storage.create(.checkpointing)
        var content = CheckpointHeader(log: log, lsn: lsn, payloadCount: 0, payloadCRC: 0)
        var result = Result<Void, LogStorageError>.success(())
        payload { piece in
            guard case .success = result, content.payloadCount <= CheckpointHeader.payloadBytesMax else { return }
            result = piece.withUnsafeBytes { bytes in
                content.payloadCRC = Checksum.extend(content.payloadCRC, bytes)
                return Result { () throws(LogStorageError) in
                    try storage.write(.checkpointing, at: UInt64(CheckpointHeader.bytes) + content.payloadCount, bytes)
                }
            }
            content.payloadCount += UInt64(piece.byteCount)
        }
        try result.get()
        let header = UnsafeMutableRawBufferPointer.allocate(byteCount: CheckpointHeader.bytes, alignment: 8)
        defer { header.deallocate() }
        content.encode(into: header)
        try storage.write(.checkpointing, at: 0, UnsafeRawBufferPointer(header))
        try storage.sync(.checkpointing)
        return content.payloadCount
    }

    /// Reads the file again, in pieces.
    private func verify(_ file: LogFile) throws(LogCheckpointError) {
        let fault: CheckpointHeader.Fault?
        do { fault = try CheckpointHeader.check(file, in: storage, bytesPerRead: Self.bytesPerRead) } catch { throw .storage(error) }
        if let fault { throw .notReadBack(file: "\(file.name)", fault) }
    }

    private func removeOlder() throws(LogStorageError) {
        let directory = LogDirectory(try storage.list())
        for file in directory.checkpoints.dropLast(Self.kept) { try storage.remove(file.name) }
        if directory.checkpoints.count > Self.kept { try storage.syncDirectory() }
    }
}
