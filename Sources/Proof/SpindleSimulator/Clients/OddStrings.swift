// Texts that are easily taken for one another: bytes decide which are equal.
enum OddStrings {
    /// "é" in one scalar and in two, "K" and the sign for kelvin, "Å", the sign for ångström and its parts, the ohm sign and omega, Hangul
    /// in one scalar and in parts, a space, and the longest that is allowed.
    static let all: [String] = [
        "\u{E9}", "e\u{301}", "K", "\u{212A}", "\u{C5}", "\u{212B}", "A\u{30A}", "\u{2126}", "\u{3A9}", "\u{AC00}", "\u{1100}\u{1161}", " ",
        String(repeating: "x", count: 255), String(repeating: "x", count: 253) + "\u{E9}",
    ]
}

extension Simulation {
    /// The text of a deduplication key; they are numbered from 1.
    func keyText(_ key: UInt16) -> String { profile.hasOddStrings ? OddStrings.all[(Int(key) - 1) % OddStrings.all.count] : "k\(key)" }

    /// The text of a group; they are numbered from 1.
    func groupText(_ group: UInt8) -> String { profile.hasOddStrings ? OddStrings.all[(Int(group) - 1) % OddStrings.all.count] : "g\(group)" }
}
