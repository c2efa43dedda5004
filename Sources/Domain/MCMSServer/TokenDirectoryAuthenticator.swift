internal import Digests
internal import Foundation
internal import MCMS
internal import Synchronization

/// Reads tokens from a folder with one file per principal: the file's name is the principal's, its content the token.
///
/// Files of principals without a role are not read. Only SHA-256 digests are kept in memory; a caller's token is hashed, and compared with all of them in
/// constant time. ``reload()`` reads the folder again after a token was changed.
package final class TokenDirectoryAuthenticator: BearerAuthenticator {
    /// A shorter token could be guessed; a longer one isn't one of ours.
    package static let tokenBytes = 16...512

    package struct LoadError: Error, CustomStringConvertible {
        package let description: String
    }

    private struct Entry {
        let digest: [UInt8]
        let principal: WebPrincipal
    }

    /// A principal, and what it may do.
    package struct Assignment: Sendable {
        let principal: String
        let role: WebRole

        package init(principal: String, role: WebRole) {
            self.principal = principal
            self.role = role
        }
    }

    private let directory: URL
    private let roles: [Assignment]
    private let entries: Mutex<[Entry]>

    /// - Throws: ``LoadError`` if the folder has no token, or one that is too short.
    package init(directory: String, roles: [Assignment]) throws {
        self.directory = URL(fileURLWithPath: directory, isDirectory: true)
        self.roles = roles.filter { $0.role != .none }
        entries = Mutex(try Self.load(self.directory, self.roles))
    }

    /// Reads the folder again. If that fails, the tokens that were known stay.
    package func reload() throws {
        let loaded = try Self.load(directory, roles)
        entries.withLock { $0 = loaded }
    }

    package func principal(for token: String) -> WebPrincipal? {
        guard token.utf8.count <= Self.tokenBytes.upperBound, let digest = try? DigestStream.digest(of: Array(token.utf8)) else { return nil }
        return entries.withLock { entries in
            var found: WebPrincipal?
            // Every entry is compared, whole, whether an earlier one matched or not: the time tells nothing.
            for entry in entries where Self.areEqual(entry.digest, digest) { found = entry.principal }
            return found
        }
    }

    package func holder(named name: String) -> TokenHolder? {
        entries.withLock { entries in
            guard let entry = entries.first(where: { $0.principal.name == name }), let credential = try? DigestStream.digest(of: entry.digest) else {
                return nil
            }
            return TokenHolder(principal: entry.principal, credential: credential)
        }
    }

    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    private static func load(_ directory: URL, _ roles: [Assignment]) throws -> [Entry] {
        var entries: [Entry] = []
        for assignment in roles {
            let file = directory.appendingPathComponent(assignment.principal)
            guard FileManager.default.fileExists(atPath: file.path) else { continue }
            let token = try String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            guard tokenBytes.contains(token.utf8.count) else {
                throw LoadError(
                    description: "the token in \(file.path) has \(token.utf8.count) bytes; it must have \(tokenBytes.lowerBound) to \(tokenBytes.upperBound)")
            }
            entries.append(
                Entry(digest: try DigestStream.digest(of: Array(token.utf8)),
                    principal: WebPrincipal(name: assignment.principal, permissions: assignment.role.permissions)))
        }
        guard !entries.isEmpty else {
            throw LoadError(description: "there is no token in \(directory.path). Expected are the files \(roles.map(\.principal).joined(separator: ", ")).")
        }
        return entries
    }
}
