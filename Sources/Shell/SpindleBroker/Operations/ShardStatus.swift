import Foundation
import SpindleLog

/// What `/status` answers: the state of the broker and its log, as one JSON object.
struct ShardStatus: Encodable {
    struct Log: Encodable {
        let id: String
        let firstSegment: UInt64
        let currentSegment: UInt64
        let segmentBytes: UInt64
        let bytes: UInt64
        let liveBytes: UInt64
        let end: UInt64
        let durable: UInt64
        let lastCheckpoint: UInt64
        let lastCheckpointBytes: UInt64
        let isDiskFull: Bool
    }

    struct Scrub: Encodable {
        struct Damage: Encodable {
            let file: String
            let offset: UInt64
            let reason: String
        }

        let passes: UInt64
        let segmentsRead: UInt64
        let bytesRead: UInt64
        let damage: [Damage]
    }

    struct Moved: Encodable {
        let messages: UInt64
        let bytes: UInt64
        /// Addresses of records that cannot be read, and hold their segments.
        let unreadable: [UInt64]
    }

    let phase: String
    let notReady: String?
    let log: Log
    let scrub: Scrub
    let moved: Moved
    let damagedReads: UInt64

    init(_ figures: ShardFigures, phase: String, notReady: String?) {
        self.phase = phase
        self.notReady = notReady
        log = Log(
            id: figures.logID, firstSegment: figures.firstSegment, currentSegment: figures.currentSegment,
            segmentBytes: figures.segmentBytes, bytes: figures.logBytes, liveBytes: figures.liveBytes, end: figures.logEnd,
            durable: figures.logDurable, lastCheckpoint: figures.lastCheckpoint, lastCheckpointBytes: figures.counters.checkpointBytes,
            isDiskFull: figures.isDiskFull)
        scrub = Scrub(
            passes: figures.scrub.passes, segmentsRead: figures.scrub.segmentsRead, bytesRead: figures.scrub.bytesRead,
            damage: figures.scrub.damage.map { .init(file: $0.file, offset: $0.offset, reason: $0.reason) })
        moved = Moved(messages: figures.counters.messagesMoved, bytes: figures.counters.bytesMoved, unreadable: figures.unreadable)
        damagedReads = figures.counters.damagedReads
    }

    /// Field names are in snake case, in alphabetical order.
    var json: String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) + "\n" } ?? ""
    }
}
