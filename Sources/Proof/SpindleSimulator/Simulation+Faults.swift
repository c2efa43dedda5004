internal import SpindleLog
internal import SpindleNode

// What goes wrong with disk and process, and what a start makes of it.
extension Simulation {
    /// Decides at which I/O something goes wrong next.
    func planFault() {
        guard !isCalm else { return }
        plannedFault = storage.operations + 1 + random.below(2 * profile.faultDistance)
        if profile.capacity < .max, random.chance(1, in: 3) {
            storage.disk.capacity = random.chance(1, in: 2) ? profile.capacity : profile.capacity * 2
        }
        var faults: [SimulatedDisk.Fault] = []
        if features.contains(.powerLoss) { faults += [.crash, .crash, .crash] }
        if features.contains(.ioErrors) {
            faults += [.error(5), .error(28), .errorAfterBytes(random.below(2_000), 5), .short(1 + random.below(2_000))]
        }
        guard !faults.isEmpty else { return }
        storage.faults = [plannedFault: faults[random.below(faults.count)]]
    }

    /// Other threads of the broker get their turn between two calls of one.
    func betweenCalls() {
        guard broker.isAlive, random.chance(1, in: 10) else { return }
        switch random.below(3) {
        case 0 where !broker.isPreparing: background()
        case 1 where !broker.isCheckpointing: checkpoint()
        case 2 where !broker.isWriting:
            broker.beginCommit()
            broker.finishCommit()
        case _: break
        }
    }

    /// Every un-synced sector is kept, lost or torn on its own, and any prefix of the directory's changes survives.
    private func crashChoice(_ disk: SimulatedDiskState) -> SimulatedDiskState.CrashChoice {
        var own = SeededGenerator(seed: random.next())
        let kept = random.below(disk.pendingChanges.count + 1)
        let style = random.below(4)
        // In the middle, or within the first bytes of what may be an entry.
        let tornAt = random.chance(1, in: 2) ? SimulatedDiskState.sectorBytes / 2 : 8 * random.below(SimulatedDiskState.sectorBytes / 8) + 4
        var choice = SimulatedDiskState.CrashChoice(
            directoryChangesKept: kept,
            sector: { _ in
                switch style {
                case 0: .lost
                case 1: .kept
                case _: SimulatedDiskState.SectorFate.allCases[own.below(3)]
                }
            },
            sizeKept: { index in style == 1 || (style != 0 && index.isMultiple(of: 2)) })
        choice.tornAt = tornAt
        return choice
    }

    // MARK: Starting again

    func restart(losesPower: Bool) {
        note(losesPower ? "power is lost" : "the process ends\(broker.failure.map { ": \($0)" } ?? ", killed")")
        result.inputOutputs += storage.operations
        if losesPower { result.crashes += 1 }
        if broker.failure != nil, !losesPower { result.faults += 1 }
        loseEverything()
        var disk = storage.disk
        storage.disk = SimulatedDiskState()
        if losesPower { disk.crash(crashChoice(disk)) }
        var attempt = 0
        while oracle.violation == nil {
            let next = SimulatedDisk(disk)
            next.recordsTrace = false
            if !isCalm, attempt < 3, features.contains(.powerLoss), random.chance(1, in: 4) {
                next.faults[random.below(8)] = random.chance(2, in: 3) || !features.contains(.ioErrors) ? .crash : .error(5)
            }
            attempt += 1
            result.recoveries += 1
            do throws(LogRecoveryError) {
                try begin(on: next)
                return
            } catch {
                guard case .storage = error else {
                    oracle.fail(10, "the broker does not start: \(error)")
                    return
                }
                note("the start failed: \(error)")
                result.inputOutputs += next.operations
                disk = next.disk
                if next.isDown {
                    result.crashesInRecovery += 1
                    disk.crash(crashChoice(disk))
                } else {
                    result.faults += 1
                    cachedTail = broker.node.log.currentSegment
                }
            }
        }
    }

