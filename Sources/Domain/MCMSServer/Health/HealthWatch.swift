internal import MCMS
internal import ServiceLifecycle
package import SpindleText
internal import Synchronization

/// Looks at one source. ``HealthFailure`` says why nothing was found out; any other error is one that was not foreseen, and told the same way.
package struct HealthReader: Sendable {
    package let source: HealthSource
    package let interval: Duration
    package let look: @Sendable () async throws -> HealthFacts

    package init(_ source: HealthSource, every interval: Duration, _ look: @escaping @Sendable () async throws -> HealthFacts) {
        self.source = source
        self.interval = interval
        self.look = look
    }
}

/// What was found out by the last look at a source.
package struct HealthLook: Sendable {
    package let at: Timestamp
    package let result: Result<HealthFacts, HealthFailure>

    package init(at: Timestamp, result: Result<HealthFacts, HealthFailure>) {
        self.at = at
        self.result = result
    }
}

/// Looks at everything that the installation consists of, each source in a loop of its own, and says what is wrong.
package final class HealthWatch: Service {
    private let readers: [HealthReader]
    private let machine: Mutex<HealthMachine>
    private let now: @Sendable () -> HealthTime
    private let latest = Mutex<[HealthSource: HealthLook]>([:])
    package let site: HealthSite

    package init(
        site: HealthSite, limits: HealthLimits = HealthLimits(), readers: [HealthReader], now: @escaping @Sendable () -> HealthTime = HealthWatch.clock()
    ) {
        self.readers = readers
        self.now = now
        self.site = site
        machine = Mutex(HealthMachine(site: site, limits: limits, sources: Set(readers.map(\.source))))
    }

    /// This machine's clocks. The steady one goes on while the machine sleeps.
    package static func clock() -> @Sendable () -> HealthTime {
        let start = ContinuousClock.now
        return { HealthTime(wall: Timestamp.now(), steady: Int64((ContinuousClock.now - start) / .milliseconds(1))) }
    }

    package func run() async throws {
        // A look may hang for as long as a share does, and hears of no cancellation then: the end does not wait for it.
        let looking = readers.map { reader in Task { await keepLooking(reader) } }
        try? await gracefulShutdown()
        for task in looking { task.cancel() }
    }

    package func report() -> HealthReport {
        let now = now()
        return machine.withLock { $0.report(at: now) }
    }

    /// The last look at each source, as far as there was one.
    package var looks: [HealthSource: HealthLook] { latest.withLock { $0 } }

    private func keepLooking(_ reader: HealthReader) async {
        while !Task.isCancelled {
            let begin = now()
            machine.withLock { $0.lookBegins(reader.source, at: begin) }
            let result: Result<HealthFacts, HealthFailure>
            do {
                result = .success(try await reader.look())
            } catch let failure as HealthFailure {
                result = .failure(failure)
            } catch {
                result = .failure(.unavailable("\(error)"))
            }
            guard !Task.isCancelled else { return }
            let end = now()
            machine.withLock { $0.lookEnds(reader.source, result, at: end) }
            latest.withLock { $0[reader.source] = HealthLook(at: end.wall, result: result) }
            // Ends early only when it is cancelled, which the loop sees.
            try? await Task.sleep(for: reader.interval)
        }
    }
}
