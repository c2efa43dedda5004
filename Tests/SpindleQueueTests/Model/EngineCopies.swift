import SpindleQueue

extension QueueEngine {
    /// What a log and a checkpoint must give again, line by line.
    var durableState: [String] {
        var lines: [String] = []
        for queue in queues {
            lines.append("queue \(queue.number) '\(queue.name)' \(queue.isDeleted) \(queue.policy) \(queue.pause) \(queue.rateTime)")
            lines.append("\(queue.totals) \(queue.counts) turns \(queue.groups.turns) free \(queue.groups.free)")
            for (number, group) in queue.groups.slots.enumerated() where group.isUsed {
                lines.append("group \(number) '\(group.key)' turn \(group.turn) rate \(group.rateTime)")
                for lane in group.lanes where !lane.packed.isEmpty {
                    lines.append("priority \(lane.priority): \(lane.packed.count) of \(lane.packed.byteCount)")
                    lane.packed.forEach { message in
                        lines.append("\(message.id) \(message.address) \(message.byteCount) \(message.storedAt)")
                        return true
                    }
                    for chunk in Array(lane.packed.rest) { lines.append("chunk \(chunk.base) \(chunk.isMoved) \(chunk.used) \(Array(chunk.remaining))") }
                }
            }
        }
        for message in held.all {
            // Whether a message is still delayed is a matter of time, not of the log.
            let lease = if case .leased(let lease) = message.state { "\(lease)" } else { "\(message.readyAt)" }
            lines.append("held \(message.id) \(message.address) \(message.byteCount) \(message.queue) \(message.group) \(message.storedAt) \(message.liveFrom)")
            lines.append("\(message.timeToLive) \(message.priority) \(message.isCancelled) \(message.epoch) \(message.attempts) \(lease)")
            if let history = history(of: message.id) { lines.append("\(history)") }
        }
        return lines
    }

    /// The engine that a checkpoint of this one gives; nil where it could not be put back.
    func checkpointed() -> QueueEngine? {
        var copy = QueueEngine()
        copy.time = time
        for queue in queues {
            guard !queue.isDeleted else {
                copy.restoreDeleted()
                continue
            }
            guard copy.restore(queue) else { return nil }
        }
        for var message in held.all {
            if !message.isLeased { message.state = message.readyAt > time ? .delayed(until: message.readyAt) : .ready }
            guard copy.restore(message, history: history(of: message.id)) else { return nil }
        }
        copy.restored()
        return copy
    }

    private mutating func restore(_ queue: QueueState) -> Bool {
        let number = declare(queue.name, policy: queue.policy, number: queue.number)
        restore(pause: queue.pause, rateTime: queue.rateTime, of: number)
        restore(totals: queue.totals, deduplication: queue.deduplication, producers: queue.producers, of: number)
        var table = GroupTable()
        for (number, group) in queue.groups.slots.enumerated() where group.isUsed {
            let isRestored = table.restore(
                UInt32(number), key: group.key, turn: group.turn, rateTime: group.rateTime, numberMax: queue.groups.free.count)
            guard isRestored else { return false }
        }
        guard table.restore(turns: queue.groups.turns, free: queue.groups.free) else { return false }
        restore(groups: table, of: number)
        for (slot, group) in queue.groups.slots.enumerated() {
            for lane in group.lanes {
                guard let first = lane.packed.first else { continue }
                let chunks = Array(lane.packed.rest).compactMap {
                    PackedChunk(base: $0.base, isMoved: $0.isMoved, used: $0.used, count: $0.count, bytes: Array($0.remaining))
                }
                guard let packed = PackedMessages(first: first, rest: chunks), packed.count == lane.packed.count,
                    restore(packed: packed, of: number, group: UInt32(slot), priority: lane.priority)
                else { return false }
            }
        }
        return true
    }
}
