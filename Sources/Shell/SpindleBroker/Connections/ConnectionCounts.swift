/// How many connections there are: in all, by address and by principal.
package struct ConnectionCounts {
    package private(set) var total = 0
    private var byAddress: [String: Int] = [:]
    private var byPrincipal: [String: Int] = [:]

    package init() {}

    /// Counts a new connection, whether or not it is over a limit; returns what is wrong with it, in a sentence.
    package mutating func connected(from address: String, limits: BrokerLimits) -> String? {
        total += 1
        byAddress[address, default: 0] += 1
        if total > limits.connectionsMax {
            return "the broker has its \(limits.connectionsMax) connections; try again later, or raise the limit"
        }
        if let max = limits.connectionsPerAddressMax, byAddress[address, default: 0] > max {
            return "\(address) has its \(max) connections; close some, or raise the limit per address"
        }
        return nil
    }

    package mutating func disconnected(from address: String, principal: String?) {
        total -= 1
        byAddress[address] = Self.less(byAddress[address])
        if let principal { byPrincipal[principal] = Self.less(byPrincipal[principal]) }
    }

    /// Counts the connection for `principal`, unless that one has `max` already.
    package mutating func authenticated(_ principal: String, max: Int?) -> Bool {
        let count = byPrincipal[principal, default: 0]
        if let max, count >= max { return false }
        byPrincipal[principal] = count + 1
        return true
    }

    private static func less(_ count: Int?) -> Int? {
        guard let count, count > 1 else { return nil }
        return count - 1
    }
}
