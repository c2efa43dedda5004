internal import SpindleWire

/// What an outside observer knows of queues between which jobs move messages, and of a stranger who may use some of them.
///
/// Nothing is known between two looks but what may be. At a look no job runs, and every message is seen: each that was confirmed is in exactly one
/// queue, where it may have come, and the numbers agree with what the jobs told.
struct BulkModel {
    /// A queue of this model, with its dead-letter queue.
    enum Queue: Int, CaseIterable {
        case bulk0, bulk1, bulk2
        /// The stranger's own.
        case box
        /// Nobody may publish to it but the operator.
        case vault

        var name: String {
            switch self {
            case .bulk0: "bulk0"
            case .bulk1: "bulk1"
            case .bulk2: "bulk2"
            case .box: "i.box"
            case .vault: "vault"
            }
        }
    }

    struct Place: Hashable {
        var queue: Queue
        var isDead: Bool
        var name: String { isDead ? queue.name + ".dead" : queue.name }
        static let all = Queue.allCases.flatMap { [Place(queue: $0, isDead: false), Place(queue: $0, isDead: true)] }
        var index: Int { queue.rawValue * 2 + (isDead ? 1 : 0) }
    }

    struct Message {
        var home: Queue
        var isStrangers: Bool
        /// 0 while it is not known.
        var id: UInt64 = 0
        var mayBeAbsent = true
        var mayBePresent = false
        var mayBeGone = false
        var isGone = false
    }

    struct Job {
        var action: BulkRequest.Action
        var from: Place
        var to: Queue?
        var beganBefore: UInt64
        var ratePerSecond: UInt32
        var last: JobReply
        var isCounted = false
        var isRunning: Bool { last.state == .running }
    }

    /// A queue and its dead letters together: what goes from one to the other stays here.
    struct Unit {
        /// Messages at the last look.
        var base: UInt64 = 0
        /// Since then, as far as it was told.
        var came: UInt64 = 0
        var went: UInt64 = 0
        /// Of everything since then an answer came.
        var isExact = true
    }

    var messages: [Message] = []
    var jobs: [UInt64: Job] = [:]
    /// Of the order in which they began.
    var jobIDs: [UInt64] = []
    var units: [Unit] = Array(repeating: Unit(), count: Queue.allCases.count)
    /// By place: since the last look a job may have cancelled messages there.
    private var isCancelled = Array(repeating: false, count: Place.all.count)
    /// Messages come and go there without a word.
    private(set) var isUncounted = Array(repeating: false, count: Queue.allCases.count)
    /// Ways that a message may have gone: by place, the queues that jobs were to move it to.
    private var ways: [[Queue]] = Array(repeating: [], count: Place.all.count)
    /// Seen at the look that is under way, by message: the places.
    var sightings: [Int: [Place]] = [:]
    private let failure = Failure()
    var problem: (promise: Int, text: String)? { failure.problem }

    /// Tags of these messages begin here.
    static let firstTag = 1 << 40

    /// Apart from the rest, so that a sentence about the rest can be made while it changes.
    private final class Failure {
        var problem: (promise: Int, text: String)?
    }

    func fail(_ promise: Int, _ text: @autoclosure () -> String) {
        if failure.problem == nil { failure.problem = (promise, text()) }
    }

    func takeProblem() -> (promise: Int, text: String)? {
        defer { failure.problem = nil }
        return failure.problem
    }

    private func name(_ index: Int) -> String {
        "message \(index) of \(messages[index].home.name)\(messages[index].isStrangers ? ", the stranger's," : "")"
    }

    // MARK: Publishing and settling

    mutating func published(_ tags: Range<Int>, _ status: (Int) -> (status: ItemStatus, id: UInt64)) {
        for tag in tags {
            let (status, id) = status(tag)
            if status == .ok {
                messages[tag].id = id
                messages[tag].mayBeAbsent = false
                messages[tag].mayBePresent = true
                units[messages[tag].home.rawValue].came += 1
            } else {
                messages[tag].mayBePresent = false
            }
        }
    }

