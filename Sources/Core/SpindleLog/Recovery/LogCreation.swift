extension LogRecovery {
    /// Makes an empty log that begins with the segment `firstSegment`, where the files of no log are: for a log whose state comes
    /// from elsewhere. Until its first checkpoint is written, a log that does not begin with segment 1 does not open.
    package static func create<Storage: LogStorage>(
        storage: Storage, configuration: LogConfiguration, newLogID: LogID, firstSegment: UInt64
    ) throws(LogRecoveryError) -> RecoveredLog {
        precondition(firstSegment >= 1, "segment numbers start at 1")
        if let problem = configuration.problem() { throw .configuration(problem) }
        let files = try attempt { () throws(LogStorageError) in try storage.list() }
        if let file = files.first { throw .configuration("there is a log already: \(file.name)") }
        return try LogCreation(
            storage: storage, directory: LogDirectory(files), configuration: configuration, newLogID: newLogID, firstSegment: firstSegment
        ).run(blankSegment: nil)
    }
}

/// Makes the first segment of a log that does not exist yet, or goes on with a creation that did not end.
struct LogCreation<Storage: LogStorage> {
    let storage: Storage
    let directory: LogDirectory
    let configuration: LogConfiguration
    let newLogID: LogID
    var firstSegment: UInt64 = 1

    func run(blankSegment: UInt64?) throws(LogRecoveryError) -> RecoveredLog {
        var quarantined: [LogQuarantine] = []
        if let number = blankSegment {
            quarantined.append(try putAside(.segment(number), "the creation of the log did not end"))
        }
        if directory.checkpointing != nil {
            quarantined.append(try putAside(.checkpointing, "the checkpoint was not finished"))
        }
        var log = newLogID
        var segmentBytes = configuration.segmentBytes
        if let first = directory.prepared.first {
            if case .success(let header) = try SegmentSurvey(storage: storage, directory: directory).readHeader(.prepared(1)),
                header.number == 1, header.segmentBytes == first.size
            {
                log = header.log
                segmentBytes = header.segmentBytes
            } else {
                quarantined.append(try putAside(.prepared(1), "the creation of the log did not end"))
            }
        }
        var preparer = SegmentPreparer(
            storage: storage, log: log, segmentBytes: segmentBytes, freeBytesKept: 0, preparedThrough: firstSegment - 1)
        let preparation = try attempt { () throws(LogStorageError) in try preparer.prepareNext() }
        if case .diskFull(let free) = preparation { throw .diskFull(neededBytes: segmentBytes, freeBytes: free) }
        try attempt { () throws(LogStorageError) in
            try storage.rename(.prepared(firstSegment), to: .segment(firstSegment))
            try storage.syncDirectory()
        }
        var recovered = RecoveredLog(log: log, segmentBytes: segmentBytes, configuration: configuration)
        recovered.isNew = true
        recovered.lastSegment = firstSegment
        recovered.preparedThrough = firstSegment
        recovered.first = LSN(segment: firstSegment, offset: UInt64(SegmentHeader.bytes), segmentBytes: segmentBytes)
        recovered.end = recovered.first
        recovered.statedDurable = recovered.first
        recovered.quarantined = quarantined
        return recovered
    }

    private func putAside(_ file: LogFileName, _ reason: String) throws(LogRecoveryError) -> LogQuarantine {
        let newName = directory.quarantineName(for: file)
        try attempt { () throws(LogStorageError) in
            try storage.rename(file, to: newName)
            try storage.syncDirectory()
        }
        return LogQuarantine(file: file, newName: newName, reason: reason)
    }
}
