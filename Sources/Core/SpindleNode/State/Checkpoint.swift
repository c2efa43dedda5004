internal import SpindleQueue
package import SpindleWire

// A node's state as bytes: what a checkpoint holds. Little-endian, written and read with the wire's own writer and reader; the
// file around it has the checksum. Source: `docs/decisions/0002-transactions.md`.
//
// u16 version = 4 · u64 time · u16 sections, each: u16 kind · content
//
// Sections come once each, in the order of their kinds. One that is not known was written by a later version: it can't be left out.
// Version 3 has no settlements. In version 2 the content's bytes came before it as a u64; without them a state of any size is written in pieces as it is read.
extension NodeState {
    private static let version: UInt16 = 4
    private static let versionWithoutSettlements: UInt16 = 3
    private static let versionWithLengths: UInt16 = 2

    /// Kinds of section. Queues come before what refers to them.
    enum CheckpointSection: UInt16, CaseIterable {
        case queues = 1
        case heldMessages = 2
        case topics = 3
        case jobs = 20
        case results = 25
        /// Since version 4.
        case settlements = 30
    }

    /// Appends the state; a writer that hands it on in pieces will do. Valid for the log position at which it is taken: entries from
    /// there on are replayed over it.
    package func encodeCheckpoint(into writer: inout WireWriter) {
        writer.u16(Self.version)
        writer.u64(time)
        writer.u16(UInt16(CheckpointSection.allCases.count))
        for kind in CheckpointSection.allCases {
            writer.u16(kind.rawValue)
            switch kind {
            case .queues: encodeQueues(into: &writer)
            case .heldMessages: encodeHeldMessages(into: &writer)
            case .topics: encodeTopics(into: &writer)
            case .jobs: jobs.encode(into: &writer)
            case .results: encodeResults(into: &writer)
            case .settlements: encodeSettlements(into: &writer)
            }
        }
    }

    /// Hands the state to `append` in pieces of about `pieceBytes`: what a large backlog takes never lies in memory as a whole.
    package func encodeCheckpoint(pieceBytes: Int = 256 << 10, to append: (RawSpan) -> Void) {
        WireWriter.inPieces(of: pieceBytes, to: append) { encodeCheckpoint(into: &$0) }
    }

    /// Takes over the state that ``encodeCheckpoint(into:)`` wrote, in this version or an earlier one; `self` must be fresh.
    package mutating func restore(checkpoint: RawSpan) throws(NodeRestoreError) {
        do throws(WireError) {
            var reader = WireReader(checkpoint)
            let version = try reader.u16("checkpoint version")
            let savedTime = try reader.u64("time")
            guard savedTime <= Self.timeMax else { throw .malformed("the checkpoint is of the time \(savedTime), which no clock shows") }
            set(time: savedTime)
            switch version {
            case 1: try restoreVersion1(&reader)
            case Self.versionWithLengths, Self.versionWithoutSettlements, Self.version: try restoreSections(&reader, haveLengths: version == Self.versionWithLengths)
            default: throw .malformed("version \(version): this program reads versions 1 to \(Self.version)")
            }
            try reader.expectEnd("checkpoint")
            engine.restored()
        } catch {
            throw NodeRestoreError("the checkpoint's state: \(error.message)")
        }
    }

    private mutating func restoreSections(_ reader: inout WireReader, haveLengths: Bool) throws(WireError) {
        var last: UInt16 = 0
        for _ in 0..<(try reader.u16("sections")) {
            let raw = try reader.u16("section")
            guard let kind = CheckpointSection(rawValue: raw), raw > last else {
                throw .malformed("section \(raw) behind section \(last): written by a later version?")
            }
            last = raw
            let byteCount = haveLengths ? try reader.u64("section bytes") : nil
            let before = reader.remaining
            switch kind {
            case .queues:
                for _ in 0..<(try reader.count("queues", itemBytesMin: 1, itemsMax: engine.limits.queues)) { try restoreQueue(&reader) }
            case .heldMessages:
                for _ in 0..<(try reader.count64("held messages", itemBytesMin: 60, itemsMax: engine.limits.messages)) { try restoreHeld(&reader) }
            case .topics: try restoreTopics(&reader)
            case .jobs:
                jobs = try JobTable(&reader)
                guard jobs.jobs.allSatisfy({ !$0.isRunning || (Int($0.queue) < engine.queues.count && !engine.queues[Int($0.queue)].isDeleted) })
                else { throw .malformed("a job in a queue that is not there") }
            case .results: try restoreResults(&reader)
            case .settlements: try restoreSettlements(&reader)
            }
            let read = UInt64(before - reader.remaining)
            guard byteCount ?? read == read else { throw .malformed("section \(raw) has \(read) bytes: it says \(byteCount ?? 0)") }
        }
    }
}
