package import SpindleLog
internal import SpindleQueue
package import SpindleWire

/// A record that is still needed, as it lies now: so that it can be moved forward and the segment below it be freed.
package struct Straggler: Equatable, Sendable {
    package enum Owner: Equatable, Sendable {
        case message(id: UInt64, queue: UInt32, group: UInt32)
        case event(offset: UInt64)
        /// Of the message with that id.
        case result(id: UInt64)
    }

    package var owner: Owner
    package var address: UInt64
    package var byteCount: Int
}

/// What a move of stragglers came to.
package struct Relocated: Equatable, Sendable {
    package var records = 0
    package var bytes: UInt64 = 0
    /// Bytes of the entry in the log.
    package var loggedBytes: UInt64 = 0
}

extension NodeState {
    /// Records below `address` that are needed, at most `max`, by address.
    package func stragglers(below address: UInt64, max: Int) -> [Straggler] {
        var found = engine.stragglers(below: address, max: max).map {
            Straggler(owner: .message(id: $0.id, queue: $0.queue, group: $0.group), address: $0.address, byteCount: Int($0.byteCount))
        }
        found += topics.stragglers(below: address, max: max).map {
            Straggler(owner: .event(offset: $0.offset), address: $0.address, byteCount: Int($0.byteCount))
        }
        found += results.stragglers(below: address, max: max).map {
            Straggler(owner: .result(id: $0.id), address: $0.address, byteCount: Int($0.byteCount))
        }
        found.sort { $0.address < $1.address }
        if found.count > max { found.removeLast(found.count - max) }
        return found
    }

    /// Whether the record is still needed, and lies where it did.
    package func isInPlace(_ straggler: Straggler) -> Bool {
        switch straggler.owner {
        case .message(let id, let queue, let group):
            Int(queue) < engine.queues.count && engine.view(id, in: queue, group: group)?.address == straggler.address
        case .event(let offset): topics.address(of: offset) == straggler.address
        case .result(let id): results.find(id)?.address == straggler.address
        }
    }

    /// Appends the records again, as one entry, and has the state point there. `records` are the stragglers' bytes, one behind the
    /// other, checked. What is no longer needed, or was moved meanwhile, is left out.
    ///
    /// The entry changes where bytes lie and nothing else. Until a checkpoint behind it stands, the former place is not freed: a
    /// crash before the entry is durable leaves everything as it was, one after it replays the move.
    package mutating func relocate(
        _ stragglers: [Straggler], records: RawSpan, now: UInt64, log: inout LogAppender
    ) throws(WireError) -> Relocated {
        var transaction = TransactionWriter()
        set(time: now)
        transaction.begin(now: time)
        var moved: [(straggler: Straggler, offset: Int)] = []
        var offset = 0
        for straggler in stragglers {
            if isInPlace(straggler) {
                switch straggler.owner {
                case .message(let id, let queue, let group):
                    transaction.relocate(
                        id, in: queue, group: group, from: straggler.address, offset: offset, byteCount: UInt32(straggler.byteCount))
                case .event(let event): transaction.relocateEvent(event, place: offset, byteCount: straggler.byteCount)
                case .result(let id): transaction.relocateResult(id, place: offset, byteCount: straggler.byteCount)
                }
                moved.append((straggler, offset))
            }
            offset += straggler.byteCount
        }
        precondition(offset == records.byteCount, "the records are the stragglers' bytes")
        guard !moved.isEmpty else { return Relocated() }
        transaction.finish()
        let before = log.end
        let base = try Node.append(.relocate, head: transaction.writer, body: records, to: &log)
        var relocated = Relocated()
        var relocations: [Relocation] = []
        for (straggler, offset) in moved {
            switch straggler.owner {
            case .message(let id, let queue, let group):
                relocations.append(Relocation(id: id, queue: queue, group: group, from: straggler.address, to: base + UInt64(offset)))
            case .event(let event):
                let isMoved = topics.relocate(offset: event, to: base + UInt64(offset))
                precondition(isMoved, "it was in place a moment ago")
            case .result(let id):
                let isMoved = results.relocate(id, to: base + UInt64(offset))
                precondition(isMoved, "it was in place a moment ago")
            }
            relocated.records += 1
            relocated.bytes += UInt64(straggler.byteCount)
        }
        let lost = engine.relocate(relocations)
        precondition(lost.isEmpty, "they were in place a moment ago")
        relocated.loggedBytes = log.end.rawValue - before.rawValue
        return relocated
    }
}

extension Node {
    /// Most bytes that the entry takes beside the records, for so many of them.
    private static func relocationHeadBytes(_ count: Int) -> Int { 64 + 40 * count }

    /// Whether there is room for such a move without touching what acks and nacks need on a full disk.
    package func hasRoomToRelocate(_ stragglers: [Straggler]) -> Bool {
        let bytes = stragglers.reduce(Self.relocationHeadBytes(stragglers.count)) { $0 + $1.byteCount }
        return log.roomForPublish(payloadCount: bytes) == .available && log.canAppend(payloadCount: bytes)
    }

    /// Moves `stragglers`, whose bytes are `records`, to the end of the log. Nothing happens where there is no room.
    package mutating func relocate(_ stragglers: [Straggler], records: RawSpan, now: UInt64) -> Relocated {
        guard hasRoomToRelocate(stragglers) else { return Relocated() }
        do throws(WireError) {
            return try state.relocate(stragglers, records: records, now: now, log: &log)
        } catch {
            return Relocated() // of what `append` refuses nothing is left behind `hasRoomToRelocate`
        }
    }
}
