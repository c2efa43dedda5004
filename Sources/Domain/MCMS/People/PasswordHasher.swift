internal import Dispatch
internal import Synchronization

/// Computes password hashes one at a time, in a thread of its own: a flood of sign-ins costs at most one processor, and no other request waits.
package final class PasswordHasher: Sendable {
    /// More sign-ins wait for their turn than anybody would wait for.
    package struct Overloaded: Error {}

    package static let waitingMax = 16

    private let cost: PasswordHash.Cost
    private let queue = DispatchQueue(label: "passwords")
    private let waiting = Mutex(0)
    /// What passwords of unknown names are compared with; its own password is nobody's.
    private let nobody: Mutex<PasswordHash?> = Mutex(nil)

    package init(cost: PasswordHash.Cost = .standard) {
        self.cost = cost
    }

    /// - Throws: ``Overloaded``.
    package func hash(_ password: Password) async throws -> PasswordHash {
        let cost = cost
        return try await inTurn { try PasswordHash(of: password, cost: cost) }
    }

    /// Returns whether the password is the one that was hashed. A nil hash takes as long as any other, and is never matched.
    /// - Throws: ``Overloaded``.
    package func isMatch(_ password: Password, _ hash: PasswordHash?) async throws -> Bool {
        let cost = cost
        return try await inTurn { [self] in
            if let hash { return try hash.matches(password) }
            let decoy = try nobody.withLock { known in
                if let known { return known }
                let made = try PasswordHash(of: Password(String(UInt64.random(in: .min ... .max))), cost: cost)
                known = made
                return made
            }
            _ = try decoy.matches(password)
            return false
        }
    }

    /// Makes what unknown names are compared with, so that the first of them takes no longer than any other.
    package func warmUp() async throws { _ = try await isMatch(Password(""), nil) }

    private func inTurn<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        let isTaken = waiting.withLock { count in
            guard count < Self.waitingMax else { return false }
            count += 1
            return true
        }
        guard isTaken else { throw Overloaded() }
        defer { waiting.withLock { $0 -= 1 } }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try work() }) }
        }
    }
}
