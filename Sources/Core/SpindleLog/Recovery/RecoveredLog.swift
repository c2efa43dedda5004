/// An opened log: what recovery found, and what appending goes on from.
package struct RecoveredLog: Hashable, Sendable {
    package let log: LogID
    /// The log's own, whatever the configuration says.
    package let segmentBytes: UInt64
    package let configuration: LogConfiguration
    /// The log did not exist before.
    package internal(set) var isNew = false
    /// The checkpoint that the replay started from.
    package internal(set) var checkpoint: LSN?
    /// The oldest position whose segment is there. What lies before was reclaimed.
    package internal(set) var first: LSN = .zero
    /// The position after the last entry. Everything below is durable.
    package internal(set) var end: LSN = .zero
    /// The largest durable LSN that an entry or a checkpoint states.
    package internal(set) var statedDurable: LSN = .zero
    /// Entries given to the visitor, and their bytes with headers.
    package internal(set) var replayedEntries: UInt64 = 0
    package internal(set) var replayedBytes: UInt64 = 0
    package internal(set) var tail: LogTail = .clean
    package internal(set) var quarantined: [LogQuarantine] = []
    /// Segments up to this number are ready or in use.
    package internal(set) var preparedThrough: UInt64 = 0

    var lastSegment: UInt64 = 0
    var isSealed = false
    var previousCRC: UInt32 = 0

    init(log: LogID, segmentBytes: UInt64, configuration: LogConfiguration) {
        self.log = log
        self.segmentBytes = segmentBytes
        self.configuration = configuration
    }

    /// The appender that goes on where the log ends. Make one.
    package func makeAppender() -> LogAppender {
        LogAppender(
            log: log, segmentBytes: segmentBytes, configuration: configuration, currentSegment: lastSegment, end: end,
            sealed: isSealed, previousCRC: previousCRC, preparedThrough: preparedThrough)
    }

    /// The preparer of further segments. Make one.
    package func makePreparer<Storage: LogStorage>(storage: Storage) -> SegmentPreparer<Storage> {
        SegmentPreparer(
            storage: storage, log: log, segmentBytes: segmentBytes, freeBytesKept: configuration.freeBytesKept,
            preparedThrough: preparedThrough)
    }

    package func makeReclaimer<Storage: LogStorage>(storage: Storage) -> LogReclaimer<Storage> {
        LogReclaimer(storage: storage, segmentBytes: segmentBytes, spentSegmentsMax: configuration.spentSegmentsMax)
    }

    package func makeCheckpointer<Storage: LogStorage>(storage: Storage) -> LogCheckpointer<Storage> {
        LogCheckpointer(storage: storage, log: log)
    }

    package func makeReader<Storage: LogStorage>(storage: Storage) -> LogReader<Storage> {
        LogReader(storage: storage, segmentBytes: segmentBytes)
    }
}
