internal import Synchronization

/// Which request writes what. A later one takes over from an earlier one at once: a connection that died without a word must not keep its
/// client from resuming.
final class UploadWriters: Sendable {
    private let turns = Mutex<[String: Int]>([:])

    /// The right to write until somebody else takes it.
    struct Turn: Sendable {
        fileprivate let writers: UploadWriters
        fileprivate let key: String
        fileprivate let number: Int

        var isMine: Bool { writers.turns.withLock { $0[key] == number } }

        func check() throws {
            guard isMine else { throw FileError.superseded }
        }

        /// Gives it back, if nobody has taken it.
        func end() {
            writers.turns.withLock { if $0[key] == number { $0[key] = nil } }
        }
    }

    private let numbers = Atomic(0)

    func take(_ key: String) -> Turn {
        let number = numbers.add(1, ordering: .relaxed).newValue
        turns.withLock { $0[key] = number }
        return Turn(writers: self, key: key, number: number)
    }

    /// Takes the right from whoever has it.
    func interrupt(_ key: String) { _ = turns.withLock { $0.removeValue(forKey: key) } }
}
