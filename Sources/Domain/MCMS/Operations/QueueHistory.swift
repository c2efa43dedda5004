package import SpindleText

/// How much of the queues' past is kept.
package enum QueueHistoryLimits {
    /// Queues whose past is kept: the ones that were used most. A row takes some 75 bytes of the file, so 200 queues need at most 520 MB.
    package static let queuesMax = 200
    /// How far back one may ask.
    package static let hoursMax = 90 * 24
    package static let hoursDefault = 6
    /// An answer has no more items than a chart has pixels.
    package static let itemsMax = 720
    /// Readings further apart than this many steps have a gap between them: nobody looked.
    static let stepsUntilGap: Int64 = 3
}

/// The two resolutions in which the past is kept.
package enum QueueHistoryStep: Int64, CaseIterable, Sendable {
    case fine = 10
    case coarse = 300

    package var milliseconds: Int64 { rawValue * 1_000 }

    /// How long readings of this step are kept.
    package var retentionMilliseconds: Int64 {
        switch self {
        case .fine: 24 * 3_600_000
        case .coarse: Int64(QueueHistoryLimits.hoursMax) * 3_600_000
        }
    }

    /// The finest step that reaches so far back.
    package init(hours: Int) { self = Int64(hours) * 3_600_000 <= QueueHistoryStep.fine.retentionMilliseconds ? .fine : .coarse }

    /// When the step began in which a time lies.
    package func begin(of time: Timestamp) -> Timestamp { Timestamp(milliseconds: time.milliseconds / milliseconds * milliseconds) }
}

/// What a queue held at one time.
package struct QueueReading: Hashable, Sendable {
    package var at: Timestamp
    package var ready: Int
    package var leased: Int
    package var oldestAgeMilliseconds: Int64
    /// Since the queue was made.
    package var published: Int
    /// Since the queue was made.
    package var settled: Int

    package init(at: Timestamp, ready: Int, leased: Int, oldestAgeMilliseconds: Int64, published: Int, settled: Int) {
        self.at = at
        self.ready = ready
        self.leased = leased
        self.oldestAgeMilliseconds = oldestAgeMilliseconds
        self.published = published
        self.settled = settled
    }
}

/// The past of a queue, in equal steps, oldest first.
package struct QueueHistory: Encodable, Hashable, Sendable {
    /// A step. Nil: not known, because nobody looked.
    package struct Item: Encodable, Hashable, Sendable {
        private enum Key: String, CodingKey { case at, ready, leased, oldestAgeSeconds, published, settled }

        /// When the step began.
        package let at: Timestamp
        /// The most in the step.
        package var ready: Int?
        package var leased: Int?
        package var oldestAgeSeconds: Double?
        /// In the step.
        package var published: Int?
        package var settled: Int?

        package init(at: Timestamp) { self.at = at }

        /// All fields are there: what is not known is null.
        package func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(at, forKey: .at)
            try fields.encode(ready, forKey: .ready)
            try fields.encode(leased, forKey: .leased)
            try fields.encode(oldestAgeSeconds, forKey: .oldestAgeSeconds)
            try fields.encode(published, forKey: .published)
            try fields.encode(settled, forKey: .settled)
        }
    }

    package let stepSeconds: Int64
    package private(set) var items: [Item] = []

    /// Gathers readings in steps that are wide enough for ``QueueHistoryLimits/itemsMax``.
    /// - Parameters:
    ///   - readings: of one queue, oldest first; those before `from` only tell what was published since.
    ///   - step: in which they were kept.
    package init(_ readings: [QueueReading], kept step: QueueHistoryStep, from: Timestamp, hours: Int) {
        let widths = Int64(QueueHistoryLimits.itemsMax) * step.milliseconds
        stepSeconds = step.rawValue * max(1, (Int64(hours) * 3_600_000 + widths - 1) / widths)
        var last: QueueReading?
        for reading in readings {
            let isContinued = last.map { reading.at.milliseconds - $0.at.milliseconds <= QueueHistoryLimits.stepsUntilGap * step.milliseconds } ?? false
            if reading.at >= from { add(reading, after: isContinued ? last : nil) }
            last = reading
        }
    }

    private mutating func add(_ reading: QueueReading, after last: QueueReading?) {
        let width = stepSeconds * 1_000
        let at = reading.at.milliseconds / width * width
        if let end = items.last, end.at.milliseconds < at {
            // One item without values parts what lies before and after a gap.
            if last == nil, end.at.milliseconds + width < at { items.append(Item(at: Timestamp(milliseconds: end.at.milliseconds + width))) }
            items.append(Item(at: Timestamp(milliseconds: at)))
        } else if items.isEmpty {
            items.append(Item(at: Timestamp(milliseconds: at)))
        }
        var item = items.removeLast()
        item.ready = max(item.ready ?? 0, reading.ready)
        item.leased = max(item.leased ?? 0, reading.leased)
        item.oldestAgeSeconds = max(item.oldestAgeSeconds ?? 0, Double(reading.oldestAgeMilliseconds) / 1_000)
        if let last {
            item.published = (item.published ?? 0) + Self.growth(from: last.published, to: reading.published)
            item.settled = (item.settled ?? 0) + Self.growth(from: last.settled, to: reading.settled)
        }
        items.append(item)
    }

    /// A counter that fell began again at zero, with its queue.
    private static func growth(from old: Int, to new: Int) -> Int { new >= old ? new - old : new }
}
