/// Finds the name that was probably meant when an unknown one was written.
enum Suggestion {
    /// Names longer than this are not compared: the cost is the product of both lengths.
    static let lengthMax = 64

    /// The candidate closest to `name`, if it is close enough to be a slip of the keyboard: the smallest edit
    /// distance, at most a third of the longer name's length; the first of equals.
    static func closest(to name: String, among candidates: [String]) -> String? {
        var best: (candidate: String, distance: Int)?
        for candidate in candidates where candidate != name {
            let distance = editDistance(name, candidate)
            let longer = max(name.count, candidate.count)
            guard distance * 3 <= longer || name.lowercased() == candidate.lowercased() else { continue }
            if let known = best, known.distance <= distance { continue }
            best = (candidate, distance)
        }
        return best?.candidate
    }

    /// The number of insertions, deletions, substitutions and swaps of neighbours that turn one text into the other
    /// (optimal string alignment), in characters. `Int.max / 4` when a text is over `lengthMax`.
    static func editDistance(_ left: String, _ right: String) -> Int {
        let left = Array(left.prefix(lengthMax + 1))
        let right = Array(right.prefix(lengthMax + 1))
        guard left.count <= lengthMax, right.count <= lengthMax else { return Int.max / 4 }
        guard !left.isEmpty else { return right.count }
        guard !right.isEmpty else { return left.count }

        var beforePrevious = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for row in 1...left.count {
            var current = [row] + [Int](repeating: 0, count: right.count)
            for column in 1...right.count {
                let substitution = previous[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1)
                var cost = min(previous[column] + 1, current[column - 1] + 1, substitution)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    cost = min(cost, beforePrevious[column - 2] + 1)
                }
                current[column] = cost
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count]
    }
}
