package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// A scanner that is asked only after a probe has shown that it can be relied on. Until then files wait.
///
/// It is probed at the start, and again after it was away: it may have come back with other settings.
package final class ProbedScanner: FileScanner, Service {
    private enum State {
        case unprobed
        case passed
        case refused(ScanError)
    }

    /// A probe of one that is away costs nothing, and one of the limits a whole window.
    private static let pause = Duration.seconds(5)
    private static let pauseUnfit = Duration.seconds(60)

    private let scanner: any FileScanner
    private let logger: Logger
    private let state = Mutex(State.unprobed)

    package init(_ scanner: any FileScanner, logger: Logger) {
        self.scanner = scanner
        self.logger = logger
    }

    package var name: String { scanner.name }

    package func probe() async throws(ScanError) -> String? {
        do throws(ScanError) {
            let doubt = try await scanner.probe()
            state.withLock { $0 = .passed }
            return doubt
        } catch {
            // No file's fault, whatever it is.
            let refusal: ScanError = if case .failed(let reason) = error { .unfit("the probe failed: \(reason)") } else { error }
            state.withLock { $0 = .refused(refusal) }
            throw refusal
        }
    }

    package func ping() async throws(ScanError) { try await scanner.ping() }

    package func scan(_ file: any PayloadBytes, bytes: Int64) async throws(ScanError) -> ScanFinding {
        switch state.withLock({ $0 }) {
        case .unprobed: throw .unreachable("\(name) is being probed")
        case .refused(let error): throw error
        case .passed: break
        }
        do throws(ScanError) {
            return try await scanner.scan(file, bytes: bytes)
        } catch {
            if case .unreachable = error { state.withLock { $0 = .refused(error) } }
            throw error
        }
    }

    // MARK: Probing

    package func run() async throws {
        // A probe sends for seconds and hears of no cancellation: the end does not wait for it.
        let probing = Task { await keepProbing() }
        try? await gracefulShutdown()
        probing.cancel()
    }

    private func keepProbing() async {
        var logged: String?
        while !Task.isCancelled {
            let (pause, finding) = await look()
            if let finding, finding.text != logged {
                logged = finding.text
                logger.log(level: finding.level, "\(finding.message)", metadata: ["scanner": "\(name)", "what": "\(finding.text)"])
            }
            try? await Task.sleep(for: pause)
        }
    }

    private struct Finding {
        let level: Logger.Level
        let message: String
        let text: String
    }

    private func look() async -> (pause: Duration, Finding?) {
        if case .passed = state.withLock({ $0 }) { return (Self.pause, nil) }
        do throws(ScanError) {
            if let doubt = try await probe() { return (Self.pause, Finding(level: .warning, message: "the scanner is used, with a doubt", text: doubt)) }
            return (Self.pause, Finding(level: .info, message: "the scanner is used", text: "the probe passed"))
        } catch {
            let finding = Finding(level: .error, message: "audit.error", text: error.description)
            if case .unfit = error { return (Self.pauseUnfit, finding) }
            return (Self.pause, finding)
        }
    }
}
