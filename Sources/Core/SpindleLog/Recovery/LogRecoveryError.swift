/// Why a log was not opened. Nothing on the disk has been changed, unless it is a `storage` failure of a repair.
package enum LogRecoveryError: Error, Hashable, Sendable, CustomStringConvertible {
    case configuration(String)
    case storage(LogStorageError)
    /// Bytes that were durable are damaged or gone.
    case corrupt(LogCorruption)
    /// A new log needs one segment, and there is no room for it.
    case diskFull(neededBytes: UInt64, freeBytes: UInt64)
    /// The caller did not accept what the log holds at this position.
    case refused(LSN, file: String, offset: UInt64, reason: String)

    package var description: String {
        switch self {
        case .configuration(let problem): "the log's configuration is wrong: \(problem)"
        case .storage(let error): "\(error)"
        case .corrupt(let corruption): "\(corruption)"
        case .diskFull(let needed, let free):
            "there is no room to create the log: it needs \(needed) bytes, \(free) are free"
        case .refused(let lsn, let file, let offset, let reason):
            "the log holds something unknown at LSN \(lsn) (\(file), offset \(offset)): \(reason)"
        }
    }
}

/// Damage that no crash can have caused, and where it is.
package struct LogCorruption: Hashable, Sendable, CustomStringConvertible {
    package var file: String
    package var offset: UInt64
    package var reason: String
    /// What proves that this is not merely the torn end of the log.
    package var evidence: String

    package init(file: String, offset: UInt64, reason: String, evidence: String) {
        self.file = file
        self.offset = offset
        self.reason = reason
        self.evidence = evidence
    }

    package var description: String {
        "the log is damaged in \(file) at offset \(offset): \(reason) (\(evidence)). Nothing was changed. "
            + "Restore the directory from a copy, or look at it with 'spindle log verify' and 'spindle log inspect'"
    }
}

/// Thrown by a visitor of `LogRecovery.recover` that cannot accept what the log holds.
package struct LogReplayRefusal: Error, Hashable, Sendable {
    package var reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}

/// What the end of the log looked like.
package enum LogTail: Hashable, Sendable, CustomStringConvertible {
    case clean
    /// The last append had not become whole when the process or the machine stopped. From `offset` on nothing was kept;
    /// nothing there was ever confirmed. `discardedEntries` of it were whole, but behind a hole.
    case torn(file: String, offset: UInt64, reason: String, discardedEntries: Int)

    package var description: String {
        switch self {
        case .clean: "clean"
        case .torn(let file, let offset, let reason, let discarded):
            "torn in \(file) at offset \(offset): \(reason); \(discarded) unconfirmed entries behind it"
        }
    }
}

/// A file that recovery put aside.
package struct LogQuarantine: Hashable, Sendable, CustomStringConvertible {
    package var file: LogFileName
    package var newName: LogFileName
    package var reason: String

    package var description: String { "\(file) was put aside as \(newName): \(reason)" }
}
