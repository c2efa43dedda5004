/// Makes the first segment of a log that does not exist yet, or goes on with a creation that did not end.
struct LogCreation<Storage: LogStorage> {
    let storage: Storage
    let directory: LogDirectory
    let configuration: LogConfiguration
    let newLogID: LogID

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
            storage: storage, log: log, segmentBytes: segmentBytes, freeBytesKept: 0, preparedThrough: 0)
        let preparation = try attempt { () throws(LogStorageError) in try preparer.prepareNext() }
        if case .diskFull(let free) = preparation { throw .diskFull(neededBytes: segmentBytes, freeBytes: free) }
        try attempt { () throws(LogStorageError) in
            try storage.rename(.prepared(1), to: .segment(1))
            try storage.syncDirectory()
        }
        var recovered = RecoveredLog(log: log, segmentBytes: segmentBytes, configuration: configuration)
        recovered.isNew = true
        recovered.lastSegment = 1
        recovered.preparedThrough = 1
        recovered.first = LSN(segment: 1, offset: UInt64(SegmentHeader.bytes), segmentBytes: segmentBytes)
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
