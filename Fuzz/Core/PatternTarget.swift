internal import SpindleNode
import SpindleText

extension FuzzTarget {
    /// Name patterns: two of them and a name, parted by NUL. Permissions rest on these.
    static let pattern = FuzzTarget("pattern", inputBytesMax: 512) { input in
        let parts = input.withUnsafeBytes { Array($0) }.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 3 else { return }
        let (first, second, name) = (NamePattern(parts[0]), NamePattern(parts[1]), parts[2])
        let matches = first.matches(name)
        try must(matches == reference(Array(parts[0].utf8), Array(name.utf8)), "'\(parts[0])' and '\(name)': \(matches)")
        // A subscription is allowed by a permission that covers its pattern: then nothing may come that the permission leaves out.
        if first.covers(second), second.matches(name) {
            try must(matches, "'\(parts[0])' covers '\(parts[1])', which matches '\(name)', and does not match it itself")
        }
    }

    /// By a table over all prefixes: slow, and too simple to be wrong.
    private static func reference(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        var row = [Bool](repeating: false, count: name.count + 1)
        row[0] = true
        for byte in pattern {
            var next = [Bool](repeating: false, count: name.count + 1)
            if byte == UInt8(ascii: "*") {
                var reached = false
                for index in 0...name.count {
                    reached = reached || row[index]
                    next[index] = reached
                }
            } else {
                for index in name.indices where row[index] && name[index] == byte { next[index + 1] = true }
            }
            row = next
        }
        return row[name.count]
    }
}
