/// Knows what the dead-letter topic must tell: each death once, for ever in the same order, and nothing else.
struct DeathOracle {
    /// What an event says.
    struct Event: Equatable {
        var queue: String
        var message: UInt64
        var ending: String
        var deadLetterQueue: String?
        /// The whole body: two deaths of one message differ in it.
        var body: [UInt8]
    }

    /// By rising offset: all that was ever pushed.
    private(set) var known: [(offset: UInt64, event: Event)] = []
    /// The place in ``known`` that the subscription of now must see next.
    private var next = 0
    private var countByID: [UInt64: Int] = [:]
    /// By tag, those that certainly died.
    private var deaths: [Int: Deaths] = [:]
    /// By queue: REDRIVEs that were sent. A message dies once, and once more after each of them.
    private var redrives: [Int: Int] = [:]
    private let failure = Failure()

    private struct Deaths {
        var count = 0
        /// Nothing was seen of it at home since.
        var isDead = false
    }

    /// Apart from the rest, so that a sentence about the rest can be made while it changes.
    private final class Failure {
        var problem: (promise: Int, text: String)?
    }

    private func fail(_ text: @autoclosure () -> String) {
        if failure.problem == nil { failure.problem = (15, text()) }
    }

    func takeProblem() -> (promise: Int, text: String)? {
        defer { failure.problem = nil }
        return failure.problem
    }

    // MARK: Deaths

    /// The message was found dead, or its death was confirmed.
    mutating func died(_ tag: Int) {
        guard deaths[tag]?.isDead != true else { return }
        deaths[tag, default: Deaths()].count += 1
        deaths[tag]?.isDead = true
    }

    /// The message was delivered from its queue.
    mutating func wasAtHome(_ tag: Int) { deaths[tag]?.isDead = false }

    /// Its cancellation was confirmed while it waited in its queue, where it may have come back unseen.
    mutating func cancelled(_ tag: Int) {
        wasAtHome(tag)
        died(tag)
    }

    mutating func redriven(_ queue: Int) { redrives[queue, default: 0] += 1 }

    // MARK: Events

    /// A subscription began at the earliest event.
    mutating func begin() { next = 0 }

    /// An event was pushed. Returns whether it is a new one.
    mutating func pushed(_ event: Event, offset: UInt64, announcers: Set<Int>) -> Bool {
        guard next == known.count else {
            if known[next].offset == offset, known[next].event == event {
                next += 1
            } else {
                fail("the dead-letter topic has \(describe(event, offset)) where it had \(describe(known[next].event, known[next].offset))")
            }
            return false
        }
        if let last = known.last, offset <= last.offset { fail("the dead-letter topic has \(describe(event, offset)) after offset \(last.offset)") }
        check(event, offset, announcers)
        known.append((offset, event))
        next += 1
        return true
    }

    private mutating func check(_ event: Event, _ offset: UInt64, _ announcers: Set<Int>) {
        guard let queue = announcers.first(where: { "q\($0)" == event.queue }) else {
            return fail("the dead-letter topic was told of \(describe(event, offset)), whose queue does not name it")
        }
        let target = event.ending == "dead" ? "q\(queue).dead" : nil
        if event.deadLetterQueue != target { fail("\(describe(event, offset)) names the dead-letter queue \(event.deadLetterQueue ?? "none")") }
        countByID[event.message, default: 0] += 1
        let count = countByID[event.message, default: 0]
        let isRepeated = known.contains { $0.event == event }
        let most = 1 + redrives[queue, default: 0]
        if count > most, most == 1 || isRepeated { fail("the dead-letter topic was told \(count) times of \(describe(event, offset))") }
    }

    private func describe(_ event: Event, _ offset: UInt64) -> String { "message \(event.message) of \(event.queue), \(event.ending), at \(offset)" }

    /// The subscription has credit and nothing more comes. `idOf` says a message's id, or nil where its queue has no dead-letter topic.
    func checkCaughtUp(_ idOf: (Int) -> UInt64?) {
        if next < known.count { fail("the dead-letter topic lost \(describe(known[next].event, known[next].offset))") }
        for tag in deaths.keys.sorted() {
            guard let id = idOf(tag), let least = deaths[tag]?.count else { continue }
            let told = countByID[id, default: 0]
            if told < least { fail("message \(tag) (\(id)) died \(least) times at least, and the dead-letter topic was told \(told) times") }
        }
    }
}
