package import SpindleText

/// Slows down whoever guesses passwords: after some failures in a row, each further try has to wait, twice as long each time.
///
/// Failures are counted for the name that was tried and for the address that tried it. A name's pause is short, because anybody can cause
/// it; an address's is long, and needs more failures, because a company's proxy is one address. A try counts as failed when it begins, so that
/// many at once gain nothing. It is in memory: each web server has its own, and forgets it when it restarts.
package struct SignInBrake: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Failures that cost nothing.
        package var freeFailures: Int
        package var pauseMilliseconds: Int64
        package var pauseMillisecondsMax: Int64

        package init(freeFailures: Int, pauseMilliseconds: Int64, pauseMillisecondsMax: Int64) {
            self.freeFailures = freeFailures
            self.pauseMilliseconds = pauseMilliseconds
            self.pauseMillisecondsMax = pauseMillisecondsMax
        }

        package static let name = Limits(freeFailures: 5, pauseMilliseconds: 1_000, pauseMillisecondsMax: 60_000)
        package static let address = Limits(freeFailures: 20, pauseMilliseconds: 1_000, pauseMillisecondsMax: 900_000)

        func pause(after failures: Int) -> Int64 {
            guard failures > freeFailures else { return 0 }
            return min(pauseMillisecondsMax, pauseMilliseconds << min(30, failures - freeFailures - 1))
        }
    }

    /// Names and addresses that are remembered, each. The one that was quiet longest is forgotten first.
    package static let entriesMax = 4_096
    /// After so long without a try, failures are forgotten.
    package static let memoryMilliseconds: Int64 = 3_600_000

    private struct Failures {
        var count = 0
        var lastAt: Timestamp
        var openAt: Timestamp
    }

    private struct Ledger {
        let limits: Limits
        var entries: [String: Failures] = [:]

        func waitMilliseconds(_ key: String, now: Timestamp) -> Int64 {
            guard let entry = entries[key], entry.lastAt.adding(milliseconds: memoryMilliseconds) > now else { return 0 }
            return max(0, entry.openAt.milliseconds - now.milliseconds)
        }

        mutating func fail(_ key: String, now: Timestamp) {
            var entry = entries[key] ?? Failures(lastAt: now, openAt: now)
            if entry.lastAt.adding(milliseconds: memoryMilliseconds) <= now { entry.count = 0 }
            entry.count += 1
            entry.lastAt = now
            entry.openAt = now.adding(milliseconds: limits.pause(after: entry.count))
            if entries[key] == nil, entries.count >= entriesMax, let quiet = entries.min(by: { $0.value.lastAt < $1.value.lastAt })?.key {
                entries[quiet] = nil
            }
            entries[key] = entry
        }

        /// Takes back one failure.
        mutating func forgive(_ key: String) {
            guard var entry = entries[key] else { return }
            entry.count -= 1
            entry.openAt = entry.lastAt
            entries[key] = entry.count > 0 ? entry : nil
        }
    }

    private var names = Ledger(limits: .name)
    private var addresses = Ledger(limits: .address)

    package init() {}

    /// Begins a try. Returns how long the caller has to wait first; 0: it may go on, and counts as failed until ``succeeded(name:address:)``.
    package mutating func begin(name: String, address: String, now: Timestamp) -> Int64 {
        let wait = max(names.waitMilliseconds(name, now: now), addresses.waitMilliseconds(address, now: now))
        guard wait == 0 else { return wait }
        names.fail(name, now: now)
        addresses.fail(address, now: now)
        return 0
    }

    /// The password was right: the name's failures are forgotten, and of the address's this one. Somebody with an account may not guess at others.
    package mutating func succeeded(name: String, address: String) {
        names.entries[name] = nil
        addresses.forgive(address)
    }

    /// The try ended before the password was compared.
    package mutating func abandoned(name: String, address: String) {
        names.forgive(name)
        addresses.forgive(address)
    }
}
