#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Synchronization

/// Takes finished log lines. A line reaches its file descriptor whole: lines of several threads are never mixed.
package final class LineSink: Sendable {
    private let descriptor: Int32
    /// Nil: lines go to the descriptor.
    private let collect: (@Sendable (String) -> Void)?
    private let writing = Mutex(())

    /// - Parameter descriptor: stays open as long as this sink; it isn't closed by it.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        collect = nil
    }

    /// Hands each line, without its end, to `collect`, which may be called from any thread.
    package init(collect: @escaping @Sendable (String) -> Void) {
        descriptor = -1
        self.collect = collect
    }

    package static let standardError = LineSink(descriptor: 2)

    func write(_ line: [UInt8]) {
        if let collect { return collect(String(decoding: line, as: UTF8.self)) }
        var line = line
        line.append(UInt8(ascii: "\n"))
        writing.withLock { _ in
            var offset = 0
            while offset < line.count {
                let written = line.withUnsafeBytes { bytes in
                    #if canImport(Glibc)
                    Glibc.write(descriptor, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
                    #else
                    Musl.write(descriptor, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
                    #endif
                }
                if written > 0 {
                    offset += written
                } else if errno != EINTR {
                    // Nobody can be told that the log cannot be written; the work goes on without it.
                    return
                }
            }
        }
    }
}
