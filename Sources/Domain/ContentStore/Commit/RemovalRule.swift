/// When a payload may be removed.
package enum RemovalRule {
    package enum Verdict: Hashable, Sendable {
        case remove
        case inUse
        /// Milliseconds until its grace is over.
        case notYet(Int64)
    }

    /// A payload that an attempt has claimed is looked at again after so long.
    private static let claimedMilliseconds: Int64 = 15_000

    /// What the catalogue knows of a payload.
    package struct Facts: Hashable, Sendable {
        /// A removal has begun, and not ended.
        package var isBeingRemoved: Bool
        /// Files that are it.
        package var references: Int
        /// Attempts to commit a file that is it.
        package var claims: Int
        /// Since when no file is it, milliseconds since 1970; nil: some are.
        package var orphanedAt: Int64?

        package init(isBeingRemoved: Bool, references: Int, claims: Int, orphanedAt: Int64?) {
            self.isBeingRemoved = isBeingRemoved
            self.references = references
            self.claims = claims
            self.orphanedAt = orphanedAt
        }
    }

    package static func verdict(_ facts: Facts, now: Int64, graceMilliseconds: Int64) -> Verdict {
        // An attempt before this one ended early: what it began is ended.
        if facts.isBeingRemoved { return .remove }
        guard facts.references == 0, let orphanedAt = facts.orphanedAt else { return .inUse }
        let left = orphanedAt + graceMilliseconds - now
        if left > 0 { return .notYet(left) }
        // They may end without a file that is it.
        return facts.claims > 0 ? .notYet(claimedMilliseconds) : .remove
    }
}
