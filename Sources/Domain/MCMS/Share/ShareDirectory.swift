internal import Dispatch
internal import Glibc
internal import Synchronization

/// The share as a folder of this machine (mounted, or the real one).
///
/// A path is walked part by part with `openat` and `O_NOFOLLOW`, so no symbolic link below the root is ever followed, whatever is
/// exchanged while it is walked. (`openat2` with `RESOLVE_BENEATH` would allow links that stay inside; the share has no need of any.)
/// The root itself may be a link: it is the operator's choice.
package struct ShareDirectory: OutputShare {
    /// Read so much at once: what is in memory for one file, however large it is.
    static let bufferBytes = 1 << 20

    package let root: String
    private let queue = DispatchQueue(label: "mcms.share", attributes: .concurrent)

    /// - Parameter root: the folder that the add-in sees as `W:\`.
    package init(root: String) {
        self.root = root
    }

    package func validate(_ output: ReportedOutput) async throws(OutputShareError) -> OutputFile {
        let path: LogicalPath
        do throws(LogicalPathError) {
            path = try LogicalPath(output.path)
        } catch {
            throw .refused(path: output.path, reason: error.description)
        }
        let cancelled = CancelFlag()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<OutputFile, OutputShareError>, Never>) in
                // Reading a large file blocks its thread for long: not one of Swift's few.
                queue.async {
                    continuation.resume(returning: Result { () throws(OutputShareError) in try read(path, output, cancelled) })
                }
            }
        } onCancel: {
            cancelled.set()
        }
        return try result.get()
    }

    private func read(_ path: LogicalPath, _ output: ReportedOutput, _ cancelled: CancelFlag) throws(OutputShareError) -> OutputFile {
        let file = try open(path)
        let before = try file.status()
        guard before.st_mode & S_IFMT == S_IFREG else { throw .refused(path: path.description, reason: "it is not a plain file") }
        if let size = output.size, size != Int64(before.st_size) {
            throw .mismatch(path: path.description, reason: "it has \(before.st_size) bytes, reported were \(size)")
        }
        let (size, digest) = try digest(of: file, path, cancelled)
        let after = try file.status()
        guard size == Int64(before.st_size), after.st_size == before.st_size, after.st_mtim.tv_sec == before.st_mtim.tv_sec,
            after.st_mtim.tv_nsec == before.st_mtim.tv_nsec
        else {
            throw .mismatch(path: path.description, reason: "it was changed while it was read")
        }
        if let expected = output.sha256, expected != digest {
            throw .mismatch(path: path.description, reason: "its SHA-256 is \(digest), reported was \(expected)")
        }
        return OutputFile(path: path.description, size: size, sha256: digest)
    }

    private func open(_ path: LogicalPath) throws(OutputShareError) -> FileDescriptor {
        var folder = FileDescriptor(Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard folder.isOpen else { throw .unavailable(reason: "\(root): \(systemMessage(errno))") }
        for (index, part) in path.parts.enumerated() {
            let isLast = index == path.parts.count - 1
            // O_NONBLOCK: opening a pipe must not wait for its other end.
            let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (isLast ? O_NONBLOCK : O_DIRECTORY)
            let next = FileDescriptor(openat(folder.number, part, flags))
            guard next.isOpen else { throw failure(errno, folder, part, path) }
            folder = next
        }
        return folder
    }

    private func failure(_ code: Int32, _ folder: FileDescriptor, _ part: String, _ path: LogicalPath) -> OutputShareError {
        switch code {
        case ENOENT: return .missing(path: path.description)
        case ELOOP, ENOTDIR:
            var status = stat()
            guard fstatat(folder.number, part, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return .missing(path: path.description) }
            if status.st_mode & S_IFMT == S_IFLNK {
                return .refused(path: path.description, reason: "“\(part)” is a symbolic link")
            }
            return .missing(path: path.description)
        case ENXIO: return .refused(path: path.description, reason: "it is not a plain file")
        default: return .unavailable(reason: "\(path): \(systemMessage(code))")
        }
    }

    private func digest(
        of file: FileDescriptor, _ path: LogicalPath, _ cancelled: CancelFlag
    ) throws(OutputShareError) -> (size: Int64, sha256: String) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferBytes, alignment: 64)
        defer { buffer.deallocate() }
        do throws(SHA256Stream.Failure) {
            var stream = try SHA256Stream()
            var size: Int64 = 0
            while true {
                let count = Glibc.read(file.number, buffer.baseAddress, buffer.count)
                if count < 0 && errno == EINTR { continue }
                if count == 0 { return (size, Hexadecimal.text(try stream.finish())) }
                guard count > 0, !cancelled.isSet else { break }
                try stream.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
                size += Int64(count)
            }
        } catch {
            throw .unavailable(reason: "libcrypto cannot compute SHA-256")
        }
        throw .unavailable(reason: cancelled.isSet ? "the check was cancelled" : "\(path): \(systemMessage(errno))")
    }
}

private func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }

/// An open file or folder, closed when it is no longer used.
private final class FileDescriptor {
    let number: Int32

    init(_ number: Int32) { self.number = number }
    deinit { if number >= 0 { close(number) } }

    var isOpen: Bool { number >= 0 }

    func status() throws(OutputShareError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .unavailable(reason: systemMessage(errno)) }
        return status
    }
}

private final class CancelFlag: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}
