internal import CBeneath
internal import Glibc

/// Copies bytes from one file to another.
///
/// Where the file system can (XFS, Btrfs), both files share the blocks afterwards, and nothing is written a second time. Otherwise the kernel
/// copies. Between two file systems, such as the store's disk and a mounted share, it does not: then the bytes are read and written here.
struct FileCopy {
    let source: OpenFile
    let sourcePath: String
    let target: OpenFile
    let targetPath: String

    /// So much is copied before the disk is told to begin writing it: the sync at the end finds little left to do.
    private static let stepBytes: Int64 = 64 << 20

    func run(from sourceOffset: Int64, to targetOffset: Int64, bytes: Int64) throws(StoreFolderError) {
        var done: Int64 = 0
        var kernelCopies = true
        while done < bytes {
            let step = min(Self.stepBytes, bytes - done)
            let (from, to) = (sourceOffset + done, targetOffset + done)
            if kernelCopies { kernelCopies = try copyInKernel(from: from, to: to, bytes: step) }
            if !kernelCopies { try readAndWrite(from: from, to: to, bytes: step) }
            // Only earlier than it would happen anyway; a file system that can't do it says so, and the sync does it all.
            _ = spindle_start_writing(target.descriptor, to, step)
            done += step
        }
    }

    /// False: the kernel does not copy between these two files. What it has copied until then is copied again.
    private func copyInKernel(from sourceOffset: Int64, to targetOffset: Int64, bytes: Int64) throws(StoreFolderError) -> Bool {
        var (from, to) = (sourceOffset, targetOffset)
        while from < sourceOffset + bytes {
            let count = spindle_copy_range(source.descriptor, &from, target.descriptor, &to, Int(sourceOffset + bytes - from))
            if count < 0 {
                switch errno {
                case EINTR: continue
                case EXDEV, EINVAL, ENOSYS, EOPNOTSUPP: return false
                case let code: throw SystemCall.failure("copy to", targetPath, code)
                }
            }
            guard count > 0 else { throw endsEarly }
        }
        return true
    }

    private func readAndWrite(from sourceOffset: Int64, to targetOffset: Int64, bytes: Int64) throws(StoreFolderError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(min(bytes, Int64(DiskFolder.bufferBytes))), alignment: 4_096)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while done < bytes {
            let wanted = Int(min(Int64(buffer.count), bytes - done))
            let count = try SystemCall.retryingBytes("read", sourcePath) {
                pread(source.descriptor, buffer.baseAddress, wanted, off_t(sourceOffset + done))
            }
            guard count > 0 else { throw endsEarly }
            try SystemCall.writeAll(target.descriptor, targetPath, at: targetOffset + done, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += Int64(count)
        }
    }

    private var endsEarly: StoreFolderError { StoreFolderError(operation: "copy", path: sourcePath, reason: "it ends early") }
}
