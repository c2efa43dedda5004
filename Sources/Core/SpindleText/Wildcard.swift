/// Patterns over names, in which `*` stands for any run of characters, dots and none included.
package enum Wildcard {
    package static let star = UInt8(ascii: "*")

    /// Greedy with one point of return: linear in name × stars, however the pattern is made.
    package static func matches(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        var p = 0
        var n = 0
        var lastStar = -1
        var resume = 0
        while n < name.count {
            if p < pattern.count, pattern[p] == star {
                lastStar = p
                resume = n
                p += 1
            } else if p < pattern.count, pattern[p] == name[n] {
                p += 1
                n += 1
            } else if lastStar >= 0 {
                p = lastStar + 1
                resume += 1
                n = resume
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == star { p += 1 }
        return p == pattern.count
    }
}
