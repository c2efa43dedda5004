internal import Digests
internal import Dispatch
internal import Glibc
internal import Synchronization

/// The share as a folder of this machine (mounted, or the real one).
///
/// A path is walked part by part with `openat` and `O_NOFOLLOW`, so no symbolic link below the root is ever followed, whatever is
/// exchanged while it is walked. (`openat2` with `RESOLVE_BENEATH` would allow links that stay inside; the share has no need of any.)
/// The root itself may be a link: it is the operator's choice.
///
/// Names are compared as Windows does: a name that isn't found as it is written is looked for by its letters, whatever their case and
/// Unicode form. A file that isn't found on a share that isn't mounted is not missing: the share is unavailable, see ``ShareIdentity``.
package struct ShareDirectory: OutputShare {
    /// Read so much at once: what is in memory for one file, however large it is.
    static let bufferBytes = 1 << 20

    /// Names in a folder that are looked through for one that Windows takes for the same.
    private static let namesMax = 100_000

    package let root: String
    private let windowsRoots: [String]
    private let identity: ShareIdentity?
    private let queue = DispatchQueue(label: "mcms.share", attributes: .concurrent)

    /// - Parameters:
    ///   - root: the folder that the add-in sees as `W:\`.
    ///   - windowsRoots: what Windows calls it, see ``LogicalPath``.
    ///   - identity: how it is known that the share is mounted; nil: it is not asked.
    package init(root: String, windowsRoots: [String] = [LogicalPath.rootDefault], identity: ShareIdentity? = nil) {
        self.root = root
        self.windowsRoots = windowsRoots
        self.identity = identity
    }

    package func validate(_ output: ReportedOutput) async throws(OutputShareError) -> OutputFile {
        let path: LogicalPath
        do throws(LogicalPathError) {
            path = try LogicalPath(output.path, roots: windowsRoots)
        } catch {
            throw .refused(path: output.path, reason: error.description)
        }
        let cancelled = CancelFlag()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<OutputFile, OutputShareError>, Never>) in
                // Reading a large file blocks its thread for long: not one of Swift's few.
                queue.async {
                    continuation.resume(returning: Result { () throws(OutputShareError) in try readIfMounted(path, output, cancelled) })
                }
            }
        } onCancel: {
            cancelled.set()
        }
        return try result.get()
    }

    private func readIfMounted(
        _ path: LogicalPath, _ output: ReportedOutput, _ cancelled: CancelFlag
    ) throws(OutputShareError) -> OutputFile {
        // The first look learns which share this is.
        if let problem = identity?.problem() { throw .unavailable(reason: problem) }
        do throws(OutputShareError) {
            return try read(path, output, cancelled)
        } catch {
            // It may have gone meanwhile.
            if case .missing = error, let problem = identity?.problem() { throw .unavailable(reason: problem) }
            throw error
        }
    }

    private func read(_ path: LogicalPath, _ output: ReportedOutput, _ cancelled: CancelFlag) throws(OutputShareError) -> OutputFile {
        let (file, found) = try open(path)
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
        return OutputFile(path: found, size: size, sha256: digest)
    }

    /// Returns the file, and its path in the share's own spelling.
    private func open(_ path: LogicalPath) throws(OutputShareError) -> (FileDescriptor, path: String) {
        var found: [String] = []
        var folder = FileDescriptor(Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard folder.isOpen else { throw .unavailable(reason: "\(root): \(systemMessage(errno))") }
        for (index, part) in path.parts.enumerated() {
            let isLast = index == path.parts.count - 1
            // O_NONBLOCK: opening a pipe must not wait for its other end.
            let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (isLast ? O_NONBLOCK : O_DIRECTORY)
            var next = FileDescriptor(openat(folder.number, part, flags))
            var name = part
            if !next.isOpen, errno == ENOENT {
                guard let spelling = try spelling(of: part, in: folder, path) else { throw .missing(path: path.description) }
                name = spelling
                next = FileDescriptor(openat(folder.number, spelling, flags))
            }
            guard next.isOpen else { throw failure(errno, folder, name, path) }
            folder = next
            found.append(name)
        }
        return (folder, found.joined(separator: "/").composed)
    }

    /// The name in a folder that is the same to Windows; nil where none is.
    private func spelling(of part: String, in folder: FileDescriptor, _ path: LogicalPath) throws(OutputShareError) -> String? {
        let copy = openat(folder.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw .unavailable(reason: "\(path): \(systemMessage(errno))") }
        defer { closedir(stream) }
        let wanted = LogicalPath.folded(part)
        var found: [String] = []
        var count = 0
        while let entry = readdir(stream) {
            count += 1
            guard count <= Self.namesMax else { throw .unavailable(reason: "\(path): its folder has more than \(Self.namesMax) names") }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) { String(cString: $0) }
            }
            if LogicalPath.folded(name) == wanted { found.append(name) }
        }
        guard found.count <= 1 else {
            throw .refused(path: path.description, reason: "“\(found[0])” and “\(found[1])” are the same name to Windows")
        }
        return found.first
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
        do throws(DigestStream.Failure) {
            var stream = try DigestStream(.sha256)
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
