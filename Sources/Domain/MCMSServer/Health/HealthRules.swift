internal import SpindleText

/// What was last seen of each source.
struct HealthKnown: Sendable {
    var queues: [HealthQueue] = []
    var workers: HealthWorkers?
    var work: HealthWork?
    /// Queues in which attempts failed one after another, and how many.
    var failing: [String: Int] = [:]

    mutating func note(_ facts: HealthFacts) {
        switch facts {
        case .queues(let queues): self.queues = queues
        case .workers(let workers): self.workers = workers
        case .database(let work): self.work = work
        case .share, .store, .disks, .scanner, .certificates: break
        }
    }

    func queue(_ name: String?) -> HealthQueue? { name.flatMap { name in queues.first { $0.name == name } } }

    /// Messages that wait or are worked on.
    func held(_ names: [String]) -> Int { queues.reduce(0) { $0 + (names.contains($1.name) ? $1.held : 0) } }
}

/// Which facts are problems. Pure: what was seen goes in, and what is wrong with it comes out, without regard to how long it lasts.
struct HealthRules: Sendable {
    let site: HealthSite
    let limits: HealthLimits

    func findings(_ facts: HealthFacts, _ known: HealthKnown, at now: Timestamp) -> [HealthProblem] {
        switch facts {
        case .queues(let queues): queues.flatMap { findings($0, among: queues, known, at: now) }
        case .workers(let workers): site.groups.flatMap { group($0, workers, known, at: now) } + addin(workers, known, at: now) + clock(workers, at: now)
        case .database(let work): outbox(work.outbox, at: now)
        case .share(let share): self.share(share, known, at: now)
        case .store: []
        case .disks(let disks): disks.flatMap { disk($0, at: now) }
        case .scanner(.answers): []
        case .scanner(.undecided): [undecided(known, at: now)]
        case .certificates(let certificates): certificates.compactMap { certificate($0, at: now) }
        }
    }

    /// What it means that a source tells nothing; nil: another one's silence tells it.
    func finding(_ failure: HealthFailure, of source: HealthSource, _ known: HealthKnown, since: Timestamp) -> HealthProblem? {
        let kind: HealthKind
        switch (source, failure) {
        case (.queues, .unavailable): kind = .brokerUnreachable
        case (.queues, .refused), (.workers, .refused): kind = .brokerRefuses
        case (.database, _): kind = .databaseUnavailable
        case (.share, _): kind = .shareUnreadable
        case (.store, _): kind = .storeUnwritable
        case (.scanner, _): kind = .scannerUnreachable
        case (.workers, .unavailable), (.disks, _), (.certificates, _): return nil
        }
        return absence(kind, known, since: since, reason: failure.reason)
    }

    private func absence(_ kind: HealthKind, _ known: HealthKnown, since: Timestamp, reason: String) -> HealthProblem {
        let subject: String
        let count: Int?
        var severity = HealthSeverity.error
        switch kind {
        case .brokerUnreachable, .brokerRefuses: (subject, count) = ("", known.work?.outbox.waiting)
        case .shareUnreadable, .shareReadOnly: (subject, count) = (site.share, known.work.map { $0.filesWaiting + known.held(site.resultQueues) })
        case .storeUnwritable: (subject, count) = ("", known.work?.filesWaiting)
        case .scannerUnreachable:
            (subject, count) = (site.scanner, known.work?.filesWaiting)
            if (count ?? 0) == 0 { severity = .warning }
        default: (subject, count) = ("", nil)
        }
        return HealthProblem(kind, subject, severity: severity, since: since, count: count, reason: reason)
    }

    // MARK: Queues

