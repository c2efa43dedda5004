package import SpindleClient

/// The latest part of a history, bounded in events and bytes: every event behind ``floor`` is in it.
///
/// ```
///     gone        kept                to come
///   ──────────┤ e  e   e  e    e ├──────────────▶ offset
///            floor              head
/// ```
package struct EventRing {
    package enum Content: Hashable, Sendable {
        case event(topic: String, body: [UInt8])
        /// What lay before it is missing.
        case gap(reason: String)

        /// About as much as a frame of it has.
        var bytes: Int {
            switch self {
            case .event(let topic, let body): topic.utf8.count + body.count + Self.frameBytes
            case .gap(let reason): reason.utf8.count + Self.frameBytes
            }
        }

        private static let frameBytes = 32
    }

    package struct Entry: Sendable {
        package let offset: UInt64
        /// The topics it belongs to: one, or of a gap all.
        package let mask: UInt64
        package let content: Content
        /// What it tells the progress of; nil: nothing.
        let subject: Subject?
        /// A later one of the same subject is here, and this one only told how far it was: clients that have not read it need not.
        fileprivate(set) var isSuperseded = false
        /// As it goes to clients, by their framing; written when the first of them reads it.
        fileprivate var frames: [[UInt8]?] = Array(repeating: nil, count: EventFraming.allCases.count)

        package init(offset: UInt64, mask: UInt64, content: Content, subject: Subject? = nil) {
            self.offset = offset
            self.mask = mask
            self.content = content
            self.subject = subject
        }
    }

    /// What an event is about.
    package struct Subject: Hashable, Sendable {
        let topic: String
        let name: String
        /// The event only tells how far it is.
        let isProgress: Bool
    }

    private struct SubjectKey: Hashable {
        let topic: String
        let name: String
    }

    package let epoch: UInt64
    package private(set) var floor: UInt64
    package private(set) var head: UInt64
    /// Of the events, and of their frames.
    package private(set) var bytes = 0
    private let eventsMax: Int
    private let bytesMax: Int
    private var entries: [Entry] = []
    /// Entries before this one are gone; they leave the array in bulk.
    private var first = 0
    /// The offset of the latest event about each subject, if it only tells progress.
    private var progress: [SubjectKey: UInt64] = [:]

    package init(at cursor: TopicCursor, eventsMax: Int, bytesMax: Int) {
        epoch = cursor.epoch
        floor = cursor.offset
        head = cursor.offset
        self.eventsMax = max(1, eventsMax)
        self.bytesMax = bytesMax
    }

    package var count: Int { entries.count - first }
    package var headCursor: TopicCursor { TopicCursor(epoch: epoch, offset: head) }

    /// False: it is not newer than what is here.
    package mutating func append(_ entry: Entry) -> Bool {
        guard entry.offset > head else { return false }
        supersede(by: entry)
        entries.append(entry)
        head = entry.offset
        bytes += entry.content.bytes
        // The newest stays even if it alone is over the limit: it has yet to be sent.
        while count > eventsMax || bytes > bytesMax && count > 1 { dropFirst() }
        return true
    }

    private mutating func supersede(by entry: Entry) {
        guard let subject = entry.subject else { return }
        let key = SubjectKey(topic: subject.topic, name: subject.name)
        if let offset = progress[key] {
            let index = index(after: offset - 1)
            if index < entries.count, entries[index].offset == offset { entries[index].isSuperseded = true }
        }
        progress[key] = subject.isProgress ? entry.offset : nil
    }

    private mutating func dropFirst() {
        let entry = entries[first]
        floor = entry.offset
        bytes -= entry.content.bytes + entry.frames.reduce(0) { $0 + ($1?.count ?? 0) }
        if let subject = entry.subject {
            let key = SubjectKey(topic: subject.topic, name: subject.name)
            if progress[key] == entry.offset { progress[key] = nil }
        }
        first += 1
        if first >= 1_024 && first * 2 >= entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }

    /// Whether all that lies behind `offset` is here.
    package func covers(_ offset: UInt64) -> Bool { floor <= offset && offset <= head }

    /// Appends the frames behind `offset` that `mask` shows, until `bytesMax` is reached.
    /// - Returns: the place up to which it looked.
    package mutating func read(
        after offset: UInt64, mask: UInt64, framing: EventFraming, bytesMax: Int, into bytes: inout [UInt8]
    ) -> UInt64 {
        var index = self.index(after: offset)
        var place = offset
        while index < entries.count, bytes.count < bytesMax {
            if entries[index].mask & mask != 0, !entries[index].isSuperseded { bytes += frame(index, framing) }
            place = entries[index].offset
            index += 1
        }
        return index == entries.count ? max(place, head) : place
    }

    private mutating func frame(_ index: Int, _ framing: EventFraming) -> [UInt8] {
        if let frame = entries[index].frames[framing.rawValue] { return frame }
        let cursor = TopicCursor(epoch: epoch, offset: entries[index].offset)
        let frame: [UInt8] =
            switch entries[index].content {
            case .event(let topic, let body): framing.bytes(.event(topic: topic, cursor, body: body))
            case .gap(let reason): framing.bytes(.gap(cursor, reason: reason))
            }
        entries[index].frames[framing.rawValue] = frame
        bytes += frame.count
        return frame
    }

    private func index(after offset: UInt64) -> Int {
        var low = first
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
