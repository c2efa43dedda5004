import Digests
import Foundation
import MCMS
import SpindleCluster
import SpindleText

/// A link by which somebody makes an account.
struct AccountLink {
    let url: String
    let expiresAt: Timestamp

    private static let secretBytes = 32

    /// The secret stands behind `#`: browsers don't send that part, so no log and no proxy has it.
    static func make(
        _ role: AccountRole, isFirst: Bool, _ store: MCMSStore, at base: String, by caller: Caller
    ) async throws -> AccountLink {
        var random = SystemRandomNumberGenerator()
        let secret = Hexadecimal.text((0..<secretBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        let expires = try await store.createLink(
            digest: try DigestStream.digest(of: Array(secret.utf8)), role: role, isFirst: isFirst, by: caller)
        return AccountLink(url: "\(base)/#link=\(secret)", expiresAt: expires)
    }

    /// The link for the first administrator of a cluster; nil if somebody has an account already.
    static func first(_ configuration: ClusterConfiguration, _ web: WebConfiguration) async throws -> AccountLink? {
        let store = try DomainStore.open(configuration)
        defer { try? store.close() }
        guard try await !store.hasAccounts() else { return nil }
        let caller = Caller(actor: NSUserName(), correlationID: UUID().uuidString.lowercased(), address: "spindle up")
        return try await make(.admin, isFirst: true, store, at: web.publicURL(in: configuration), by: caller)
    }
}

extension WebConfiguration {
    /// How browsers reach the server, as far as the description says it: through its proxy, from other PCs, or on this one only.
    func publicURL(in configuration: ClusterConfiguration) -> String {
        if let origin = origins.first { return origin }
        let isEverywhere = ["0.0.0.0", "::", ""].contains(listen)
        let address = isEverywhere ? configuration.address(ofHost: host) ?? "127.0.0.1" : listen
        return "\(tls == nil ? "http" : "https")://\(address.contains(":") ? "[\(address)]" : address):\(port)"
    }
}
