internal import Foundation

/// Why a path that somebody sent is not used.
package struct LogicalPathError: Error, Hashable, CustomStringConvertible {
    package let description: String
}

/// A path below the share's root (the add-in's `W:\`), checked so that it means the same file on Windows and here, and never one
/// outside the root.
///
/// Accepted are `a/b/c.nc`, `a\b\c.nc` and `W:\a\b\c.nc` (any case of the letter, either slash). Refused is what leaves the root or
/// means something else on one of the two systems: absolute and UNC paths, `\\?\`, other drives, `.` and `..`, empty parts,
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

    package init(_ text: String) throws(LogicalPathError) {
        guard !text.isEmpty else { throw LogicalPathError(description: "it is empty") }
        guard text.utf8.count <= Self.bytesMax else {
            throw LogicalPathError(description: "it is longer than \(Self.bytesMax) bytes")
        }
        let composed = text.precomposedStringWithCanonicalMapping.unicodeScalars.map { $0 == "\\" ? "/" : $0 }
        let relative = try Self.withoutDrive(composed)
        let parts = relative.split(separator: "/", omittingEmptySubsequences: false).map { scalars in
            var part = String.UnicodeScalarView()
            part.append(contentsOf: scalars)
            return String(part)
        }
        guard parts.count <= Self.partsMax else { throw LogicalPathError(description: "it has more than \(Self.partsMax) parts") }
        for part in parts { try Self.check(part) }
        self.parts = parts
    }

    private static func withoutDrive(_ slashed: [Unicode.Scalar]) throws(LogicalPathError) -> ArraySlice<Unicode.Scalar> {
        guard !slashed.starts(with: ["/", "/"]) else { throw LogicalPathError(description: "it names another computer or a device (\\\\…)") }
        guard slashed.first != "/" else { throw LogicalPathError(description: "it is absolute; paths begin below the share's root") }
        guard slashed.count >= 2, slashed[1] == ":" else { return slashed[...] }
        guard slashed[0] == "W" || slashed[0] == "w" else { throw LogicalPathError(description: "it is on another drive than W:") }
        guard slashed.count >= 3, slashed[2] == "/" else {
            throw LogicalPathError(description: "after W: there must be a \\ (W:name depends on a current folder)")
        }
        return slashed.dropFirst(3)
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
