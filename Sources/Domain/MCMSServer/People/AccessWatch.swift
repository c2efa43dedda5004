package import Logging
package import MCMS
internal import ServiceLifecycle

/// Notices, within a second or two, what others changed of who may do what: token files, and accounts that a command or another web
/// server changed.
package struct AccessWatch: Service {
    package static let intervalDefault = Duration.seconds(1)

    private let store: MCMSStore
    private let tokens: TokenDirectoryAuthenticator
    private let interval: Duration
    private let logger: Logger
    private let onChange: @Sendable () -> Void

    /// - Parameter onChange: ends what is open in the name of somebody who may no more.
    package init(
        store: MCMSStore, tokens: TokenDirectoryAuthenticator, interval: Duration = intervalDefault, logger: Logger, onChange: @escaping @Sendable () -> Void
    ) {
        self.store = store
        self.tokens = tokens
        self.interval = interval
        self.logger = logger
        self.onChange = onChange
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var version: Int64?
            var isDatabaseTold = false
            while !Task.isCancelled {
                if lookAtTokens() { onChange() }
                do {
                    let now = try await store.peopleVersion()
                    if let version, version != now { onChange() }
                    version = now
                    isDatabaseTold = false
                } catch is CancellationError {
                    return
                } catch {
                    // Told once: it is asked again each second.
                    if !isDatabaseTold { logger.error("audit.error", metadata: ["what": "accounts can't be looked at", "error": "\(error)"]) }
                    isDatabaseTold = true
                }
                // Ends early only when it is cancelled, which the loop sees.
                try? await Task.sleep(for: interval)
            }
        }
    }

    /// Returns whether tokens changed.
    private func lookAtTokens() -> Bool {
        guard let problems = tokens.refresh() else { return false }
        for problem in problems { logger.error("audit.error", metadata: ["what": "a token can't be used", "error": "\(problem)"]) }
        logger.notice("tokens were read again")
        return true
    }
}
