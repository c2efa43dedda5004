package import SpindleText

/// One line of what people and programs did: who, when, from where. Lines are added, never changed, and deleted after a
/// year: the database refuses anything else.
package struct AuditEntry: Codable, Hashable, Sendable {
    /// Rises with time within one database.
    package let id: Int64
    package let time: Timestamp
    /// An ``AuditAction``, or the method and path of a request, such as `POST /api/routings/{id}/approve`.
    package let action: String
    /// Who is concerned or what was asked for: an account's name, a path.
    package let subject: String?
    /// The person, or the principal that acted in its own name.
    package let actor: String
    /// Whose token or session it was: `user:NAME` for an account. Nil for commands of an operator at the store.
    package let principal: String?
    /// Of the HTTP answer; nil for commands.
    package let status: Int?
    package let detail: String?
    /// Where the request came from: an IP address, or the terminal's user.
    package let address: String
    package let correlationId: String
}

/// What is written down besides requests.
package enum AuditAction: String, CaseIterable, Sendable {
    case signedIn = "signed-in"
    case signInRefused = "sign-in-refused"
    case signedOut = "signed-out"
    case signedOutEverywhere = "signed-out-everywhere"
    case accountCreated = "account-created"
    case accountChanged = "account-changed"
    case linkMade = "link-made"
    /// A server got a connection token in somebody's name.
    case connectionGiven = "connection-given"
}

/// How long texts of the audit are, and how long its lines are kept.
package enum AuditLimits {
    /// Longer ones are cut.
    static let textMax = 500
    /// The trigger `auditLogNoDelete` has this number too.
    package static let retentionDays = 365
    /// Deleted at once; the rest follows an hour later.
    static let pruneRowsMax = 10_000

    static func shortened(_ text: String) -> String {
        text.unicodeScalars.count <= textMax ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(textMax))) + "…"
    }
}
