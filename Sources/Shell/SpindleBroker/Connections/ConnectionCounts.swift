/// What a connection counts as.
package enum ConnectionStanding: Equatable {
    /// Can transition to: principal.
    case unauthenticated
    /// Over a limit: it is told so and closed.
    case refused
    case principal(String)
}

/// How many connections there are: in all, by address, and by principal.
package struct ConnectionCounts {
    package private(set) var total = 0
    /// Those that have not said who they are.
    package private(set) var unauthenticated = 0
    private var byAddress: [String: Int] = [:]
    private var unauthenticatedByAddress: [String: Int] = [:]
    private var byPrincipal: [String: Int] = [:]

    package init() {}

    /// Counts a new connection. Returns what is wrong with one over a limit, in a sentence: then its standing is `refused`.
    package mutating func connected(from address: String, limits: BrokerLimits, budget: SocketBudget) -> String? {
        total += 1
        byAddress[address, default: 0] += 1
        if total > limits.connectionsMax {
            return "the broker has its \(limits.connectionsMax) connections; try again later, or raise the limit"
        }
        if let max = limits.connectionsPerAddressMax, byAddress[address, default: 0] > max {
            return "\(address) has its \(max) connections; close some, or raise the limit per address"
        }
        if unauthenticated >= budget.unauthenticatedMax {
            return "\(budget.unauthenticatedMax) connections have not said who they are; try again when they were cut"
        }
        if unauthenticatedByAddress[address, default: 0] >= budget.unauthenticatedPerAddressMax {
            return "\(budget.unauthenticatedPerAddressMax) connections from \(address) have not said who they are; try again when they were cut"
        }
        unauthenticated += 1
        unauthenticatedByAddress[address, default: 0] += 1
        return nil
    }

    package mutating func disconnected(from address: String, _ standing: ConnectionStanding) {
        total -= 1
        byAddress[address] = Self.less(byAddress[address])
        switch standing {
        case .unauthenticated: lessUnauthenticated(address)
        case .refused: break
        case .principal(let name): byPrincipal[name] = Self.less(byPrincipal[name])
        }
    }

    /// Counts a connection that said who it is for `principal`, unless that one has `max` already.
    package mutating func authenticated(_ principal: String, from address: String, max: Int) -> Bool {
        let count = byPrincipal[principal, default: 0]
        if count >= max { return false }
        byPrincipal[principal] = count + 1
        lessUnauthenticated(address)
        return true
    }

    private mutating func lessUnauthenticated(_ address: String) {
        unauthenticated -= 1
        unauthenticatedByAddress[address] = Self.less(unauthenticatedByAddress[address])
    }

    private static func less(_ count: Int?) -> Int? {
        guard let count, count > 1 else { return nil }
        return count - 1
    }
}
