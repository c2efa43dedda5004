internal import HTTPTypes
internal import Logging
internal import MCMS
internal import SpindleText
internal import Synchronization

/// Lets people in by name and password.
final class PasswordDoor: Sendable {
    private let store: MCMSStore
    private let hasher: PasswordHasher
    private let logger: Logger
    private let brake = Mutex(SignInBrake())

    init(store: MCMSStore, hasher: PasswordHasher, logger: Logger) {
        self.store = store
        self.hasher = hasher
        self.logger = logger
    }

    /// Returns who may come in. Takes as long for names that nobody has.
    /// - Throws: ``Problem``.
    func credential(name typed: String, password: Password, by caller: Caller) async throws -> AccountCredential {
        let name = AccountRules.nameIfValid(typed)
        let address = caller.address ?? ""
        // What cannot be a name counts as one, together: somebody may have typed a password there, so it is shown nowhere.
        let key = name ?? ""
        let wait = brake.withLock { $0.begin(name: key, address: address, now: store.clock()) }
        guard wait == 0 else {
            logger.notice("sign-in refused: too many attempts", metadata: metadata(name, caller))
            throw Problem.tooManyAttempts(waitMilliseconds: wait)
        }
        let isMatch: Bool
        let credential: AccountCredential?
        do {
            credential = if let name { try await store.credential(of: name) } else { nil }
            isMatch = try await hasher.isMatch(password, credential?.passwordHash)
        } catch {
            brake.withLock { $0.abandoned(name: key, address: address) }
            guard error is PasswordHasher.Overloaded else { throw error }
            throw Problem.overloaded
        }
        guard isMatch, let credential, !credential.account.isDisabled else {
            let isDisabled = isMatch && credential != nil
            logger.notice("sign-in refused: \(isDisabled ? "the account is disabled" : "wrong name or password")", metadata: metadata(name, caller))
            try await store.audit(
                AuditAction.signInRefused.rawValue, subject: name, status: Problem.Kind.notAuthenticated.status.code,
                detail: isDisabled ? "the account is disabled" : nil, by: caller)
            if isDisabled {
                throw Problem(.notAuthenticated, "This account is disabled.", action: "Ask an administrator to enable it.")
            }
            throw Problem(.notAuthenticated, "The name or the password is not right.", action: "Check both, and whether Caps Lock is on.")
        }
        brake.withLock { $0.succeeded(name: key, address: address) }
        return credential
    }

    /// Returns the hash of a password that somebody chose, if it is one that may be.
    func hash(_ password: Password, of name: String) async throws -> PasswordHash {
        try AccountRules.check(password, of: name)
        do {
            return try await hasher.hash(password)
        } catch is PasswordHasher.Overloaded {
            throw Problem.overloaded
        }
    }

    private func metadata(_ name: String?, _ caller: Caller) -> Logger.Metadata {
        ["name": "\(name ?? "(no name)")", "address": "\(caller.address ?? "")", "correlationId": "\(caller.correlationID)"]
    }
}

extension Problem {
    fileprivate static func tooManyAttempts(waitMilliseconds: Int64) -> Problem {
        let seconds = (waitMilliseconds + 999) / 1_000
        var problem = Problem(.tooManyAttempts, "There were too many wrong passwords.", action: "Try again in \(seconds) s.")
        problem.headers[.retryAfter] = "\(seconds)"
        return problem
    }

    fileprivate static var overloaded: Problem {
        var problem = Problem(.busy, "Too many people sign in at this moment.", action: "Try again in a moment.")
        problem.headers[.retryAfter] = "1"
        return problem
    }
}
