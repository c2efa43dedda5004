// Putting back what a checkpoint holds.
extension QueueEngine {
    /// Puts back a held message, with its history; `message.readyAt` says whether it is delayed. False where it can't be.
    package mutating func restore(_ message: HeldMessage, history: MessageHistory?) -> Bool {
        let index = Int(message.queue)
        guard message.isLeased || message.epoch < .max, index < queues.count, !queues[index].isDeleted, held.find(message.id) == nil,
            Int(message.group) < queues[index].groups.slots.count, queues[index].groups.slots[Int(message.group)].isUsed
        else { return false }
        var message = message
        message.hasHistory = history != nil
        message.isInAges = false
        histories[message.id] = history
        messagesBound += 1
        hold(message)
        queues[index].counts.bytes += UInt64(message.byteCount)
        return true
    }

    /// Puts back the packed messages of a lane. False where there are some already.
    package mutating func restore(packed: PackedMessages, of queue: UInt32, group: UInt32, priority: UInt8) -> Bool {
        let index = Int(queue)
        let slot = Int(group)
        guard slot < queues[index].groups.slots.count, queues[index].groups.slots[slot].isUsed else { return false }
        let lane = queues[index].groups.slots[slot].lane(priority)
        guard queues[index].groups.slots[slot].lanes[lane].packed.isEmpty else { return false }
        queues[index].groups.slots[slot].lanes[lane].packed = packed
        messagesBound += packed.count
        queues[index].counts.ready += UInt64(packed.count)
        queues[index].counts.bytes += packed.byteCount
        return true
    }

    /// Puts back the groups of a fresh queue.
    package mutating func restore(groups: GroupTable, of queue: UInt32) { queues[Int(queue)].groups = groups }

    /// Changes the parts of a queue that only a checkpoint restores.
    package mutating func restore(
        totals: QueueState.Totals, deduplication: DeduplicationWindow, producers: ProducerTable, of queue: UInt32
    ) {
        queues[Int(queue)].totals = totals
        queues[Int(queue)].deduplication = deduplication
        queues[Int(queue)].producers = producers
    }

    package mutating func restore(pause: QueueState.Pause, rateTime: UInt64, of queue: UInt32) {
        queues[Int(queue)].pause = pause
        queues[Int(queue)].rateTime = rateTime
    }

    /// The place of a deleted queue.
    package mutating func restoreDeleted() {
        var state = QueueState(number: UInt32(queues.count), name: "", policy: QueuePolicy())
        state.isDeleted = true
        queues.append(state)
        deletedCount += 1
    }

    /// All of it is there: works out what follows from it.
    package mutating func restored() {
        for index in queues.indices {
            queues[index].restoredGroups()
            queues[index].refreshAll(held)
            if queues[index].policy.timeToLiveMilliseconds > 0 { ageAnew(UInt32(index)) }
            if !queues[index].deduplication.isEmpty { noteKeyEnd(index) }
        }
    }
}

extension QueueState {
    mutating func restoredGroups() {
        guard groups.hasKeys else { return }
        for slot in groups.slots.indices where groups.slots[slot].isUsed {
            if let oldest = oldestPacked(in: slot) { groups.oldest.set(UInt32(slot), to: oldest) }
            if slot > 0, groups.slots[slot].isEmpty { groups.retiring.set(UInt32(slot), to: Rate.overAt(time: groups.slots[slot].rateTime)) }
        }
    }
}
