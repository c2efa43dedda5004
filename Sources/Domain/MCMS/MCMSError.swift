/// A request that the domain refuses. It has changed nothing.
package enum MCMSError: Error, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable { case routing, addinJob = "add-in job", account }

    case notFound(Kind, id: String)
    case illegalTransition(IllegalTransition)
    case invalid(field: String, problem: String)
    /// Two people must see each routing, and this one asks for the approval of their own.
    case ownApproval(actor: String)
    case nameTaken(String)
    /// The change would leave nobody who may manage accounts.
    case lastAdministrator(String)
    /// A link that makes an account: expired, used, or not known.
    case linkUnusable
    /// A server acts for somebody who has no account, or whose account may not do this.
    case notAllowedFor(person: String)

    package var description: String {
        switch self {
        case .notFound(let kind, let id): "There is no \(kind.rawValue) with the id “\(id)”."
        case .illegalTransition(let error): error.description
        case .invalid(let field, let problem): "“\(field)” \(problem)."
        case .nameTaken(let name): "There is an account “\(name)” already."
        case .lastAdministrator(let name): "“\(name)” is the last administrator who can sign in."
        case .linkUnusable: "This link has expired, was used already, or is not known."
        case .notAllowedFor(let person): "“\(person)” has no account that may do this."
        case .ownApproval(let actor): "“\(actor)” created or submitted this routing, and somebody else must approve it."
        }
    }
}

/// Who does something, and the id under which everything that follows from it can be found.
package struct Caller: Hashable, Sendable {
    /// The person, for the history.
    package let actor: String
    /// Whose token or session made the request; nil where it came as a message, whose sender is not proven.
    package let principal: String?
    package let correlationID: String
    /// Where the request came from; nil where it came as a message.
    package let address: String?
    /// Where a server acts for the actor: the roles of accounts that may do this. Nil: the actor acts.
    package let rolesOfActor: Set<AccountRole>?

    package init(
        actor: String, principal: String? = nil, correlationID: String, address: String? = nil, rolesOfActor: Set<AccountRole>? = nil
    ) {
        self.actor = actor
        self.principal = principal
        self.correlationID = correlationID
        self.address = address
        self.rolesOfActor = rolesOfActor
    }
}

/// Who may approve a routing.
package enum ApprovalRule: String, CaseIterable, Sendable {
    /// Anyone who may approve, also those who created or submitted it.
    case anyone
    /// Somebody else than those who created and last submitted it.
    case fourEyes
}

/// How long texts may be, in characters.
package enum TextLimits {
    package static let nameMax = 200
    package static let actorMax = 100
    package static let reasonMax = 2_000
    /// A longer message of the add-in is shortened, not refused: losing a result because of a long stack trace helps nobody.
    package static let messageMax = 4_000

    package static func check(_ text: String, field: String, max: Int) throws(MCMSError) -> String {
        let trimmed = text.trimmingWhitespace
        guard !trimmed.isEmpty else { throw .invalid(field: field, problem: "must not be empty") }
        // Scalars: what readers call a character can take any number of bytes.
        let count = trimmed.unicodeScalars.count
        guard count <= max else { throw .invalid(field: field, problem: "has \(count) characters, the most is \(max)") }
        guard !trimmed.unicodeScalars.contains(where: { $0.properties.generalCategory == .control && $0 != "\n" && $0 != "\t" }) else {
            throw .invalid(field: field, problem: "contains control characters")
        }
        return trimmed
    }

    static func shortened(_ message: String) -> String {
        guard message.unicodeScalars.count > messageMax else { return message }
        return String(String.UnicodeScalarView(message.unicodeScalars.prefix(messageMax))) + "… (shortened)"
    }
}

extension String {
    fileprivate var trimmingWhitespace: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(self[first...last])
    }
}
