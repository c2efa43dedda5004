internal import Foundation
package import Hummingbird
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Who may connect to a hub. The `id` that a negotiation gives is a secret that any server of the installation can check: so the connection
/// may be made at another one.
package struct SignalRAccess: Sendable {
    package enum Negotiation: Sendable {
        case agreed(id: String)
        case notAuthenticated
        case notPermitted
    }

    package let negotiate: @Sendable (Request, _ hub: String) async throws -> Negotiation
    package let redeem: @Sendable (_ id: String, _ hub: String, Request) async throws -> EventCaller?
    package let admit: @Sendable (Request, _ hub: String) async throws -> EventAdmission

    /// - Parameters:
    ///   - negotiate: gives an id to who may connect.
    ///   - redeem: whose id it is, once. Nil: nobody's, or used.
    ///   - admit: who connects without an id.
    package init(
        negotiate: @escaping @Sendable (Request, _ hub: String) async throws -> Negotiation,
        redeem: @escaping @Sendable (_ id: String, _ hub: String, Request) async throws -> EventCaller?,
        admit: @escaping @Sendable (Request, _ hub: String) async throws -> EventAdmission
    ) {
        self.negotiate = negotiate
        self.redeem = redeem
        self.admit = admit
    }
}

/// The SignalR hubs of a web server: who is connected to which, by which id. Run it as a service, which carries on the connections that no
/// request holds open.
package final class SignalRHubs: Service, Sendable {
    /// Why there is no connection.
    enum Refusal: Error { case full, callerFull, stopping }

    package let hub: EventHub
    let access: SignalRAccess
    let limits: SignalRLimits
    let logger: Logger
    private let clock: EventHub.Clock
    private let sessions = Mutex<[String: SignalRSession]>([:])
    private let begun: AsyncStream<(String, SignalRSession)>
    private let begin: AsyncStream<(String, SignalRSession)>.Continuation

    /// - Parameter clock: milliseconds, never running back; nil: the system's.
    package init(hub: EventHub, access: SignalRAccess, limits: SignalRLimits = SignalRLimits(), logger: Logger, clock: (@Sendable () -> Int64)? = nil) {
        self.hub = hub
        self.access = access
        self.limits = limits
        self.logger = logger
        let start = ContinuousClock.now
        self.clock = clock ?? { Int64((ContinuousClock.now - start) / .milliseconds(1)) }
        (begun, begin) = AsyncStream.makeStream()
    }

    /// The names of the hubs, in the order of the configuration.
    var names: [String] { hub.configuration.hubs.map(\.name) }

    /// Connections that were made by an id, and have not ended.
    package var sessionCount: Int { sessions.withLock { $0.count } }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for await (id, session) in self.begun { group.addTask { await self.carry(session, id) } }
                // The event hub ends each of them with a goodbye; who polls may come for it.
            }
        }
    }

    private func carry(_ session: SignalRSession, _ id: String) async {
        await session.run()
        if session.carrier != .events {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await session.waitForEnd() }
                // A client that polls comes for the end, or is not waited for longer.
                group.addTask { [limits] in try? await Task.sleep(for: .milliseconds(limits.pollMilliseconds)) }
                await group.next()
                group.cancelAll()
            }
        }
        sessions.withLock { $0[id] = nil }
    }

    // MARK: Connections

    /// Makes a connection that its carrier runs.
    func connect(_ name: String, _ caller: EventCaller) throws(Refusal) -> SignalRSession {
        guard let index = names.firstIndex(of: name) else { throw .stopping }
        switch hub.connect(stream: hub.configuration.streams.count + index, caller: caller, lastEventID: nil) {
        case .full: throw .full
        case .callerFull: throw .callerFull
        case .stopping: throw .stopping
        case .client(let client):
            return SignalRSession(client: client, caller: caller, limits: limits, clock: clock, logger: logger)
        }
    }

    /// Returns the connection of an id; one that was negotiated begins with its first request. Nil: nobody's, used, or ended.
    func session(_ id: String, _ name: String, _ request: Request) async throws -> SignalRSession? {
        let key = "\(name) \(id)"
        if let known = sessions.withLock({ $0[key] }) { return known }
        guard let caller = try await access.redeem(id, name, request) else { return nil }
        let session = try connect(name, caller)
        sessions.withLock { $0[key] = session }
        begin.yield((key, session))
        return session
    }
}