    mutating func maybePublished(_ tags: Range<Int>) {
        for tag in tags { messages[tag].mayBePresent = true }
        if let first = tags.first { units[messages[first].home.rawValue].isExact = false }
    }

    mutating func acknowledged(_ tag: Int, accepted: Bool, at place: Place) {
        guard accepted else { return }
        if messages[tag].isGone { fail(3, "\(name(tag)) was acknowledged twice") }
        messages[tag].isGone = true
        units[place.queue.rawValue].went += 1
    }

    mutating func maybeAcknowledged(_ tag: Int, at place: Place) {
        messages[tag].mayBeGone = true
        units[place.queue.rawValue].isExact = false
    }

    mutating func delivered(_ tag: Int, id: UInt64, from place: Place) {
        guard messages.indices.contains(tag) else { return fail(10, "a message was delivered from \(place.name) that nobody published: \(tag)") }
        if messages[tag].isGone { fail(3, "\(name(tag)) was delivered from \(place.name) after its ack was confirmed") }
        if !messages[tag].mayBePresent { refusedAndSeen(tag, place) }
        if messages[tag].id != 0, messages[tag].id != id { fail(1, "\(name(tag)) is there twice, as \(messages[tag].id) and \(id)") }
        if !reachable(from: messages[tag].home)[place.index] { trespass(tag, place) }
        if messages[tag].mayBeAbsent { units[messages[tag].home.rawValue].isExact = false }
        messages[tag].id = id
        messages[tag].mayBeAbsent = false
        messages[tag].mayBePresent = true
    }

    private func refusedAndSeen(_ tag: Int, _ place: Place) {
        fail(messages[tag].isStrangers ? 13 : 8, "\(name(tag)) is in \(place.name), and its publish was refused")
    }

    private func trespass(_ tag: Int, _ place: Place) {
        fail(13, "\(name(tag)) is in '\(place.name)', where nobody who may publish there brought it")
    }

    // MARK: Jobs

    /// A job was asked for: whether it was begun or not, messages may go this way from now on.
    mutating func mayMove(from place: Place, to queue: Queue?) {
        guard let queue, !ways[place.index].contains(queue) else { return }
        ways[place.index].append(queue)
    }

    /// A job was asked for that cancels messages there, whenever it comes to them.
    mutating func mayCancel(at place: Place) { isCancelled[place.index] = true }

    /// Dead letters of the queue may go to `queue`: nobody tells how many.
    mutating func mayDie(from queue: Queue, to target: Queue?) {
        isUncounted[queue.rawValue] = true
        guard let target else { return }
        isUncounted[target.rawValue] = true
        mayMove(from: Place(queue: queue, isDead: false), to: target)
    }

    mutating func maybeBegun(from place: Place, to queue: Queue?) {
        units[place.queue.rawValue].isExact = false
        if let queue { units[queue.rawValue].isExact = false }
    }

    mutating func begun(_ reply: JobReply, _ job: Job) {
        jobs[reply.job] = job
        jobIDs.append(reply.job)
    }

    mutating func told(_ reply: JobReply, now: UInt64) {
        guard let job = jobs[reply.job] else { return }
        let last = job.last
        if reply.matched != reply.done + reply.failed { fail(8, "job \(reply.job) told of \(reply.matched) matched, \(reply.done) done and \(reply.failed) failed") }
        if reply.done < last.done || reply.failed < last.failed { fail(8, "job \(reply.job) told of \(reply.done) done after \(last.done)") }
        if !job.isRunning, reply.done != last.done { fail(8, "job \(reply.job) ended, and went on: \(last.done) done, then \(reply.done)") }
        if job.ratePerSecond > 0 {
            // A step's worth is done at once.
            let most = UInt64(max(1, job.ratePerSecond / 20)) + (now - min(now, job.beganBefore)) * UInt64(job.ratePerSecond) / 1000
            if reply.matched > most { fail(8, "job \(reply.job) changed \(reply.matched) messages in \(now - job.beganBefore) ms at \(job.ratePerSecond) a second") }
        }
        jobs[reply.job]?.last = reply
        guard reply.state != .running, !job.isCounted else { return }
        jobs[reply.job]?.isCounted = true
        switch job.action {
        case .cancel: units[job.from.queue.rawValue].went += reply.done
        case .move, .redrive:
            guard let to = job.to, to != job.from.queue else { break }
            units[job.from.queue.rawValue].went += reply.done
            units[to.rawValue].came += reply.done
        case .reschedule, .look, .stop: break
        }
    }

