internal import SpindleQueue
package import SpindleWire

#if PLANTED_BUGS
internal import PlantedBugs
#endif

// A node's state as bytes: what a checkpoint holds. Little-endian, written and read with the wire's own writer and reader; the
// file around it has the checksum. Source: `docs/decisions/0002-transactions.md`.
//
// u16 version = 2 · u64 time · u16 sections, each: u16 kind · u64 bytes · content
//
// Sections come once each, in the order of their kinds. One that is not known was written by a later version: it can't be left out.
extension NodeState {
    private static let version: UInt16 = 2

    /// Kinds of section. Queues come before what refers to them.
    enum CheckpointSection: UInt16, CaseIterable {
        case queues = 1
        case heldMessages = 2
        case topics = 3
        case jobs = 20
        case results = 25
    }

    /// Appends the state. Valid for the log position at which it is taken: entries from there on are replayed over it.
    package func encodeCheckpoint(into writer: inout WireWriter) {
        writer.u16(Self.version)
        writer.u64(time)
        writer.u16(UInt16(CheckpointSection.allCases.count))
        section(.queues, &writer) { encodeQueues(into: &$0) }
        section(.heldMessages, &writer) { encodeHeldMessages(into: &$0) }
        section(.topics, &writer) { encodeTopics(into: &$0) }
        section(.jobs, &writer) { jobs.encode(into: &$0) }
        section(.results, &writer) { encodeResults(into: &$0) }
    }

    private func section(_ kind: CheckpointSection, _ writer: inout WireWriter, _ encode: (inout WireWriter) -> Void) {
        writer.u16(kind.rawValue)
        let lengthAt = writer.count
        writer.u64(0)
        encode(&writer)
        let byteCount = UInt64(writer.count - lengthAt - 8)
        writer.patch(u32: UInt32(truncatingIfNeeded: byteCount), at: lengthAt)
        writer.patch(u32: UInt32(truncatingIfNeeded: byteCount >> 32), at: lengthAt + 4)
    }

    /// Takes over the state that ``encodeCheckpoint(into:)`` wrote, in this version or an earlier one; `self` must be fresh.
    package mutating func restore(checkpoint: RawSpan) throws(NodeRestoreError) {
        do throws(WireError) {
            var reader = WireReader(checkpoint)
            let version = try reader.u16("checkpoint version")
            let savedTime = try reader.u64("time")
            guard savedTime <= Self.timeMax else { throw .malformed("the checkpoint is of the time \(savedTime), which no clock shows") }
            #if PLANTED_BUGS
            set(time: plantedBug == .timeFalls ? 0 : savedTime)
            #else
            set(time: savedTime)
            #endif
            switch version {
            case 1: try restoreVersion1(&reader)
            case Self.version: try restoreSections(&reader)
            default: throw .malformed("version \(version): this program reads versions 1 to \(Self.version)")
            }
            try reader.expectEnd("checkpoint")
            engine.restored()
        } catch {
            throw NodeRestoreError("the checkpoint's state: \(error.message)")
        }
    }

    private mutating func restoreSections(_ reader: inout WireReader) throws(WireError) {
        var last: UInt16 = 0
        for _ in 0..<(try reader.u16("sections")) {
            let raw = try reader.u16("section")
            guard let kind = CheckpointSection(rawValue: raw), raw > last else {
                throw .malformed("section \(raw) behind section \(last): written by a later version?")
            }
            last = raw
            var content = WireReader(try reader.span(Int(clamping: try reader.u64("section bytes")), "section"))
            switch kind {
            case .queues: for _ in 0..<(try content.u32("queues")) { try restoreQueue(&content) }
            case .heldMessages: for _ in 0..<(try content.u64("held messages")) { try restoreHeld(&content) }
            case .topics: try restoreTopics(&content)
            case .jobs:
                jobs = try JobTable(&content)
                guard jobs.jobs.allSatisfy({ !$0.isRunning || (Int($0.queue) < engine.queues.count && !engine.queues[Int($0.queue)].isDeleted) })
                else { throw .malformed("a job in a queue that is not there") }
            case .results: try restoreResults(&content)
            }
            try content.expectEnd("section")
        }
    }
}
