import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Synchronization

/// A running child: in a process group of its own, standard input from `/dev/null`, its output read line by line.
///
/// Two threads serve it. One waits for its end; the other reads its output, and reports the end when everything that the
/// child wrote was handed on. Both end with the child.
final class ChildProcess: Sendable {
    /// Why a child did not start.
    struct SpawnFailure: Error {
        let errno: Int32
    }

    private struct State {
        /// Set by the waiting thread.
        var ended: ExitStatus?
        /// From here on the process id may belong to somebody else.
        var isReaped: Bool { ended != nil }
        /// Set by the reading thread, once the output was handed on.
        var reported: ExitStatus?
        var waiting: [CheckedContinuation<ExitStatus, Never>] = []
    }

    /// After the child's end, at most this many bytes are read of what it left in a pipe: more than a pipe holds.
    private static let drainBytesMax = 4 << 20
    private static let readBytes = 16 << 10

    let pid: Int32
    private let state = Mutex(State())

    private init(pid: Int32) {
        self.pid = pid
    }

    /// - Parameters:
    ///   - supervisorPipe: the reading end of the pipe whose writing end the supervisor keeps, see `SupervisorWatch`.
    ///   - onLine: called for each line of output, always from the same thread.
    static func start(
        _ specification: ProcessSpecification, supervisorPipe: Int32, onLine: @escaping @Sendable (String) -> Void
    ) throws(SpawnFailure) -> ChildProcess {
        let (pid, output, errors, ending) = try Spawn.locked { held throws(SpawnFailure) in
            try spawn(specification, supervisorPipe, held)
        }
        let child = ChildProcess(pid: pid)
        Thread.detachNewThread {
            child.awaitEnd()
            // Wakes the reading thread, which reports the end.
            close(ending.writing)
        }
        Thread.detachNewThread {
            child.read([output, errors], until: ending.reading, onLine)
            child.report()
        }
        return child
    }

    /// The process id, the ends to read its output and errors from, and a pipe to wake the reading thread by.
    private static func spawn(
        _ specification: ProcessSpecification, _ supervisorPipe: Int32, _ held: borrowing Spawn.Held
    ) throws(SpawnFailure) -> (pid: Int32, output: Int32, errors: Int32, ending: PipeEnds) {
        var pipes: [PipeEnds] = []
        for _ in 0..<3 {
            guard let pipe = PipeEnds(held) else {
                for made in pipes { made.closeBoth() }
                throw SpawnFailure(errno: EMFILE)
            }
            pipes.append(pipe)
        }
        let (output, errors) = (pipes[0], pipes[1])
        do throws(SpawnFailure) {
            let pid = try Spawn.run(specification, output: output.writing, errors: errors.writing, supervisorPipe: supervisorPipe, held)
            close(output.writing)
            close(errors.writing)
            return (pid, output.reading, errors.reading, pipes[2])
        } catch {
            for made in pipes { made.closeBoth() }
            throw error
        }
    }

    /// The end of the child, after all of its output.
    func waitForExit() async -> ExitStatus {
        await withCheckedContinuation { continuation in
            let reported = state.withLock { state -> ExitStatus? in
                if state.reported == nil { state.waiting.append(continuation) }
                return state.reported
            }
            if let reported { continuation.resume(returning: reported) }
        }
    }

    /// Sends a signal, unless the child has ended.
    /// - Parameter toGroup: to its own children as well.
    func send(_ signal: Int32, toGroup: Bool = false) {
        state.withLock { state in
            guard !state.isReaped else { return }
            kill(toGroup ? -pid : pid, signal)
        }
    }

    // MARK: The waiting thread

    private func awaitEnd() {
        var information = siginfo_t()
        // Without reaping: until then nobody else can have the process id, or the group's.
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        state.withLock { state in
            // What the child started and left behind in its group goes with it.
            kill(-pid, SIGKILL)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7f
            state.ended = signal == 0 ? .exited(code: (status >> 8) & 0xff) : .signaled(signal)
        }
    }

    // MARK: The reading thread

    private func read(_ streams: [Int32], until ending: Int32, _ onLine: (String) -> Void) {
        for stream in streams { _ = fcntl(stream, F_SETFL, O_NONBLOCK) }
        var splitters = [LineSplitter](repeating: LineSplitter(), count: streams.count)
        var isOpen = [Bool](repeating: true, count: streams.count)
        var hasEnded = false
        while !hasEnded {
            var polled = streams.indices.map { pollfd(fd: isOpen[$0] ? streams[$0] : -1, events: Int16(POLLIN), revents: 0) }
            polled.append(pollfd(fd: ending, events: Int16(POLLIN), revents: 0))
            if poll(&polled, nfds_t(polled.count), -1) < 0 {
                if errno == EINTR { continue }
                break
            }
            hasEnded = polled[streams.count].revents != 0
            for index in streams.indices where isOpen[index] && (hasEnded || polled[index].revents != 0) {
                let limit = hasEnded ? Self.drainBytesMax : Self.readBytes
                isOpen[index] = Self.read(streams[index], upTo: limit, &splitters[index], onLine)
            }
        }
        for index in streams.indices {
            if let rest = splitters[index].finish() { onLine(rest) }
            close(streams[index])
        }
        close(ending)
    }

    /// Reads what is there. False at the end of the stream.
    private static func read(_ stream: Int32, upTo limit: Int, _ splitter: inout LineSplitter, _ onLine: (String) -> Void) -> Bool {
        var total = 0
        var buffer = [UInt8](repeating: 0, count: readBytes)
        while total < limit {
            let count = buffer.withUnsafeMutableBytes { systemRead(stream, $0) }
            if count == 0 { return false }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            total += count
            let lines = buffer.withUnsafeBytes { splitter.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            for line in lines { onLine(line) }
        }
        return true
    }

    private func report() {
        let (waiting, ended) = state.withLock { state -> ([CheckedContinuation<ExitStatus, Never>], ExitStatus) in
            // The waiting thread set it before it woke this one.
            let ended = state.ended ?? .notStarted(errno: ECHILD)
            state.reported = ended
            defer { state.waiting = [] }
            return (state.waiting, ended)
        }
        for continuation in waiting { continuation.resume(returning: ended) }
    }
}

/// `read(2)`, by a name that no method hides.
private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
    #if canImport(Glibc)
    Glibc.read(descriptor, bytes.baseAddress, bytes.count)
    #else
    Musl.read(descriptor, bytes.baseAddress, bytes.count)
    #endif
}