    private func findings(_ queue: HealthQueue, among all: [HealthQueue], _ known: HealthKnown, at now: Timestamp) -> [HealthProblem] {
        let oldest = now.adding(milliseconds: -Int64(queue.oldestAgeSeconds * 1000))
        var found: [HealthProblem] = []
        if let reason = queue.pauseReason {
            found.append(HealthProblem(.queuePaused, queue.name, severity: .warning, since: now, count: queue.held, reason: reason))
        }
        if let fullness = fullness(queue), fullness >= limits.fullnessWarned {
            found.append(
                HealthProblem(.queueFull, queue.name, severity: fullness >= 1 ? .error : .warning, since: now, count: queue.held, amount: fullness * 100))
        }
        if all.contains(where: { $0.deadLetterQueue == queue.name }) {
            if queue.held > 0 {
                let since = queue.oldestAgeSeconds > 0 ? oldest : now
                found.append(HealthProblem(.deadLetters, queue.name, severity: .warning, since: since, count: queue.held))
            }
            return found
        }
        if queue.ready > 0, queue.oldestAgeSeconds >= limits.waitMax {
            found.append(
                HealthProblem(.queueWaits, queue.name, severity: .warning, since: oldest, count: queue.ready, amount: queue.oldestAgeSeconds))
        }
        if let failures = known.failing[queue.name] {
            found.append(HealthProblem(.queueFails, queue.name, severity: .warning, since: now, count: failures))
        }
        return found
    }

    /// 1: full. Nil: no limit.
    private func fullness(_ queue: HealthQueue) -> Double? {
        [(queue.held, queue.limits.length), (queue.bytes, queue.limits.bytes)].compactMap { value, limit in
            limit.map { $0 > 0 ? Double(value) / Double($0) : 0 }
        }.max()
    }

    // MARK: Workers

    private func group(_ group: HealthSite.Group, _ workers: HealthWorkers, _ known: HealthKnown, at now: Timestamp) -> [HealthProblem] {
        let connected = workers.sessions.filter { $0.groups.contains(group.name) }
        let waiting = known.held(group.queues)
        if connected.count < group.processes {
            let severity: HealthSeverity = connected.isEmpty && waiting > 0 ? .error : .warning
            return [
                HealthProblem(
                    .workersMissing, group.name, severity: severity, since: now, count: waiting, amount: Double(group.processes - connected.count))
            ]
        }
        guard connected.allSatisfy(\.isQuiet) else { return [] }
        return [HealthProblem(.workersQuiet, group.name, severity: .warning, since: now, count: waiting)]
    }

    private func addin(_ workers: HealthWorkers, _ known: HealthKnown, at now: Timestamp) -> [HealthProblem] {
        guard let addin = site.addin, !workers.sessions.contains(where: { $0.principal == addin.principal }) else { return [] }
        let waiting = known.queue(addin.queue)?.held ?? 0
        guard waiting > 0 || addin.isPermanent else { return [] }
        return [HealthProblem(.addinMissing, severity: waiting > 0 ? .error : .warning, since: now, count: waiting)]
    }

    private func clock(_ workers: HealthWorkers, at now: Timestamp) -> [HealthProblem] {
        guard let ahead = workers.clockAheadMilliseconds.map({ Double($0) / 1000 }), abs(ahead) > limits.clockDifferenceMax else { return [] }
        return [HealthProblem(.clockDiffers, severity: .warning, since: now, amount: ahead)]
    }

    // MARK: The database

    private func outbox(_ outbox: HealthWork.OutboxRows, at now: Timestamp) -> [HealthProblem] {
        var found: [HealthProblem] = []
        if let since = outbox.oldestSince {
            let age = Double(now.milliseconds - since.milliseconds) / 1000
            if age >= (outbox.oldestError == nil ? limits.idleRowBorne : limits.refusedRowBorne) {
                found.append(HealthProblem(.outboxStuck, severity: .error, since: since, count: outbox.waiting, reason: outbox.oldestError ?? ""))
            }
        }
        if outbox.dead > 0 { found.append(HealthProblem(.outboxDead, severity: .warning, since: now, count: outbox.dead)) }
        return found
    }

    // MARK: Files

    private func share(_ share: HealthShare, _ known: HealthKnown, at now: Timestamp) -> [HealthProblem] {
        if let problem = share.problem { return [absence(.shareUnreadable, known, since: now, reason: problem)] }
        return (share.isReadOnly ? [absence(.shareReadOnly, known, since: now, reason: "")] : []) + (share.disk.map { disk($0, at: now) } ?? [])
    }

