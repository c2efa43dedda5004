/// The steps by which a staged file becomes a committed one, in their order. Each can be repeated after a crash.
///
/// `docs/decisions/0007-order-of-the-commit.md` says why in this order.
package enum CommitStep: String, CaseIterable, Sendable {
    /// The payload is kept from the collector, and the ref's place from other files of that name.
    case claim
    /// Moved into the store or found there, and verified.
    case storePayload
    /// `refs.pending`.
    case announce
    case audit
    case writeMeta
    case writeRef
    /// On the share.
    case publish
    /// Its state, history, events and what it refers to, in one transaction; the claim ends.
    case record
    case removeStaged

    /// Whether it changes what an attempt that came later may have changed since.
    var isFenced: Bool {
        switch self {
        case .announce, .audit, .writeMeta, .writeRef, .publish: true
        case .claim, .storePayload, .record, .removeStaged: false
        }
    }
}

/// How an attempt that wants to commit a file stands.
package enum Claim: Hashable, Sendable {
    /// - Parameter attempt: a number that no other claim had. Earlier attempts at this file have lost theirs.
    case granted(attempt: Int)
    /// The payload is being removed this moment.
    case collected
    /// Another file of that name is being committed, or another message of this file is at it.
    case taken
    /// The file has ended meanwhile.
    case ended
}
