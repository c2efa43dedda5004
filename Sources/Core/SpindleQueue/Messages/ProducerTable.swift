package import DequeModule
package import OrderedCollections

/// What each producer stored last, so that a repeated publish is recognised: one table per queue or topic.
package struct ProducerTable: Sendable {
    /// Batches remembered per producer.
    package static let runsMax = 1024
    /// Producers remembered; beyond, the one that was silent longest is forgotten.
    package static let producersMax = 4096
    /// Batches remembered of all producers together; beyond, those that were silent longest keep their last one only. Some 6 MB.
    package static let runsMaxOfAll = 1 << 18

    /// Messages with rising sequences stored one behind the other.
    package struct Run: Equatable, Sendable {
        package var firstSequence: UInt64
        package var count: UInt32
        package var firstID: UInt64
        package init(firstSequence: UInt64, count: UInt32, firstID: UInt64) {
            self.firstSequence = firstSequence
            self.count = count
            self.firstID = firstID
        }
        package var endSequence: UInt64 { firstSequence &+ UInt64(count) }
    }

    package struct Producer: Sendable {
        package var runs: Deque<Run> = []
        /// Lowest sequence that can still be judged.
        package var judgedFrom: UInt64 = 0
        package init() {}

        /// Forgets all batches but the last; how many those were.
        fileprivate mutating func keepLast() -> Int {
            guard runs.count > 1, let last = runs.popLast(), let gone = runs.last else { return 0 }
            let count = runs.count
            judgedFrom = gone.endSequence
            runs = [last]
            return count
        }
    }

    /// Least recently heard first.
    package private(set) var producers: OrderedDictionary<UInt64, Producer> = [:]
    /// Of all producers.
    package private(set) var runCount = 0

    package init() {}

    package enum Verdict: Equatable, Sendable {
        case new
        /// Stored before; the id is known where the question began at the run's first message, else 0.
        case duplicate(firstID: UInt64, isFirstOfRun: Bool)
        /// Too old to tell.
        case forgotten
    }

    package func judge(producer id: UInt64, sequence: UInt64) -> Verdict {
        guard id != 0, let producer = producers[id], let last = producer.runs.last else { return .new }
        if sequence >= last.endSequence { return .new }
        if sequence < producer.judgedFrom { return .forgotten }
        // Runs rise in sequence: the last one that does not begin behind the question.
        var low = 0
        var high = producer.runs.count
        while low < high {
            let middle = (low + high) / 2
            if producer.runs[middle].firstSequence <= sequence { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return .new }
        let run = producer.runs[low - 1]
        guard sequence < run.endSequence else { return .new } // refused then: may come again
        return .duplicate(firstID: run.firstID, isFirstOfRun: run.firstSequence == sequence)
    }

    package mutating func stored(producer id: UInt64, _ run: Run) {
        guard id != 0 else { return }
        var producer = Producer()
        if let index = producers.index(forKey: id) {
            if index == producers.count - 1 {
                runCount += Self.add(run, to: &producers.values[index])
                forgetOfSilent()
                return
            }
            producer = producers.remove(at: index).value
        } else if producers.count >= Self.producersMax {
            runCount -= producers.removeFirst().value.runs.count
        }
        runCount += Self.add(run, to: &producer)
        producers[id] = producer
        forgetOfSilent()
    }

    /// Half of what may be there is left, so that this is done seldom.
    private mutating func forgetOfSilent() {
        guard runCount > Self.runsMaxOfAll else { return }
        for index in producers.values.indices {
            runCount -= producers.values[index].keepLast()
            if runCount <= Self.runsMaxOfAll / 2 { return }
        }
    }

    /// Returns how many more batches are remembered.
    private static func add(_ run: Run, to producer: inout Producer) -> Int {
        if let last = producer.runs.last, run.firstSequence < last.endSequence {
            // An item that was refused the first time: put it in its place.
            let at = producer.runs.firstIndex { $0.firstSequence > run.firstSequence } ?? producer.runs.count
            producer.runs.insert(run, at: at)
        } else {
            producer.runs.append(run)
        }
        guard producer.runs.count > runsMax, let gone = producer.runs.popFirst() else { return 1 }
        producer.judgedFrom = gone.endSequence
        return 0
    }

    package mutating func restore(_ id: UInt64, _ producer: Producer) {
        let before = producers.updateValue(producer, forKey: id)
        runCount += producer.runs.count - (before?.runs.count ?? 0)
    }
}
