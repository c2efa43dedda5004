internal import SpindleText

/// Turns looks at the parts of an installation into what the first screen says. Pure: looks and times go in, a report comes out.
///
/// A problem is told once it was seen long enough, and ends once it was not seen for a while: a restart is none, and nothing flaps. While a
/// source tells nothing, what it told before stays as it was, and nothing new is concluded from its silence but the silence.
package struct HealthMachine: Sendable {
    /// A sample of the numbers is kept so often, and so many of them.
    package static let sampleSeconds = 60.0
    package static let samplesMax = 60

    /// The state of the looks at one source.
    private struct Look: Sendable {
        /// Of the look that is under way.
        var begunAt: HealthTime?
        /// Of the first look that failed, when the last one did.
        var failingSince: HealthTime?
        var hasAnswered = false
    }

    /// A finding, and since when it is there.
    private struct Sighting: Sendable {
        var problem: HealthProblem
        let source: HealthSource
        let firstAt: HealthTime
        var lastAt: HealthTime
        var isTold = false
    }

    private let rules: HealthRules
    private var known = HealthKnown()
    private var looks: [HealthSource: Look] = [:]
    private var sightings: [HealthProblem.Key: Sighting] = [:]
    private var flows = QueueFailures()
    private var clock = ClockJumps()
    private var past: [HealthReport.Numbers] = []
    private var sampledAt: HealthTime?
    private var startedAt: HealthTime?

    /// - Parameter sources: what is looked at here; a report says as long as one has not told anything yet.
    package init(site: HealthSite, limits: HealthLimits = HealthLimits(), sources: Set<HealthSource> = Set(HealthSource.allCases)) {
        rules = HealthRules(site: site, limits: limits)
        for source in sources { looks[source] = Look() }
    }

    private var limits: HealthLimits { rules.limits }

    // MARK: Looks

    package mutating func lookBegins(_ source: HealthSource, at now: HealthTime) {
        note(now)
        looks[source, default: Look()].begunAt = now
    }

    package mutating func lookEnds(_ source: HealthSource, _ result: Result<HealthFacts, HealthFailure>, at now: HealthTime) {
        note(now)
        let begun = looks[source]?.begunAt ?? now
        looks[source, default: Look()].begunAt = nil
        looks[source, default: Look()].hasAnswered = true
        switch result {
        case .success(let facts):
            looks[source, default: Look()].failingSince = nil
            known.note(facts)
            if case .queues(let queues) = facts {
                flows.note(queues, at: now, within: limits.failuresWindow)
                known.failing = flows.failing(limits.failuresMax)
            }
            see(rules.findings(facts, known, at: now.wall), of: source, at: now)
            if source == .database { sample(at: now) }
        case .failure(let failure):
            let since = looks[source]?.failingSince ?? begun
            looks[source, default: Look()].failingSince = since
            goBlind(source, failure, since: since, at: now)
        }
    }

    private mutating func note(_ now: HealthTime) {
        if startedAt == nil { startedAt = now }
        clock.note(now, limits)
    }

    /// Sources whose look takes too long tell nothing.
    private mutating func noteSilence(at now: HealthTime) {
        for (source, look) in looks {
            guard let begun = look.begunAt, now.seconds(since: begun) >= limits.silentAfter else { continue }
            let seconds = Int(now.seconds(since: begun))
            looks[source]?.hasAnswered = true
            goBlind(source, .unavailable("no answer for \(seconds) s"), since: look.failingSince ?? begun, at: now)
        }
    }

    // MARK: Sightings

    private mutating func see(_ findings: [HealthProblem], of source: HealthSource, at now: HealthTime) {
        for finding in findings { note(finding, of: source, since: now, at: now) }
        let seen = Set(findings.map(\.key))
        for (key, sighting) in sightings where sighting.source == source && !seen.contains(key) {
            if !sighting.isTold || now.seconds(since: sighting.lastAt) >= limits.goneAfter { sightings[key] = nil }
        }
    }

    private mutating func goBlind(_ source: HealthSource, _ failure: HealthFailure, since: HealthTime, at now: HealthTime) {
        let own = rules.finding(failure, of: source, known, since: since.wall)
        // What is known only in part is not told later; what was told may still be so.
        for (key, sighting) in sightings where sighting.source == source && key != own?.key {
            if sighting.isTold, !Self.isAbsence(key.kind) { sightings[key]?.lastAt = now } else { sightings[key] = nil }
        }
        if let own { note(own, of: source, since: since, at: now) }
    }

    /// Kinds that a failed look tells itself: one at a time of a source.
    private static func isAbsence(_ kind: HealthKind) -> Bool {
        switch kind {
        case .brokerUnreachable, .brokerRefuses, .databaseUnavailable, .shareUnreadable, .storeUnwritable, .scannerUnreachable: true
        case .shareReadOnly, .scannerUndecided, .workersMissing, .workersQuiet, .addinMissing, .queuePaused, .queueFull, .queueWaits, .queueFails,
            .deadLetters, .outboxStuck, .outboxDead, .diskFull, .diskFiles, .certificateEnds, .certificateUnusable, .clockJumped, .clockDiffers:
            false
        }
    }

    private mutating func note(_ finding: HealthProblem, of source: HealthSource, since: HealthTime, at now: HealthTime) {
        var sighting = sightings[finding.key] ?? Sighting(problem: finding, source: source, firstAt: since, lastAt: now)
        let before = sighting.problem.since
        sighting.problem = finding
        // What does not tell itself since when it is so, is so since it was first seen.
        if finding.since == now.wall { sighting.problem.since = before }
        sighting.lastAt = now
        sightings[finding.key] = sighting
    }

    // MARK: The report

    package mutating func report(at now: HealthTime) -> HealthReport {
        note(now)
        noteSilence(at: now)
        let isStarting = startedAt.map { now.seconds(since: $0) < limits.startBorne } ?? true
        for (key, sighting) in sightings where now.seconds(since: sighting.firstAt) >= limits.told(key.kind) {
            // Those who start together with this server are given time.
            let isAwaited = isStarting && [.workersMissing, .addinMissing].contains(key.kind)
            if !isAwaited { sightings[key]?.isTold = true }
        }
        let told = sightings.values.filter(\.isTold).map(\.problem) + clock.told(at: now, limits)
        let problems = rules.withoutConsequences(told).sorted { left, right in
            (right.severity, left.since, left.key.kind.rawValue, left.key.subject) < (left.severity, right.since, right.key.kind.rawValue, right.key.subject)
        }
        let unseen = Set(looks.filter { !$0.value.hasAnswered }.keys)
        let severity = problems.map(\.severity).max() ?? (unseen.isEmpty ? .ok : .info)
        return HealthReport(
            severity: severity, at: now.wall, numbers: numbers(at: now.wall), past: past, problems: problems, unseen: unseen)
    }

    private func numbers(at now: Timestamp) -> HealthReport.Numbers? {
        known.work.map { work in
            let wait = work.jobs.oldestWaitSince.map { max(0, now.milliseconds - $0.milliseconds) / 1000 } ?? 0
            return HealthReport.Numbers(
                jobsRunning: work.jobs.running, jobsWaiting: work.jobs.waiting, oldestWaitSeconds: Int(wait), failedToday: work.jobs.failedToday)
        }
    }

    private mutating func sample(at now: HealthTime) {
        if let sampledAt, now.seconds(since: sampledAt) < Self.sampleSeconds { return }
        guard let numbers = numbers(at: now.wall) else { return }
        sampledAt = now
        past.append(numbers)
        if past.count > Self.samplesMax { past.removeFirst(past.count - Self.samplesMax) }
    }
}