    private func begin(on next: SimulatedDisk) throws(LogRecoveryError) {
        let shadow = snapshot.flatMap(shadow)
        let start = try SimulatedBroker.start(next, configuration, shadow: shadow)
        note("recovered to \(start.recovered.end), tail \(start.recovered.tail)")
        next.faults = [:]
        if let tail = cachedTail, start.recovered.end.segment(segmentBytes: start.recovered.segmentBytes) > tail { cachedTail = nil }
        var state = start.state
        state.advance(to: now)
        let bytes = SimulatedBroker.encode(state)
        let end = start.recovered.end
        if end < broker.node.log.durable {
            oracle.fail(1, "the log was durable to \(broker.node.log.durable), and recovered to \(end)")
        }
        if end == broker.node.log.end {
            var live = broker.node.state
            live.advance(to: now)
            compare(SimulatedBroker.encode(live), bytes, "what was live")
        } else if let shadow, !shadow.isLeftOut, shadow.from <= end {
            shadow.state.advance(to: now)
            compare(SimulatedBroker.encode(shadow.state), bytes, "what was live at \(shadow.from), and the entries since,")
        }
        if random.chance(1, in: 4) { recoverAgain(next, start, bytes) }
        if features.contains(.damage), !isCalm, random.chance(1, in: 4) { damage(next, start, bytes) }
        storage = next
        broker = SimulatedBroker(
            start, storage: next, configuration: configuration, now: now, checkpointIntervalBytes: profile.checkpointIntervalBytes)
        now = broker.now
        attach()
        snapshot = nil
        planFault()
    }

    /// What was live, read back from its encoding: live it may have looked ahead, and no log says so.
    private func shadow(_ snapshot: (state: [UInt8], lsn: LSN)) -> SimulatedBroker.Shadow? {
        var state = NodeState(configuration: configuration)
        do throws(NodeRestoreError) {
            try state.restore(checkpoint: snapshot.state.span.bytes)
            return SimulatedBroker.Shadow(state, from: snapshot.lsn)
        } catch {
            oracle.fail(8, "the state at \(snapshot.lsn) can't be read back: \(error)")
            return nil
        }
    }

    private func compare(_ expected: [UInt8], _ recovered: [UInt8], _ what: String) {
        result.stateComparisons += 1
        guard !isSame(expected, recovered) else { return }
        let at = zip(expected, recovered).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(expected.count, recovered.count)
        noteDifference(expected, recovered)
        oracle.fail(8, "the recovered state differs from \(what): \(expected.count) and \(recovered.count) bytes, first at \(at)")
    }

    /// Behind the version stands the time, which live may be ahead of the last entry's, and a checkpoint with it.
    private func isSame(_ expected: [UInt8], _ found: [UInt8]) -> Bool {
        let time = 2..<10
        return expected.count == found.count && expected[time.upperBound...] == found[time.upperBound...]
    }

    private func noteDifference(_ expected: [UInt8], _ found: [UInt8]) {
        let at = zip(expected, found).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(expected.count, found.count)
        func part(_ bytes: [UInt8]) -> ArraySlice<UInt8> { bytes[max(0, at - 48)..<min(at + 32, bytes.count)] }
        note("\(expected.count) and \(found.count) bytes, first different at \(at): expected \(part(expected)), found \(part(found))")
    }

    /// Recovering once more, with or without a loss of power in between, changes nothing.
    private func recoverAgain(_ storage: SimulatedDisk, _ start: borrowing SimulatedBroker.Start, _ bytes: [UInt8]) {
        var disk = storage.disk
        if random.chance(1, in: 2) {
            disk.crash(.init(directoryChangesKept: 0, sector: { _ in .lost }, sizeKept: { _ in false }))
        }
        let copy = SimulatedDisk(disk)
        copy.recordsTrace = false
        result.recoveries += 1
        do throws(LogRecoveryError) {
            let again = try SimulatedBroker.start(copy, configuration)
            if again.recovered.end != start.recovered.end || (again.recovered.tail != .clean && cachedTail == nil) {
                oracle.fail(8, "a second recovery ends at \(again.recovered.end), \(again.recovered.tail), the first at \(start.recovered.end)")
            }
            var state = again.state
            state.advance(to: now)
            compare(SimulatedBroker.encode(state), bytes, "what a second recovery gives")
        } catch {
            oracle.fail(8, "a second recovery does not start: \(error)")
        }
    }