    private func undecided(_ known: HealthKnown, at now: Timestamp) -> HealthProblem {
        let waiting = known.work?.filesWaiting ?? 0
        return HealthProblem(.scannerUndecided, severity: waiting > 0 ? .error : .warning, since: now, count: waiting)
    }

    private func disk(_ disk: HealthDisk, at now: Timestamp) -> [HealthProblem] {
        var found: [HealthProblem] = []
        func threshold(_ fraction: Double, _ bytes: Int64, _ factor: Double) -> Double {
            max(min(fraction * Double(disk.bytesTotal), Double(bytes)), factor * Double(disk.reserve))
        }
        let free = Double(disk.bytesFree)
        let isFull = free <= threshold(limits.diskFullFraction, limits.diskFullBytes, 1)
        if isFull || free <= threshold(limits.diskWarnedFraction, limits.diskWarnedBytes, limits.reserveWarnedFactor) {
            found.append(
                HealthProblem(.diskFull, disk.use, severity: isFull ? .error : .warning, since: now, reason: disk.path, amount: free))
        }
        if let percent = disk.filesFreePercent, percent <= limits.filesFreePercentWarned {
            found.append(HealthProblem(.diskFiles, disk.use, severity: percent <= 0 ? .error : .warning, since: now, reason: disk.path, amount: percent))
        }
        return found
    }

    private func certificate(_ certificate: HealthCertificate, at now: Timestamp) -> HealthProblem? {
        switch certificate.state {
        case .good(let end):
            let days = Double(end.milliseconds - now.milliseconds) / 86_400_000
            guard days <= limits.certificateWarnedDays else { return nil }
            return HealthProblem(
                .certificateEnds, certificate.file, severity: days <= 0 ? .error : .warning, since: days <= 0 ? end : now, amount: days)
        case .notYet(let begin):
            let days = Double(begin.milliseconds - now.milliseconds) / 86_400_000
            return HealthProblem(.certificateUnusable, certificate.file, severity: .error, since: now, amount: days)
        case .unreadable(let reason):
            return HealthProblem(.certificateUnusable, certificate.file, severity: .error, since: now, reason: reason)
        }
    }
}

extension HealthRules {
    /// Leaves out what follows from something else that is told.
    func withoutConsequences(_ problems: [HealthProblem]) -> [HealthProblem] {
        func has(_ kinds: HealthKind..., of subject: String? = nil) -> Bool {
            problems.contains { kinds.contains($0.key.kind) && (subject == nil || $0.key.subject == subject) }
        }
        let idle = site.groups.filter { has(.workersMissing, .workersQuiet, of: $0.name) }.flatMap(\.queues)
        return problems.filter { problem in
            let queue = problem.key.subject
            switch problem.key.kind {
            case .outboxStuck: return !has(.brokerUnreachable, .brokerRefuses)
            case .queueWaits:
                let lacksAddin = has(.addinMissing) && site.addin?.queue == queue
                return !has(.brokerUnreachable, .brokerRefuses) && !has(.queuePaused, of: queue) && !idle.contains(queue) && !lacksAddin
            case .queueFails:
                // The workers of the domain need all of them; other queues' workers none.
                let isOurs = site.groups.contains { $0.queues.contains(queue) }
                return !isOurs || !has(.shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable, .databaseUnavailable)
            case .shareReadOnly: return !has(.shareUnreadable)
            case .brokerUnreachable, .brokerRefuses, .databaseUnavailable, .shareUnreadable, .storeUnwritable, .scannerUnreachable, .scannerUndecided,
                .workersMissing, .workersQuiet, .addinMissing, .queuePaused, .queueFull, .deadLetters, .outboxDead, .diskFull, .diskFiles,
                .certificateEnds, .certificateUnusable, .clockJumped, .clockDiffers:
                return true
            }
        }
    }
}

extension HealthSite {
    /// Whose messages need the share.
    var resultQueues: [String] { addin.map { [$0.resultQueue] } ?? [] }
}
