/// What happens to the supervised processes, in the order in which it happens to each.
package enum SupervisorEvent: Sendable, Equatable {
    case started(name: String, pid: Int32)
    case ready(name: String)
    /// It runs and is not ready, for so long already. Told again and again.
    case waiting(name: String, since: Duration)
    case exited(name: String, status: ExitStatus)
    /// It died by itself and is started again after the delay.
    case restarting(name: String, after: Duration)
    /// SIGTERM was sent.
    case stopping(name: String)
    /// It did not stop in its grace: SIGKILL was sent.
    case killed(name: String)
    /// It is gone, and stays gone.
    case stopped(name: String)
}

package enum SupervisorError: Error, Sendable, Equatable, CustomStringConvertible {
    case alreadyRunning(runDirectory: String)
    case runDirectoryUnusable(path: String, reason: String)
    case notReady(name: String, deadline: Duration, lastExit: ExitStatus?)
    case keepsEnding(name: String, starts: Int, lastExit: ExitStatus)
    case badSpecification(name: String, reason: String)

    package var description: String {
        switch self {
        case .alreadyRunning(let directory): "another supervisor runs on \(directory): stop it first with `spindle down`, or choose another data directory."
        case .runDirectoryUnusable(let path, let reason): "\(path) cannot be used: \(reason)."
        case .notReady(let name, let deadline, let lastExit):
            "\(name) was not ready within \(Units.text(deadline))\(lastExit.map { "; it last ended with \($0)" } ?? ""): see its log lines above."
        case .keepsEnding(let name, let starts, let lastExit):
            "\(name) ended \(starts) times before it was ready, the last time with \(lastExit): see its log lines above."
        case .badSpecification(let name, let reason): "the process \"\(name)\" cannot be supervised: \(reason)."
        }
    }
}
