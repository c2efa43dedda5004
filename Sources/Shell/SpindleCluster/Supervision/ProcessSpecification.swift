/// One process that the supervisor keeps running.
package struct ProcessSpecification: Sendable {
    /// Unique in a supervisor; in file names and log prefixes.
    package var name: String
    /// The path of the executable; `PATH` is not searched.
    package var executable: String
    /// Without the executable itself.
    package var arguments: [String]
    /// Added to the supervisor's own environment.
    package var environment: [String: String]
    /// Lower tiers are started first, and stopped last. A tier is started when everything in the one before is ready.
    package var tier: Int
    /// Asked every `SupervisorOptions.readyPollInterval` until it is true.
    package var isReady: @Sendable () async -> Bool
    /// How long the first start may take until the process is ready, restarts included.
    package var readyDeadline: Duration
    /// How long the process may take to stop after SIGTERM, before SIGKILL.
    package var stopGrace: Duration
    /// The ports it serves, for the status file.
    package var ports: [Int]
    package var output: Output

    /// Where the process's standard output and standard error go, line by line.
    package enum Output: Sendable, Equatable {
        /// To the supervisor's sink, with the process's name before each line.
        case prefixed
        /// To this file as they are. A full file is renamed to `….1` and begun again.
        case file(String)
    }

    package init(
        name: String, executable: String, arguments: [String] = [], environment: [String: String] = [:], tier: Int = 0,
        readyDeadline: Duration = .seconds(60), stopGrace: Duration = .seconds(20), ports: [Int] = [], output: Output = .prefixed,
        isReady: @escaping @Sendable () async -> Bool = { true }
    ) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.tier = tier
        self.isReady = isReady
        self.readyDeadline = readyDeadline
        self.stopGrace = stopGrace
        self.ports = ports
        self.output = output
    }
}

/// How a process ended.
package enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
    case exited(code: Int32)
    case signaled(Int32)
    /// It never ran: `errno` of the attempt.
    case notStarted(errno: Int32)

    package var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signaled(let signal): "signal \(signal)"
        case .notStarted(let number): "not started, errno \(number)"
        }
    }
}
