/// The modules of a QR code while it is drawn: first the patterns by which it is found, then the data, then a mask over the data.
package struct QRMatrix {
    package let version: QRVersion
    private(set) var isDark: [Bool]
    /// Modules that no data and no mask touches.
    private var isFixed: [Bool]

    private var side: Int { version.side }

    package init(_ version: QRVersion) {
        self.version = version
        isDark = Array(repeating: false, count: version.side * version.side)
        isFixed = isDark
        drawTiming()
        for (x, y) in [(3, 3), (side - 4, 3), (3, side - 4)] { drawFinder(x, y) }
        drawAlignment()
        drawFormat(mask: 0)
        drawVersion()
    }

    subscript(x: Int, y: Int) -> Bool { isDark[y * side + x] }

    private mutating func fix(_ x: Int, _ y: Int, _ dark: Bool) {
        guard (0..<side).contains(x), (0..<side).contains(y) else { return }
        isDark[y * side + x] = dark
        isFixed[y * side + x] = true
    }

    // MARK: Patterns

    private mutating func drawTiming() {
        for index in 0..<side {
            fix(6, index, index.isMultiple(of: 2))
            fix(index, 6, index.isMultiple(of: 2))
        }
    }

    /// With the light line around it, which is cut at the edges.
    private mutating func drawFinder(_ centreX: Int, _ centreY: Int) {
        for y in -4...4 {
            for x in -4...4 {
                let distance = max(abs(x), abs(y))
                fix(centreX + x, centreY + y, distance != 2 && distance != 4)
            }
        }
    }

    private mutating func drawAlignment() {
        let centres = version.alignment
        for (row, y) in centres.enumerated() {
            for (column, x) in centres.enumerated() {
                // The finders stand in three corners.
                if row == 0 && column == 0 || row == 0 && column == centres.count - 1 || row == centres.count - 1 && column == 0 { continue }
                for dy in -2...2 {
                    for dx in -2...2 { fix(x + dx, y + dy, max(abs(dx), abs(dy)) != 1) }
                }
            }
        }
    }

    /// Level and mask, twice, with their own error correction.
    package mutating func drawFormat(mask: Int) {
        let bits = Self.formatBits(mask: mask)
        func bit(_ index: Int) -> Bool { bits >> index & 1 == 1 }
        for index in 0...5 { fix(8, index, bit(index)) }
        fix(8, 7, bit(6))
        fix(8, 8, bit(7))
        fix(7, 8, bit(8))
        for index in 9...14 { fix(14 - index, 8, bit(index)) }
        for index in 0...7 { fix(side - 1 - index, 8, bit(index)) }
        for index in 8...14 { fix(8, side - 15 + index, bit(index)) }
        fix(8, side - 8, true)
    }

    /// The level M is 00.
    package static func formatBits(mask: Int) -> Int {
        var remainder = mask
        for _ in 0..<10 { remainder = remainder << 1 ^ (remainder >> 9) * 0x537 }
        return (mask << 10 | remainder) ^ 0x5412
    }

    private mutating func drawVersion() {
        guard let bits = Self.versionBits(version.number) else { return }
        for index in 0..<18 {
            let dark = bits >> index & 1 == 1
            fix(side - 11 + index % 3, index / 3, dark)
            fix(index / 3, side - 11 + index % 3, dark)
        }
    }

    /// Nil: sizes up to 6 don't say which they are.
    package static func versionBits(_ number: Int) -> Int? {
        guard number >= 7 else { return nil }
        var remainder = number
        for _ in 0..<12 { remainder = remainder << 1 ^ (remainder >> 11) * 0x1f25 }
        return number << 12 | remainder
    }

    // MARK: Data

    /// In columns of two modules, from the right, alternately up and down.
    package mutating func draw(_ codewords: [UInt8]) {
        var index = 0
        for right in stride(from: side - 1, through: 1, by: -2).map({ $0 <= 6 ? $0 - 1 : $0 }) {
            let isUpward = (right + 1) & 2 == 0
            for step in 0..<side {
                let y = isUpward ? side - 1 - step : step
                for x in [right, right - 1] where !isFixed[y * side + x] && index < codewords.count * 8 {
                    isDark[y * side + x] = codewords[index >> 3] >> (7 - index & 7) & 1 == 1
                    index += 1
                }
            }
        }
    }

    /// Turns modules of data over, so that no large areas are alike. Doing it again undoes it.
    package mutating func apply(mask: Int) {
        for y in 0..<side {
            for x in 0..<side where !isFixed[y * side + x] && Self.inverts(mask, x, y) { isDark[y * side + x].toggle() }
        }
    }

    private static func inverts(_ mask: Int, _ x: Int, _ y: Int) -> Bool {
        switch mask {
        case 0: (x + y) % 2 == 0
        case 1: y % 2 == 0
        case 2: x % 3 == 0
        case 3: (x + y) % 3 == 0
        case 4: (x / 3 + y / 2) % 2 == 0
        case 5: x * y % 2 + x * y % 3 == 0
        case 6: (x * y % 2 + x * y % 3) % 2 == 0
        default: ((x + y) % 2 + x * y % 3) % 2 == 0
        }
    }

    // MARK: Choosing the mask

    /// How hard the code is to read: rows of one colour, blocks of one colour, what looks like a finder, and an imbalance.
    package var penalty: Int {
        let rows = (0..<side).map { y in (0..<side).map { self[$0, y] } }
        let columns = (0..<side).map { x in (0..<side).map { self[x, $0] } }
        let lines = (rows + columns).reduce(0) { $0 + Self.penalty(ofLine: $1) }
        var blocks = 0
        for y in 0..<(side - 1) {
            for x in 0..<(side - 1) where self[x, y] == self[x + 1, y] && self[x, y] == self[x, y + 1] && self[x, y] == self[x + 1, y + 1] { blocks += 3 }
        }
        let dark = isDark.count { $0 }
        return lines + blocks + abs(dark * 20 - isDark.count * 10) / isDark.count * 10
    }

    private static let finder = [true, false, true, true, true, false, true]

    private static func penalty(ofLine line: [Bool]) -> Int {
        var sum = 0
        var run = 0
        for (index, dark) in line.enumerated() {
            run = index > 0 && line[index - 1] == dark ? run + 1 : 1
            if run == 5 { sum += 3 } else if run > 5 { sum += 1 }
        }
        for start in 0...(line.count - finder.count) where Array(line[start..<start + finder.count]) == finder {
            func isLight(_ range: Range<Int>) -> Bool { range.lowerBound >= 0 && range.upperBound <= line.count && !line[range].contains(true) }
            if isLight(start - 4..<start) || isLight(start + 7..<start + 11) { sum += 40 }
        }
        return sum
    }
}