    /// Nobody remembers the job any more.
    mutating func forgotten(_ id: UInt64) {
        guard let job = jobs[id], !job.isCounted else { return }
        jobs[id]?.isCounted = true
        jobs[id]?.last.state = .stopped
        units[job.from.queue.rawValue].isExact = false
        if let to = job.to { units[to.rawValue].isExact = false }
    }

    var running: [UInt64] { jobIDs.filter { jobs[$0]?.isRunning ?? false } }

    // MARK: Looking

    /// By the index of places: whether a message that was published to `home` may have come there.
    private func reachable(from home: Queue) -> [Bool] {
        var found = Array(repeating: false, count: Place.all.count)
        var next = [Place(queue: home, isDead: false)]
        while let place = next.popLast() {
            guard !found[place.index] else { continue }
            found[place.index] = true
            // Dead letters go back where they came from.
            next.append(Place(queue: place.queue, isDead: !place.isDead))
            for queue in ways[place.index] { next.append(Place(queue: queue, isDead: false)) }
        }
        return found
    }

    mutating func seen(_ tag: Int, id: UInt64, at place: Place) {
        guard messages.indices.contains(tag) else { return fail(10, "a message is shown in \(place.name) that nobody published: \(tag)") }
        if messages[tag].id != 0, messages[tag].id != id { fail(1, "\(name(tag)) is there twice, as \(messages[tag].id) and \(id)") }
        messages[tag].id = id
        sightings[tag, default: []].append(place)
    }

    /// Everything was seen, and nothing goes on.
    mutating func judge() {
        var counts = Array(repeating: UInt64(0), count: units.count)
        for tag in messages.indices {
            let places = sightings[tag] ?? []
            for place in places { counts[place.queue.rawValue] += 1 }
            if places.count > 1 { fail(1, "\(name(tag)) is in \(places.map(\.name)) at once") }
            guard let place = places.first else {
                let mayBeCancelled = zip(reachable(from: messages[tag].home), isCancelled).contains { $0 && $1 }
                if !messages[tag].mayBeAbsent, !messages[tag].mayBeGone, !messages[tag].isGone, !mayBeCancelled {
                    fail(1, "\(name(tag)) is lost: it was confirmed, and neither acknowledged nor cancelled")
                }
                if messages[tag].mayBeAbsent { messages[tag].mayBePresent = false }
                messages[tag].isGone = true
                continue
            }
            if messages[tag].isGone { fail(3, "\(name(tag)) is in \(place.name), and it was gone") }
            if !messages[tag].mayBePresent { refusedAndSeen(tag, place) }
            if !reachable(from: messages[tag].home)[place.index] { trespass(tag, place) }
            messages[tag].mayBeAbsent = false
            messages[tag].mayBeGone = false
        }
        for (index, unit) in units.enumerated() {
            let expected = unit.base + unit.came - min(unit.base + unit.came, unit.went)
            if unit.isExact, !isUncounted[index], counts[index] != expected {
                fail(8, "\(Queue.allCases[index].name) and its dead letters hold \(counts[index]) messages: there were \(unit.base), \(unit.came) came and \(unit.went) went, as was told")
            }
            units[index] = Unit(base: counts[index])
        }
        sightings = [:]
        isCancelled = Array(repeating: false, count: Place.all.count)
    }
}
