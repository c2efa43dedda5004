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

    /// Reads the file whole, and checks it against its header and its position: that of its name, or `lsn` for one that has no name yet.
    static func load<Storage: LogStorage>(
        _ file: LogFile, at lsn: LSN? = nil, from storage: Storage
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
        guard file.name == .checkpoint(header.lsn) || header.lsn == lsn else {
            return .failure(.header("the checkpoint says that it is of LSN \(header.lsn)"))
        }
        guard Checksum.extend(0, UnsafeRawBufferPointer(rebasing: bytes[CheckpointHeader.bytes...])) == header.payloadCRC else {
            return .failure(.payloadChecksum)
        }
        kept = true
        return .success(LoadedCheckpoint(header: header, memory: memory))
    }
}
