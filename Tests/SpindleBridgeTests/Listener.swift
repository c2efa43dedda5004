import Foundation
import Synchronization
import Testing

/// A foreign client in its own process, whose output is read as it comes.
///
/// Not Foundation's `Process`: what it opens to see a process end is inherited by every other process that is started in the same moment,
/// so that an end is sometimes not seen before the other's.
final class Listener: Sendable {
    private struct State {
        var output = ""
        var status: Int32?
    }

    private let process: pid_t
    private let state = Mutex(State())

    init(_ program: String, _ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue) // a pipe that nobody else inherits
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw POSIXError(.EMFILE) }
        let (reading, writing) = (ends[0], ends[1])
        defer { close(writing) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor: Int32 in [1, 2] { posix_spawn_file_actions_adddup2(&actions, writing, descriptor) }
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let failure = posix_spawnp(&process, program, &actions, nil, &words, environ)
        self.process = process
        guard failure == 0 else {
            close(reading)
            throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO)
        }
        Thread.detachNewThread { [self] in
            follow(reading)
        }
    }

    private func follow(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            state.withLock { $0.output += String(decoding: buffer[..<count], as: UTF8.self) }
        }
        close(descriptor)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        state.withLock { $0.status = status }
    }

    var text: String { state.withLock { $0.output } }

    /// Waits until the output has `text`.
    func see(_ text: String, seconds: Int = 20, sourceLocation: SourceLocation = #_sourceLocation) async {
        let isSeen = await poll(seconds: seconds) { self.text.contains(text) }
        if !isSeen { Issue.record("not seen: “\(text)” in “\(self.text.suffix(2_000))”", sourceLocation: sourceLocation) }
    }

    /// Waits for the program's own end. - Returns: its status as `waitpid` gives it; 0: it was content. nil: it did not end.
    func end(seconds: Int = 20) async -> Int32? {
        _ = await poll(seconds: seconds) { self.state.withLock { $0.status != nil } }
        return state.withLock { $0.status }
    }

    /// Not by SIGTERM: a server in this process ignores that signal, and its children inherit it.
    func stop() {
        state.withLock { state in
            if state.status == nil { _ = kill(process, SIGKILL) }
        }
    }
}
