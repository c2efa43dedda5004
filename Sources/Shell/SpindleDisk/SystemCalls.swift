internal import Glibc
internal import SpindleLog

/// The system calls that the log needs, with their failures as errors. An interrupted call is repeated, a short transfer
/// continued; any other failure is thrown and never repeated.
enum SystemCalls {
    static func failure(
        _ operation: LogStorageError.Operation, _ path: @autoclosure () -> String, code: Int32 = errno
    ) -> LogStorageError {
        LogStorageError(operation: operation, path: path(), errno: code, reason: String(cString: strerror(code)))
    }

    /// Runs a call that returns -1 on failure, again if a signal interrupted it. The path is made up for an error only.
    static func retrying<Value: FixedWidthInteger>(
        _ operation: LogStorageError.Operation, _ path: @autoclosure () -> String, _ call: () -> Value
    ) throws(LogStorageError) -> Value {
        while true {
            let result = call()
            if result != -1 { return result }
            let code = errno
            if code != EINTR { throw failure(operation, path(), code: code) }
        }
    }

    static func writeAll(
        _ descriptor: Int32, _ path: @autoclosure () -> String, at offset: UInt64, _ bytes: UnsafeRawBufferPointer
    ) throws(LogStorageError) {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            let position = try fileOffset(offset + UInt64(written), .write, path())
            let count = try retrying(.write, path()) { pwrite(descriptor, rest.baseAddress, rest.count, position) }
            guard count > 0 else {
                throw LogStorageError(
                    operation: .write, path: path(), errno: 0, reason: "the system wrote none of \(rest.count) bytes")
            }
            written += count
        }
    }

    static func readAll(
        _ descriptor: Int32, _ path: @autoclosure () -> String, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(LogStorageError) -> Int {
        var read = 0
        while read < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[read...])
            let position = try fileOffset(offset + UInt64(read), .read, path())
            let count = try retrying(.read, path()) { pread(descriptor, rest.baseAddress, rest.count, position) }
            if count == 0 { break }
            read += count
        }
        return read
    }

    private static func fileOffset(
        _ offset: UInt64, _ operation: LogStorageError.Operation, _ path: @autoclosure () -> String
    ) throws(LogStorageError) -> off_t {
        guard let position = off_t(exactly: offset) else {
            throw LogStorageError(operation: operation, path: path(), errno: 0, reason: "offset \(offset) is beyond any file")
        }
        return position
    }
}

/// An open file or directory, closed when its last user is gone.
final class OpenFile: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        // A failure of close says nothing about data: what had to be durable was synced.
        _ = close(descriptor)
    }
}
