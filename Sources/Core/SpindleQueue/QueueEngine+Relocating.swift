internal import DequeModule

/// A record that lies elsewhere from now on.
package struct Relocation: Equatable, Sendable {
    package var id: UInt64
    package var queue: UInt32
    package var group: UInt32
    package var from: UInt64
    package var to: UInt64

    package init(id: UInt64, queue: UInt32, group: UInt32, from: UInt64, to: UInt64) {
        self.id = id
        self.queue = queue
        self.group = group
        self.from = from
        self.to = to
    }
}

extension QueueEngine {
    /// The records of several messages lie elsewhere from now on, in different queues. Each chunk of waiting messages is rewritten once
    /// however many of its messages are named. Returns those that are not there with a record at `from`.
    package mutating func relocate(_ relocations: [Relocation]) -> [Relocation] {
        var isDone = [Bool](repeating: false, count: relocations.count)
        var waiting: [Int] = []
        for (index, one) in relocations.enumerated() {
            if held.find(one.id) != nil {
                isDone[index] = relocate(one.id, in: one.queue, group: one.group, from: one.from, to: one.to)
            } else {
                waiting.append(index)
            }
        }
        waiting.sort {
            let (a, b) = (relocations[$0], relocations[$1])
            return (a.queue, a.group, a.id) < (b.queue, b.group, b.id)
        }
        var start = 0
        while start < waiting.count {
            let first = relocations[waiting[start]]
            var end = start
            while end < waiting.count, relocations[waiting[end]].queue == first.queue, relocations[waiting[end]].group == first.group { end += 1 }
            relocateWaiting(Array(waiting[start..<end]), relocations, &isDone)
            start = end
        }
        // A group's number may be out of date: those are searched for.
        for index in waiting where !isDone[index] {
            let one = relocations[index]
            isDone[index] = relocate(one.id, in: one.queue, group: one.group, from: one.from, to: one.to)
        }
        return relocations.indices.filter { !isDone[$0] }.map { relocations[$0] }
    }

    /// `indices`: of relocations in one group, by id.
    private mutating func relocateWaiting(_ indices: [Int], _ relocations: [Relocation], _ isDone: inout [Bool]) {
        guard let first = indices.first.map({ relocations[$0] }), Int(first.queue) < queues.count,
            Int(first.group) < queues[Int(first.queue)].groups.slots.count
        else { return }
        let moves = indices.map { relocations[$0] }
        for lane in queues[Int(first.queue)].groups.slots[Int(first.group)].lanes.indices {
            queues[Int(first.queue)].groups.slots[Int(first.group)].lanes[lane].packed.relocate(moves) { isDone[indices[$0]] = true }
        }
    }
}

extension PackedMessages {
    /// As ``relocate(_:from:to:)``, for several by rising id. Tells which of them were there.
    mutating func relocate(_ moves: [Relocation], _ found: (Int) -> Void) {
        var start = 0
        while start < moves.count {
            if relocateFirst(moves[start]) {
                found(start)
                start += 1
                continue
            }
            let chunk = chunkIndex(of: moves[start].id)
            guard count > 1, chunk < chunks.count else { return }
            let end = chunks[chunk].tail.end
            var last = start
            while last < moves.count, moves[last].id < end { last += 1 }
            var next = start
            rewrite(chunk) { message in
                while next < last, moves[next].id < message.id { next += 1 }
                guard next < last, moves[next].id == message.id, moves[next].from == message.address else { return message }
                found(next)
                var moved = message
                moved.address = moves[next].to
                return moved
            }
            start = last
        }
    }
}