    // MARK: Damage

    /// A copy of the disk is damaged: a start on it must refuse, or find everything that was there.
    private func damage(_ storage: SimulatedDisk, _ start: borrowing SimulatedBroker.Start, _ bytes: [UInt8]) {
        var disk = storage.disk
        let names = storage.disk.names.keys.filter(\.holdsData).sorted { "\($0)" < "\($1)" }
        guard !names.isEmpty else { return }
        if features.contains(.missingSegments), random.chance(1, in: 4) { return loseSegment(storage) }
        let name = names[random.below(names.count)]
        let kind = random.below(4)
        let place = random.next()
        let sectorBytes = SimulatedDiskState.sectorBytes
        var damaged = 0..<0
        let stale = disk.names[name].flatMap { disk.files[$0]?.lastSynced }
        disk.damage(name) { content in
            guard content.count >= sectorBytes else { return }
            let sectors = content.count / sectorBytes
            let sector = Int(place % UInt64(sectors))
            var range = sector * sectorBytes..<(sector + 1) * sectorBytes
            switch kind {
            case 0:
                let bit = Int(place % UInt64(content.count * 8))
                content[bit / 8] ^= 1 << UInt8(bit % 8)
                range = bit / 8..<bit / 8 + 1
            case 1: content.replaceSubrange(range, with: [UInt8](repeating: 0, count: sectorBytes))
            case 2:
                let other = Int((place >> 20) % UInt64(sectors)) * sectorBytes
                content.replaceSubrange(range, with: Array(content[other..<other + sectorBytes]))
            case _:
                guard let stale, (stale.sector + 1) * sectorBytes <= content.count else { return }
                range = stale.sector * sectorBytes..<(stale.sector + 1) * sectorBytes
                content.replaceSubrange(range, with: stale.before)
            }
            damaged = range
        }
        guard !damaged.isEmpty else { return }
        let copy = SimulatedDisk(disk)
        copy.recordsTrace = false
        result.damages += 1
        do throws(LogRecoveryError) {
            let found = try SimulatedBroker.start(copy, configuration)
            var state = found.state
            state.advance(to: now)
            let again = SimulatedBroker.encode(state)
            if found.recovered.end == start.recovered.end, isSame(bytes, again) { return }
            noteDifference(bytes, again)
            // The stated limit: the last synced batch, of which nothing later says that it was durable.
            if case .segment(let number) = name,
                number * start.recovered.segmentBytes + UInt64(damaged.upperBound) > start.recovered.statedDurable.rawValue
            { return }
            oracle.fail(10, "\(name) was damaged at \(damaged), and the broker started on it without a word: end \(found.recovered.end) of \(start.recovered.end)")
        } catch {
            result.damagesDetected += 1
        }
    }
}

extension Simulation {
    /// The oldest segment of a copy is gone: a start on it must refuse, unless nothing in the segment is needed any more.
    private func loseSegment(_ storage: SimulatedDisk) {
        var disk = storage.disk
        let numbers = disk.names.keys.compactMap { if case .segment(let number) = $0 { number } else { nil } }.sorted()
        guard let first = numbers.first, numbers.count > 1 else { return }
        disk.names[.segment(first)] = nil
        disk.durableNames[.segment(first)] = nil
        let copy = SimulatedDisk(disk)
        copy.recordsTrace = false
        result.damages += 1
        do throws(LogRecoveryError) {
            let found = try SimulatedBroker.start(copy, configuration)
            guard let oldest = found.state.oldestLiveAddress, oldest < found.recovered.first.rawValue else { return }
            oracle.fail(10, "segment \(first) was gone, and the broker started without it: the record at \(oldest) is needed")
        } catch {
            result.damagesDetected += 1
        }
    }
}

extension LogFileName {
    /// The log's state lies in it.
    fileprivate var holdsData: Bool {
        switch self {
        case .segment, .checkpoint: true
        case .prepared, .preparing, .spent, .checkpointing, .quarantined: false
        }
    }
}