/// Queues in which attempts fail one after another. What is kept is bounded by the window and by how often it is looked.
private struct QueueFailures: Sendable {
    private struct Reading: Sendable {
        let at: HealthTime
        let flow: HealthQueue.Flow
    }

    private var readings: [String: [Reading]] = [:]

    mutating func note(_ queues: [HealthQueue], at now: HealthTime, within seconds: Double) {
        let before = readings
        readings = [:]
        for queue in queues {
            // A queue that was not there at the last look has counted from zero since.
            var kept = before[queue.name] ?? (before.isEmpty ? [] : [Reading(at: now, flow: HealthQueue.Flow())])
            // A queue that was made again begins at zero; a success ends a row of failures.
            if let last = kept.last, queue.flow.acknowledged != last.flow.acknowledged || queue.flow.failed < last.flow.failed { kept = [] }
            // One reading is older than the window: failures are counted from it.
            while kept.count > 1, now.seconds(since: kept[1].at) >= seconds { kept.removeFirst() }
            // As long as nothing happens, the newest reading tells as much.
            if kept.count > 1, let last = kept.last, last.flow == queue.flow { kept.removeLast() }
            kept.append(Reading(at: now, flow: queue.flow))
            readings[queue.name] = kept
        }
    }

    func failing(_ limit: Int) -> [String: Int] {
        readings.compactMapValues { kept in
            guard let first = kept.first, let last = kept.last else { return nil }
            let count = last.flow.failed - first.flow.failed
            return count >= limit ? count : nil
        }
    }
}

/// Jumps of the wall's clock, seen against the steady one.
private struct ClockJumps: Sendable {
    private var lastAt: HealthTime?
    private var jump: (at: HealthTime, seconds: Double)?

    mutating func note(_ now: HealthTime, _ limits: HealthLimits) {
        defer { lastAt = now }
        guard let lastAt else { return }
        let wall = Double(now.wall.milliseconds - lastAt.wall.milliseconds) / 1000
        let difference = wall - now.seconds(since: lastAt)
        if abs(difference) > limits.clockJumpMax { jump = (now, difference) }
    }

    func told(at now: HealthTime, _ limits: HealthLimits) -> [HealthProblem] {
        guard let jump, now.seconds(since: jump.at) <= limits.clockJumpTold else { return [] }
        return [HealthProblem(.clockJumped, severity: .warning, since: jump.at.wall, amount: jump.seconds)]
    }
}
