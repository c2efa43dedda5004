/// A listing of a log's files, sorted by kind and number.
struct LogDirectory {
    struct Numbered: Hashable {
        var number: UInt64
        var size: UInt64
    }

    private(set) var segments: [Numbered] = []
    private(set) var prepared: [Numbered] = []
    private(set) var spent: [Numbered] = []
    /// Oldest first.
    private(set) var checkpoints: [LogFile] = []
    private(set) var preparing: LogFile?
    private(set) var checkpointing: LogFile?
    private(set) var quarantined: [LogFileName] = []

    /// No log has more segments in its life, so no position in it overflows: files of higher numbers are not of a log.
    private static let segmentNumberMax = UInt64(1) << 63 / LogConfiguration.segmentBytesLimit - 2

    init(_ files: [LogFile]) {
        for file in files {
            switch file.name {
            case .segment(let number), .prepared(let number), .spent(let number):
                if number > Self.segmentNumberMax { continue }
            default: break
            }
            switch file.name {
            case .segment(let number): segments.append(Numbered(number: number, size: file.size))
            case .prepared(let number): prepared.append(Numbered(number: number, size: file.size))
            case .spent(let number): spent.append(Numbered(number: number, size: file.size))
            case .checkpoint: checkpoints.append(file)
            case .preparing: preparing = file
            case .checkpointing: checkpointing = file
            case .quarantined: quarantined.append(file.name)
            }
        }
        segments.sort { $0.number < $1.number }
        prepared.sort { $0.number < $1.number }
        spent.sort { $0.number < $1.number }
        checkpoints.sort { Self.position($0) < Self.position($1) }
    }

    static func position(_ checkpoint: LogFile) -> LSN {
        if case .checkpoint(let lsn) = checkpoint.name { lsn } else { .zero }
    }

    mutating func noteQuarantined(_ name: LogFileName) { quarantined.append(name) }

    /// A name under which `file` can be put aside: numbered after all that were.
    func quarantineName(for file: LogFileName) -> LogFileName {
        let attempts = quarantined.compactMap { name in name.putAside.flatMap { $0.file == file ? $0.attempt : nil } }
        var attempt = (attempts.max() ?? 0) + 1
        // Ends: there are finitely many quarantined files.
        while quarantined.contains(file.quarantined(attempt: attempt)) { attempt += 1 }
        return file.quarantined(attempt: attempt)
    }

    /// Files put aside that any crash may leave, of each kind: unfinished checkpoints, and segments that never came to hold an entry.
    static let quarantinedKept = 3

    /// What is put aside beyond ``quarantinedKept``, the oldest of each kind. Damaged checkpoints are never among it: no crash makes them.
    var quarantinedSurplus: [LogFileName] {
        var unfinished: [LogFileName.PutAside] = []
        var segments: [LogFileName.PutAside] = []
        for case let file? in quarantined.map(\.putAside) {
            switch file.file {
            case .checkpointing, .preparing: unfinished.append(file)
            case .segment, .prepared, .spent: segments.append(file)
            case .checkpoint, .quarantined: break
            }
        }
        return [unfinished, segments].flatMap { files in
            files.sorted { ("\($0.file)", $0.attempt) < ("\($1.file)", $1.attempt) }.dropLast(Self.quarantinedKept).map(\.name)
        }
    }
}
