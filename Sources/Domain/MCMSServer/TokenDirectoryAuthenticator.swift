internal import Digests
internal import Foundation
internal import MCMS
internal import Synchronization

/// Reads tokens from a folder with one file per principal: the file's name is the principal's, its content the token.
///
/// Files of principals without a role are not read. Only SHA-256 digests are kept in memory; a caller's token is hashed, and compared with all of them in
/// constant time. ``refresh()`` reads the folder again where a file of it changed; ``reload()`` does it at once, and all or nothing.
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
    private let stamps: Mutex<[String: FileStamp]>

    /// What tells that a file is not the one that was read.
    private struct FileStamp: Hashable {
        let inode: UInt64
        let size: UInt64
        let changedAt: Date
    }

    /// - Throws: ``LoadError`` if the folder has no token, or one that is too short.
    package init(directory: String, roles: [Assignment]) throws {
        self.directory = URL(fileURLWithPath: directory, isDirectory: true)
        self.roles = roles.filter { $0.role != .none }
        // Before they are read: a change meanwhile is seen as one.
        stamps = Mutex(Self.stamps(self.directory, self.roles))
        entries = Mutex(try Self.load(self.directory, self.roles))
    }

    /// Reads the folder again if a file of it changed. A token whose file is gone or can't be used is known no more; the others hold.
    /// Returns nil if nothing changed, else what is wrong with files.
    package func refresh() -> [LoadError]? {
        let now = Self.stamps(directory, roles)
        guard stamps.withLock({ before in
            defer { before = now }
            return before != now
        }) else { return nil }
        var problems: [LoadError] = []
        var loaded: [Entry] = []
        for assignment in roles {
            do {
                if let entry = try Self.entry(directory, assignment) { loaded.append(entry) }
            } catch {
                problems.append(error as? LoadError ?? LoadError(description: "the token of “\(assignment.principal)” can't be read: \(error)"))
            }
        }
        entries.withLock { [loaded] in $0 = loaded }
        return problems
    }

    /// Reads the folder again. If that fails, the tokens that were known stay.
    package func reload() throws {
        let now = Self.stamps(directory, roles)
        let loaded = try Self.load(directory, roles)
        stamps.withLock { $0 = now }
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
        let entries = try roles.compactMap { try entry(directory, $0) }
        guard !entries.isEmpty else {
            throw LoadError(description: "there is no token in \(directory.path). Expected are the files \(roles.map(\.principal).joined(separator: ", ")).")
        }
        return entries
    }
    /// Returns nil if the principal has no file.
    private static func entry(_ directory: URL, _ assignment: Assignment) throws -> Entry? {
        let file = directory.appendingPathComponent(assignment.principal)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let token = try String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        guard tokenBytes.contains(token.utf8.count) else {
            throw LoadError(
                description: "the token in \(file.path) has \(token.utf8.count) bytes; it must have \(tokenBytes.lowerBound) to \(tokenBytes.upperBound)")
        }
        return Entry(
            digest: try DigestStream.digest(of: Array(token.utf8)),
            principal: WebPrincipal(name: assignment.principal, permissions: assignment.role.permissions))
    }

    private static func stamps(_ directory: URL, _ roles: [Assignment]) -> [String: FileStamp] {
        var stamps: [String: FileStamp] = [:]
        for role in roles {
            let path = directory.appendingPathComponent(role.principal).path
            guard let found = try? FileManager.default.attributesOfItem(atPath: path) else { continue }
            stamps[role.principal] = FileStamp(
                inode: (found[.systemFileNumber] as? UInt64) ?? 0, size: (found[.size] as? UInt64) ?? 0,
                changedAt: (found[.modificationDate] as? Date) ?? .distantPast)
        }
        return stamps
    }
}
