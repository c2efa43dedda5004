internal import Foundation

/// Why a path that somebody sent is not used.
package struct LogicalPathError: Error, Hashable, CustomStringConvertible {
    package let description: String
}

/// A path below the share's root (the add-in's `W:\`), checked so that it means the same file on Windows and here, and never one
/// outside the root.
///
/// Accepted are `a/b/c.nc`, `a\b\c.nc` and `W:\a\b\c.nc` (any case, either slash), and what begins with another name of the root that the
/// description gives, such as `\\files\cam`. Refused is what leaves the root or means something else on one of the two systems: other
/// absolute and UNC paths, `\\?\`, other drives, `.` and `..`, empty parts,
/// alternate data streams (`:`), device names, parts that end in a dot or a space, wildcards, control and invisible characters.
/// Text is brought to Unicode's composed form (NFC), so that one name has one spelling. It is judged scalar by scalar, as file systems see
/// it: to Swift a slash with a combining mark behind it is another character than a slash. No part begins with such a mark.
///
/// Source: Microsoft, "Naming Files, Paths, and Namespaces".
package struct LogicalPath: Hashable, Sendable, CustomStringConvertible {
    package static let bytesMax = 1_024
    package static let partBytesMax = 255
    package static let partsMax = 32

    package let parts: [String]

    /// With `/` between the parts.
    package var description: String { parts.joined(separator: "/") }

    /// What Windows calls the share's root where nothing else is said.
    package static let rootDefault = #"W:\"#

    /// - Parameter roots: what Windows calls the share's root: drives (`W:\`) and UNC prefixes (`\\files\cam`).
    package init(_ text: String, roots: [String] = [rootDefault]) throws(LogicalPathError) {
        guard !text.isEmpty else { throw LogicalPathError(description: "it is empty") }
        guard text.utf8.count <= Self.bytesMax else {
            throw LogicalPathError(description: "it is longer than \(Self.bytesMax) bytes")
        }
        let relative = try Self.below(roots, Self.slashed(text))
        let parts = relative.split(separator: "/", omittingEmptySubsequences: false).map { scalars in
            var part = String.UnicodeScalarView()
            part.append(contentsOf: scalars)
            return String(part)
        }
        guard parts.count <= Self.partsMax else { throw LogicalPathError(description: "it has more than \(Self.partsMax) parts") }
        for part in parts { try Self.check(part) }
        self.parts = parts
    }

    private static func slashed(_ text: String) -> [Unicode.Scalar] {
        text.precomposedStringWithCanonicalMapping.unicodeScalars.map { $0 == "\\" ? "/" : $0 }
    }

    /// What two names have in common that are the same to Windows: it keeps the case of names, and does not tell them apart by it.
    package static func folded(_ name: String) -> String { name.precomposedStringWithCanonicalMapping.lowercased() }

    private static func below(_ roots: [String], _ slashed: [Unicode.Scalar]) throws(LogicalPathError) -> ArraySlice<Unicode.Scalar> {
        for root in roots {
            var prefix = Self.slashed(root)
            while prefix.last == "/" { prefix.removeLast() }
            guard !prefix.isEmpty, slashed.count > prefix.count, slashed[prefix.count] == "/" else { continue }
            func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String { folded(String(String.UnicodeScalarView(scalars))) }
            if text(slashed[..<prefix.count]) == text(prefix[...]) { return slashed.dropFirst(prefix.count + 1) }
        }
        guard !slashed.starts(with: ["/", "/"]) else { throw LogicalPathError(description: "it names another computer or a device (\\\\…)") }
        guard slashed.first != "/" else { throw LogicalPathError(description: "it is absolute; paths begin below the share's root") }
        guard slashed.count >= 2, slashed[1] == ":" else { return slashed[...] }
        guard slashed.count == 2 || slashed[2] == "/" else {
            throw LogicalPathError(description: "after a drive there must be a \\ (W:name depends on a current folder)")
        }
        throw LogicalPathError(description: "it is on another drive than the share's root (\(roots.joined(separator: ", ")))")
    }

    private static func check(_ part: String) throws(LogicalPathError) {
        guard !part.isEmpty else { throw LogicalPathError(description: "it has an empty part (two slashes, or one at the end)") }
        guard ("/" + part).first == "/" else { throw LogicalPathError(description: "a part begins with a mark that joins what is before it") }
        guard part.utf8.count <= partBytesMax else { throw LogicalPathError(description: "a part is longer than \(partBytesMax) bytes") }
        guard part != ".", part != ".." else { throw LogicalPathError(description: "it contains “\(part)”") }
        guard part.unicodeScalars.last != ".", part.unicodeScalars.last != " " else {
            throw LogicalPathError(description: "“\(part)” ends in a dot or a space, which Windows drops")
        }
        for scalar in part.unicodeScalars {
            if "<>:\"|?*".unicodeScalars.contains(scalar) {
                throw LogicalPathError(description: "it contains “\(scalar)”, which Windows does not allow in names")
            }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                throw LogicalPathError(description: "it contains a control or invisible character (U+\(String(scalar.value, radix: 16)))")
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark,
                .enclosingMark, .decimalNumber, .letterNumber, .otherNumber, .connectorPunctuation, .dashPunctuation, .openPunctuation,
                .closePunctuation, .initialPunctuation, .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol,
                .modifierSymbol, .otherSymbol, .spaceSeparator:
                break
            @unknown default:
                throw LogicalPathError(description: "it contains a character of an unknown kind")
            }
        }
        guard !isDevice(part) else { throw LogicalPathError(description: "“\(part)” is the name of a device on Windows") }
    }

    /// `NUL`, `nul.txt` and `COM1 .x` all open the device.
    private static func isDevice(_ part: String) -> Bool {
        let stem = String(part.unicodeScalars.prefix { $0 != "." }).uppercased().trimmingCharacters(in: .whitespaces)
        if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(stem) { return true }
        guard stem.hasPrefix("COM") || stem.hasPrefix("LPT") else { return false }
        let number = stem.unicodeScalars.dropFirst(3)
        return number.count == 1 && number.allSatisfy { "0123456789¹²³".unicodeScalars.contains($0) }
    }
}
