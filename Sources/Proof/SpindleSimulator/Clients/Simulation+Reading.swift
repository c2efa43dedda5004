internal import SpindleNode

/// Clients that take their output slowly, or not at all for a while. Random choices of their own: the others' stay what they are.
struct SlowReaders {
    private(set) var random: SeededGenerator
    /// Bytes at a time, by session; 0: nothing, until it changes its mind.
    private(set) var pace: [UInt64: Int] = [:]
    /// In the order of their coming.
    private(set) var sessions: [UInt64] = []
    let windowBytes: Int

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed ^ 0x51_0E_AD_E2)
        windowBytes = random.pick([1 << 10, 8 << 10, 64 << 10])
    }

    /// Whether the session reads slowly from now on.
    mutating func choosePace(_ session: UInt64) -> Bool {
        guard random.chance(1, in: 2) else { return false }
        sessions.append(session)
        changePace(session)
        return true
    }

    mutating func changePace(_ session: UInt64) { pace[session] = random.pick([0, 1, 40, 700, 5_000]) }

    mutating func forget(_ session: UInt64) {
        pace[session] = nil
        sessions.removeAll { $0 == session }
    }
}

// How clients read.
extension Simulation {
    /// Subscribers read at any pace. The others' answers must come before the observer judges what follows them.
    func choosePace(of client: Int, _ session: UInt64) {
        guard features.contains(.slowReaders), !isCalm, client >= profile.producers + profile.workers, client < administrator else { return }
        if slowReaders.choosePace(session) { broker.makeSlow(.init(rawValue: session)) }
    }

    /// Each slow session takes its next bytes.
    func readSlowly() {
        for session in slowReaders.sessions {
            if slowReaders.shouldChange() { slowReaders.changePace(session) }
            broker.take(.init(rawValue: session), atMost: slowReaders.pace[session] ?? 0)
            if let problem = broker.outputProblem(.init(rawValue: session)) { oracle.fail(11, "connection \(session): \(problem)") }
        }
    }

    /// Faults are over: everyone reads on, a piece at a time. Returns whether there was anything.
    func readOn() -> Bool {
        var hasRead = false
        for session in slowReaders.sessions where broker.take(.init(rawValue: session), atMost: 997) > 0 { hasRead = true }
        return hasRead
    }
}

extension SlowReaders {
    mutating func shouldChange() -> Bool { random.chance(1, in: 20) }
}
