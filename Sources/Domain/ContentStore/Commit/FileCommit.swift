/// What a store and a catalogue do for one file's commit: a step is one durable change, and may be repeated.
package protocol CommitStores {
    mutating func claim() async throws -> Claim
    /// Whether an attempt still has what it claimed: a later one, or the file's end, takes it.
    mutating func holds(_ attempt: Int) async throws -> Bool
    mutating func storePayload() async throws -> CommitAnswer
    mutating func announce() async throws
    mutating func audit() async throws
    mutating func writeMeta() async throws
    mutating func writeRef() async throws
    mutating func publish() async throws -> CommitAnswer
    /// False: this attempt has lost its claim, and nothing was changed.
    mutating func record(_ attempt: Int) async throws -> Bool
    mutating func removeStaged() async throws
}

package enum CommitAnswer: Hashable, Sendable {
    case done
    case retry(reason: String)
    /// What it needs is not there now; no fault of the file.
    case postpone(reason: String)
    /// Somebody else is at it this moment.
    case busy(reason: String)
}

/// One attempt to commit one file: the steps of ``CommitStep`` one by one. The handler and the simulator both go through it.
package struct FileCommit: Sendable {
    package enum Outcome: Hashable, Sendable {
        case committed
        case retry(reason: String)
        case postpone(reason: String)
        /// Somebody else is at it this moment, perhaps a later attempt at the same file. The message is not settled: that one may end early.
        case busy(reason: String)
    }

    /// Nil: it has ended.
    package private(set) var next: CommitStep?
    private var attempt = 0

    package init() {
        next = Self.order.first
    }

    private static let order = CommitStep.allCases

    private static let superseded = Outcome.busy(reason: "another attempt has taken over, or the file has ended")

    private static func step(after step: CommitStep) -> CommitStep? {
        guard let index = order.firstIndex(of: step), index + 1 < order.count else { return nil }
        return order[index + 1]
    }

    /// Does the next step. Nil: there are more.
    package mutating func advance(_ stores: inout some CommitStores) async throws -> Outcome? {
        guard let step = next else { return .committed }
        if step.isFenced, try await !stores.holds(attempt) { return end(Self.superseded) }
        switch try await perform(step, &stores) {
        case .done: break
        case .retry(let reason): return end(.retry(reason: reason))
        case .postpone(let reason): return end(.postpone(reason: reason))
        case .busy(let reason): return end(.busy(reason: reason))
        case nil: return end(Self.superseded)
        }
        next = Self.step(after: step)
        return next == nil ? .committed : nil
    }

    private mutating func end(_ outcome: Outcome) -> Outcome {
        next = nil
        return outcome
    }

    /// Nil: superseded.
    private mutating func perform(_ step: CommitStep, _ stores: inout some CommitStores) async throws -> CommitAnswer? {
        switch step {
        case .claim:
            switch try await stores.claim() {
            case .granted(let attempt): self.attempt = attempt
            case .collected: return .busy(reason: "its payload is being removed this moment")
            case .ended: return nil
            case .taken: return .busy(reason: "another file of that name is being stored this moment")
            }
        case .storePayload: return try await stores.storePayload()
        case .announce: try await stores.announce()
        case .audit: try await stores.audit()
        case .writeMeta: try await stores.writeMeta()
        case .writeRef: try await stores.writeRef()
        case .publish: return try await stores.publish()
        case .record: if try await !stores.record(attempt) { return nil }
        case .removeStaged: try await stores.removeStaged()
        }
        return .done
    }
}
