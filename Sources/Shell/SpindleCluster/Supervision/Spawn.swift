import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Synchronization

/// `posix_spawn` with what a supervised child needs.
enum Spawn {
    /// The descriptor on which the child finds the pipe of `SupervisorWatch`.
    static let supervisorDescriptor: Int32 = 3

    /// Shows that `lock` is held.
    struct Held: ~Copyable {
        fileprivate init() {}
    }

    private static let lock = Mutex(())

    /// One thread at a time makes pipes and starts children, so that no child inherits an end that isn't meant for it.
    static func locked<Value: Sendable>(_ body: (borrowing Held) throws(ChildProcess.SpawnFailure) -> Value) throws(ChildProcess.SpawnFailure) -> Value {
        let result = lock.withLock { _ -> Result<Value, ChildProcess.SpawnFailure> in
            do throws(ChildProcess.SpawnFailure) {
                return .success(try body(Held()))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// - Returns: the process id. The child leads a process group of its own, so that Ctrl-C at the terminal reaches the
    ///   supervisor alone, which then stops its children in order; it has default signal handling and no descriptors but
    ///   0 to 3.
    static func run(
        _ specification: ProcessSpecification, output: Int32, errors: Int32, supervisorPipe: Int32, _ holding: borrowing Held
    ) throws(ChildProcess.SpawnFailure) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        posix_spawn_file_actions_adddup2(&actions, supervisorPipe, supervisorDescriptor)
        // Whatever some library opened without close-on-exec.
        for descriptor in openDescriptors() where descriptor > supervisorDescriptor {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        // A signal that this process ignores or blocks would stay so in the child.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var environment = ProcessInfo.processInfo.environment
        environment.merge(specification.environment) { $1 }
        environment[SupervisorWatch.environmentKey] = String(supervisorDescriptor)
        let arguments = CStrings([specification.executable] + specification.arguments)
        let variables = CStrings(environment.map { "\($0.key)=\($0.value)" }.sorted())
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, specification.executable, &actions, &attributes, arguments.pointers, variables.pointers)
        guard failure == 0 else { throw ChildProcess.SpawnFailure(errno: failure) }
        return pid
    }

    /// The descriptors of this process. (glibc's `addclosefrom_np` would say it shorter; the Swift module hides GNU names.)
    private static func openDescriptors() -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return names.compactMap { Int32($0) }
    }
}

/// A null-terminated array of C strings, freed with this object.
private final class CStrings {
    var pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        pointers = strings.map { strdup($0) } + [nil]
    }

    deinit {
        for pointer in pointers { free(pointer) }
    }
}
