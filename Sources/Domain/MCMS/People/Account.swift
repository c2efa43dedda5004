internal import Foundation
internal import SQLStore
package import SpindleText

/// What a person may do. `docs/mcms.md` has the table of rights.
package enum AccountRole: String, Codable, CaseIterable, Sendable {
    case viewer, approver, `operator`, admin
}

extension AccountRole: SQLConvertible {}

/// A person who signs in.
package struct Account: Codable, Hashable, Sendable {
    /// Unique, and never changed: histories refer to it.
    package let name: String
    /// What others read.
    package let displayName: String
    package let role: AccountRole
    package let isDisabled: Bool
    package let createdAt: Timestamp
    package let changedAt: Timestamp
    package let lastSignInAt: Timestamp?

    /// What stands for the account in `principal`, apart from the principals of the description.
    package var principal: String { "\(Self.principalPrefix)\(name)" }
    package static let principalPrefix = "user:"
}

/// An account that is to be made.
package struct NewAccount: Sendable {
    package let name: String
    package let displayName: String
    package let role: AccountRole
    package let passwordHash: PasswordHash

    /// - Parameter displayName: the name, if nil or empty.
    /// - Throws: ``MCMSError/invalid(field:problem:)``.
    package init(name: String, displayName: String?, role: AccountRole, passwordHash: PasswordHash) throws(MCMSError) {
        self.name = try AccountRules.name(name)
        let shown = displayName.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
        self.displayName = try AccountRules.displayName(shown ?? self.name)
        self.role = role
        self.passwordHash = passwordHash
    }
}

/// What becomes of an account. Nil: it stays as it is.
package struct AccountChange: Sendable {
    package var role: AccountRole?
    package var displayName: String?
    package var isDisabled: Bool?
    package var passwordHash: PasswordHash?
    /// A session that stays although the password changes: that of the person who changes it.
    package var keptSession: [UInt8]?

    package init() {}

    package var isEmpty: Bool { role == nil && displayName == nil && isDisabled == nil && passwordHash == nil }
}

/// What names and passwords may be.
///
/// A name is typed at every sign-in, on keyboards of any language and by commands: small ASCII letters, digits, `.`, `-` and `_`. No two names
/// look alike. The name that others read is free.
package enum AccountRules {
    package static let nameMin = 2
    package static let nameMax = 64
    package static let displayNameMax = 100
    /// NIST SP 800-63B asks for 8 where something else protects too, and forbids rules about kinds of characters.
    package static let passwordMin = 10
    package static let passwordBytesMax = 1_024
    private static let distinctMin = 4

    /// Returns the name in small letters.
    package static func name(_ text: String) throws(MCMSError) -> String {
        guard let name = nameIfValid(text) else {
            throw .invalid(
                field: "name",
                problem: "must be \(nameMin) to \(nameMax) of the letters a-z, digits, “.”, “-” and “_”, and begin with a letter or a digit; the display name may be any text")
        }
        return name
    }

    /// Returns nil if no account can be called so.
    package static func nameIfValid(_ text: String) -> String? {
        guard text.utf8.count <= nameMax * 2 else { return nil }
        // Phones add a space after a word.
        let name = text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed().map(String.init).joined().lowercased()
        guard (nameMin...nameMax).contains(name.utf8.count), let first = name.utf8.first, isLetterOrDigit(first),
            name.utf8.allSatisfy({ isLetterOrDigit($0) || ".-_".utf8.contains($0) })
        else { return nil }
        return name
    }

    package static func displayName(_ text: String) throws(MCMSError) -> String {
        try TextLimits.check(text.precomposedStringWithCanonicalMapping, field: "displayName", max: displayNameMax)
    }

    /// Refuses passwords that are guessed first.
    package static func check(_ password: Password, of name: String) throws(MCMSError) {
        func refused(_ problem: String) -> MCMSError { .invalid(field: "password", problem: problem) }
        let characters = Array(password.text.unicodeScalars.map(\.value))
        guard characters.count >= passwordMin else { throw refused("must have at least \(passwordMin) characters; several words are good") }
        guard password.bytes.count <= passwordBytesMax else { throw refused("must have at most \(passwordBytesMax) bytes") }
        guard password.text.lowercased() != name else { throw refused("must not be the name") }
        guard Set(characters).count >= distinctMin else { throw refused("must have at least \(distinctMin) different characters") }
        guard !isCounting(characters) else { throw refused("must not just count, as 1234567890 does") }
    }

    private static func isCounting(_ characters: [UInt32]) -> Bool {
        func follows(_ left: UInt32, _ right: UInt32) -> Bool { left + 1 == right || left == 0x39 && right == 0x30 }
        let pairs = zip(characters, characters.dropFirst())
        return pairs.allSatisfy { follows($0, $1) } || pairs.allSatisfy { follows($1, $0) }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
