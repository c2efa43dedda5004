/// What a position that holds no good entry means. The letters are those of `LogRecovery`.
enum TailVerdict {
    case clean
    case torn(LogTail)
    case corrupt(LogCorruption)

    /// - Parameters:
    ///   - fault: what is wrong at `offset`, where an entry should begin or the log should end.
    ///   - hasSuccessor: a file has the name of the next segment.
    ///   - isRecycled: stale bytes may follow the log's end.
    ///   - newestCheckpoint: by name, readable or not.
    static func of(
        _ fault: EntryFault, at offset: Int, in scanner: SegmentScanner, hasSuccessor: Bool, isRecycled: Bool,
        newestCheckpoint: LogFile?
    ) -> TailVerdict {
        func corrupt(_ evidence: String) -> TailVerdict {
            .corrupt(
                LogCorruption(
                    file: "\(LogFileName.segment(scanner.number))", offset: UInt64(offset), reason: "\(fault)", evidence: evidence))
        }
        // A
        if hasSuccessor { return corrupt("segment \(scanner.number + 1) exists, so this one was whole") }
        // B
        let segmentBytes = UInt64(scanner.bytes.count)
        let bad = LSN(segment: scanner.number, offset: UInt64(offset), segmentBytes: segmentBytes)
        let survivors = scanner.survivors(from: offset)
        if let proof = survivors.mostDurable, proof.durable > bad {
            let place = proof.lsn.offset(segmentBytes: segmentBytes)
            return corrupt("the entry at offset \(place) says that the log was durable to LSN \(proof.durable)")
        }
        // C
        if let newestCheckpoint, LogDirectory.position(newestCheckpoint) > bad {
            return corrupt("\(newestCheckpoint.name) lies behind it")
        }
        // D, or nothing at all
        let rest = UnsafeRawBufferPointer(rebasing: scanner.bytes[offset...])
        guard survivors.count > 0 || scanner.claimsEntry(at: offset) || (!isRecycled && !rest.isZero) else { return .clean }
        return .torn(
            .torn(
                file: "\(LogFileName.segment(scanner.number))", offset: UInt64(offset), reason: "\(fault)",
                discardedEntries: survivors.count))
    }
}
