package import NIOCore
internal import Synchronization

/// Counts connections, and says whether there is room for one more.
package final class ConnectionAdmission: Sendable {
    private struct Counts {
        var all = 0
        var byAddress: [String: Int] = [:]
    }

    private let limits: WebServerLimits
    private let counts = Mutex(Counts())

    package init(limits: WebServerLimits) { self.limits = limits }

    package var count: Int { counts.withLock { $0.all } }

    /// Takes a place for a connection from `address`, which ``leave(_:)`` gives back. Returns false if there is none.
    package func enter(_ address: SocketAddress?) -> Bool {
        let origin = Self.origin(of: address)
        return counts.withLock { counts in
            guard counts.all < limits.connectionsMax else { return false }
            if let origin {
                guard counts.byAddress[origin, default: 0] < limits.connectionsPerAddressMax else { return false }
                counts.byAddress[origin, default: 0] += 1
            }
            counts.all += 1
            return true
        }
    }

    package func leave(_ address: SocketAddress?) {
        let origin = Self.origin(of: address)
        counts.withLock { counts in
            counts.all -= 1
            guard let origin, let count = counts.byAddress[origin] else { return }
            counts.byAddress[origin] = count > 1 ? count - 1 : nil
        }
    }

    /// What is counted as one peer; nil for loopback, where a proxy has the connections of everyone.
    private static func origin(of address: SocketAddress?) -> String? {
        switch address {
        case .v4(let v4):
            let text = SocketAddress.v4(v4).ipAddress ?? ""
            return text.hasPrefix("127.") ? nil : text
        case .v6(let v6):
            let text = SocketAddress.v6(v6).ipAddress ?? ""
            if text == "::1" || text.hasPrefix("::ffff:127.") { return nil }
            if text.hasPrefix("::ffff:") { return text }
            return network(of: text)
        case .unixDomainSocket, nil: return nil
        }
    }

    /// The first four of the eight groups of an IPv6 address, where `::` stands for those that are 0.
    package static func network(of address: String) -> String {
        let halves = address.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false).map { $0.split(separator: ":") }
        let front = halves.first ?? []
        let back = halves.count > 1 ? halves[1] : []
        let zeros = Array(repeating: Substring("0"), count: max(0, 8 - front.count - back.count))
        return (front + zeros + back).prefix(4).joined(separator: ":")
    }
}

/// Closes a connection at once for which there is no room. Its place is at the front, before TLS costs anything.
package final class AdmissionHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    private let admission: ConnectionAdmission
    /// The address with which the place was taken.
    private var admitted: SocketAddress??

    package init(admission: ConnectionAdmission) { self.admission = admission }

    package func channelActive(context: ChannelHandlerContext) {
        let address = context.remoteAddress
        guard admission.enter(address) else {
            context.close(promise: nil)
            return
        }
        admitted = .some(address)
        context.fireChannelActive()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        if let address = admitted { admission.leave(address) }
        admitted = nil
        context.fireChannelInactive()
    }
}
