#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Foundation
import Synchronization

/// A log file that starts over when it is full.
package final class OutputFile: Sendable {
    /// How often the name is compared with the open file: after logrotate has renamed it, lines go into a new one.
    private let checkInterval: Duration

    private struct Open {
        var descriptor: Int32 = -1
        var size = 0
        /// The file that the descriptor writes to; nil where that can't be told.
        var number: UInt64?
        var checkedAt = ContinuousClock.now
    }

    private let path: String
    /// A full file is renamed to `….1`, whose predecessor is lost: a log takes at most twice this many bytes.
    private let bytesMax: Int
    private let open: Mutex<Open>

    package init(path: String, bytesMax: Int = 64 << 20, checkInterval: Duration = .seconds(1)) {
        self.path = path
        self.checkInterval = checkInterval
        self.bytesMax = bytesMax
        open = Mutex(Self.reopen(path))
    }

    deinit {
        open.withLock { if $0.descriptor >= 0 { close($0.descriptor) } }
    }

    /// Nobody can be told that a log cannot be written; the process's work goes on without it.
    package func write(line: String) {
        var bytes = Array(line.utf8)
        bytes.append(UInt8(ascii: "\n"))
        open.withLock { file in
            if file.checkedAt + checkInterval <= .now {
                if file.descriptor < 0 || Self.number(of: path) != file.number {
                    if file.descriptor >= 0 { close(file.descriptor) }
                    file = Self.reopen(path)
                }
                file.checkedAt = .now
            }
            if file.size > 0, file.size + bytes.count > bytesMax {
                close(file.descriptor)
                rename(path, "\(path).1")
                file = Self.reopen(path)
            }
            var rest = bytes[...]
            while file.descriptor >= 0, !rest.isEmpty {
                let written = rest.withUnsafeBytes { systemWrite(file.descriptor, $0) }
                if written > 0 {
                    rest = rest.dropFirst(written)
                    file.size += written
                } else if errno != EINTR {
                    return
                }
            }
        }
    }

    /// The inode that `path` names now.
    private static func number(of path: String) -> UInt64? {
        (try? FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? NSNumber)?.uint64Value
    }

    private static func reopen(_ path: String) -> Open {
        let descriptor = systemOpen(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        return Open(descriptor: descriptor, size: max(0, Int(lseek(descriptor, 0, SEEK_END))), number: number(of: path))
    }
}

private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
    open(path, flags, mode)
}

/// `write(2)`, by a name that no method hides.
func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    #if canImport(Glibc)
    Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    #else
    Musl.write(descriptor, bytes.baseAddress, bytes.count)
    #endif
}
