/// Splits a claimed batch so that no two rows of one key are on their way at the same time.
///
/// Rows must be in their order of writing. Rows without a key all go with the first wave.
struct OutboxWaves {
    private var remaining: [OutboxMessage]

    init(_ batch: [OutboxMessage]) {
        remaining = batch
    }

    var remainingCount: Int { remaining.count }

    /// The first row of every key; `nil` when nothing is left.
    mutating func next() -> [OutboxMessage]? {
        guard !remaining.isEmpty else { return nil }
        var wave: [OutboxMessage] = []
        var later: [OutboxMessage] = []
        var keys: Set<String> = []
        for message in remaining {
            if let key = message.draft.key, !keys.insert(key).inserted {
                later.append(message)
            } else {
                wave.append(message)
            }
        }
        remaining = later
        return wave
    }

    /// Takes out the rows after one that failed: they must wait for it.
    mutating func withdraw(key: String?) -> [OutboxMessage] {
        guard let key else { return [] }
        let withdrawn = remaining.filter { $0.draft.key == key }
        remaining.removeAll { $0.draft.key == key }
        return withdrawn
    }

    mutating func withdrawAll() -> [OutboxMessage] {
        defer { remaining = [] }
        return remaining
    }
}
