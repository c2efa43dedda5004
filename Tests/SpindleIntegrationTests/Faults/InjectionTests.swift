import Foundation
import Testing

/// System calls that fail, at the n-th time, injected by strace into a real broker.
@Suite(.serialized) struct InjectionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let call: String
        let error: String
        /// Ends of the names of files that the failing calls are for; empty: all of the log.
        let files: [String]
        /// What must follow: the end with 74, or that the broker goes on.
        let ends: Bool
        var testDescription: String { "\(call) \(error) \(files)" }
    }

    /// Batches are written to segments and synced there: a failure ends the broker. Everything else can be tried again.
    static let cases: [Case] = ["EIO", "ENOSPC", "EROFS"].flatMap { error in
        [
            Case(call: "fdatasync", error: error, files: [".segment"], ends: true),
            Case(call: "pwrite64", error: error, files: [".segment"], ends: true),
            Case(call: "renameat", error: error, files: ["/log"], ends: true),
            Case(call: "fsync", error: error, files: ["/log"], ends: true),
            Case(call: "pwrite64", error: error, files: ["checkpointing.temp", "preparing.temp"], ends: false),
            Case(call: "fdatasync", error: error, files: ["checkpointing.temp", "preparing.temp"], ends: false),
        ]
    } + ["fdatasync", "pwrite64", "fsync", "renameat"].map { Case(call: $0, error: "EINTR", files: [], ends: false) }

    private static func strace(_ item: Case, _ log: String, when: String) -> [String] {
        var command = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=\(item.call)", "-e", "inject=\(item.call):error=\(item.error):when=\(when)"]
        for file in item.files {
            // The names of the next thousands of segments are known; a file is meant under whichever of its names.
            if file.hasPrefix(".") {
                for number in 1...400 { command += ["-P", "\(log)/\(String(repeating: "0", count: 20 - "\(number)".count))\(number)\(file)"] }
            } else {
                command += ["-P", file.hasPrefix("/") ? log : "\(log)/\(file)"]
            }
        }
        return command
    }

    @Test(.enabled(if: Machine.canInjectFaults, "strace is missing, or may not trace here"))
    func nobodyIsAnsweredBehindAFailure() async throws {
        let rounds = Machine.count("SPINDLE_INJECTION_ROUNDS", 1)
        let broker = try LoneBroker()
        try await broker.start()
        let log = broker.data + "/broker/log"
        let load = try broker.load(.init(bodyBytes: 0...4_000))
        var ended = 0
        var survived = 0
        let totals = try await load.run {
            for item in (0..<rounds).flatMap({ _ in Self.cases.shuffled() }) {
                try await load.progress()
                try await broker.kill()
                // Where it goes on, every third call fails.
                let when = item.ends ? "\(Int.random(in: 1...6))" : "2+3"
                try broker.launch(prefix: Self.strace(item, log, when: when))
                if item.ends {
                    let code = try await load.end(of: broker)
                    // A failure in the recovery or in the start is told by a sentence and 1.
                    #expect(code == 74 || code == 1, "\(item): \(code) \(broker.errors.suffix(1000))")
                    ended += 1
                } else {
                    try await broker.ready()
                    try await load.progress(by: 1_000)
                    #expect(broker.isRunning, "\(item): \(broker.errors.suffix(1000))")
                    try await broker.kill()
                    survived += 1
                }
                try broker.launch()
            }
        }
        try await broker.stop()
        print(totals.line("failing system calls", cycles: ended + survived) + ", \(ended) ended the broker")
    }

    /// strace can replace a call, not shorten it: a library in front of the system's does.
    @Test(.enabled(if: Machine.canCompile, "no C compiler"))
    func shortWritesAreContinued() async throws {
        let broker = try LoneBroker()
        let source = broker.directory.path + "/short.c"
        let library = broker.directory.path + "/short.so"
        try Self.shortWrites.write(toFile: source, atomically: true, encoding: .utf8)
        try Machine.run("cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl")
        let marker = broker.directory.path + "/cut"
        try broker.launch(environment: ["LD_PRELOAD": library, "SHORT_WRITES": marker])
        try await broker.ready()
        let load = try broker.load(.init(bodyBytes: 0...4_000))
        let totals = try await load.run {
            for _ in 0..<5 {
                try await load.progress(by: 2_000)
                try await broker.kill()
                try broker.launch(environment: ["LD_PRELOAD": library, "SHORT_WRITES": marker])
            }
        }
        try await broker.stop()
        #expect(FileManager.default.fileExists(atPath: marker), "the library did cut writes short")
        print(totals.line("short writes", cycles: 5))
    }

    private static let shortWrites = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/types.h>
        #include <unistd.h>
        static unsigned calls;
        static ssize_t cut(const char *name, int fd, const void *bytes, size_t count, off_t at) {
            ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, name);
            unsigned call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
            if (call == 1) close(open(getenv("SHORT_WRITES"), O_CREAT | O_WRONLY, 0600));
            if (call % 7 == 3) { errno = EINTR; return -1; }
            return real(fd, bytes, call % 3 == 0 && count > 1 ? count / 2 + call % (count / 2 + 1) / 2 : count, at);
        }
        ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return cut("pwrite", fd, bytes, count, at); }
        ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return cut("pwrite64", fd, bytes, count, at); }
        """
}
