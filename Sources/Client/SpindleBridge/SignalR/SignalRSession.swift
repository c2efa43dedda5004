internal import Foundation
internal import Logging
internal import Synchronization

/// One SignalR connection: performs what ``SignalRMachine`` says with the events of an ``EventHubClient``. What carries it takes what is to be
/// sent, and hands in what came.
final class SignalRSession: Sendable {
    /// What a carrier gets.
    enum Taken: Sendable, Equatable {
        case text(String)
        /// Nothing, for as long as it wanted to wait.
        case nothing
        /// Another one takes now.
        case replaced
        /// Nothing more will come.
        case end
    }

    /// What carries the connection to the client, besides WebSockets.
    enum Carrier: Sendable { case events, polls }

    private struct Waiter {
        let deadline: Int64?
        let continuation: CheckedContinuation<Taken, Never>
    }

    private struct State {
        var machine: SignalRMachine
        var output = ""
        var isClosed = false
        var waiter: Waiter?
        var carrier: Carrier?
        var isReceiving = false
        /// The end was told to the carrier.
        var isEndTaken = false
    }

    let limits: SignalRLimits
    private let client: EventHubClient
    private let caller: EventCaller
    private let clock: EventHub.Clock
    private let logger: Logger
    private let state: Mutex<State>
    private let closes: AsyncStream<Never>
    private let close: AsyncStream<Never>.Continuation
    private let cuts: AsyncStream<Never>
    private let cut: AsyncStream<Never>.Continuation
    private let ends: AsyncStream<Never>
    private let end: AsyncStream<Never>.Continuation
    private let drains: AsyncStream<Void>
    private let drain: AsyncStream<Void>.Continuation

    init(client: EventHubClient, caller: EventCaller, limits: SignalRLimits, clock: @escaping EventHub.Clock, logger: Logger) {
        self.client = client
        self.caller = caller
        self.limits = limits
        self.clock = clock
        self.logger = logger
        state = Mutex(State(machine: SignalRMachine(limits: limits, now: clock())))
        (closes, close) = AsyncStream.makeStream()
        (cuts, cut) = AsyncStream.makeStream()
        (ends, end) = AsyncStream.makeStream()
        (drains, drain) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Running

    /// Follows the events and the clock until the connection is closed.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.listen() }
            group.addTask { await self.keepTime() }
            group.addTask {
                await self.client.waitForCut()
                if !Task.isCancelled { self.leave(isCut: true) }
            }
            for await _ in closes {}
            group.cancelAll()
        }
        leave()
    }

    private func listen() async {
        let ended = try? await client.run(recheck: { await self.mayStillListen() }, write: { bytes in await self.deliver(bytes) })
        switch ended {
        case .reauthenticate: change { $0.end(.notPermitted) }
        case .slow: leave(isCut: true)
        case .rotation, .replayFailed, .shutdown, .left, nil: change { $0.end(.goingAway) }
        }
    }

    private func mayStillListen() async -> Bool {
        do {
            return try await caller.mayStillListen()
        } catch {
            // Not known now: asked again at the next turn.
            logger.error("audit.error", metadata: ["what": "hub: caller can't be checked", "error": "\(error)"])
            return true
        }
    }

    private func keepTime() async {
        while !Task.isCancelled {
            // Ends early only by cancellation, which the loop sees.
            try? await Task.sleep(for: .milliseconds(limits.tickMilliseconds))
            tick()
        }
    }

    /// Looks at the timers.
    private func tick() {
        let now = clock()
        change { $0.tick(now: now) }
        let waiter = state.withLock { state -> Waiter? in
            guard let deadline = state.waiter?.deadline, now >= deadline else { return nil }
            return state.waiter.take()
        }
        waiter?.continuation.resume(returning: .nothing)
    }

    /// Returns when there is room for more.
    private func deliver(_ bytes: [UInt8]) async {
        let now = clock()
        for frame in EventFrame.read(bytes) {
            switch frame.name {
            case "hello", "ping", "reauth": break
            case "gap": change { $0.end(.missedEvents) }
            default:
                guard frame.isObject else {
                    logger.error("audit.error", metadata: ["what": "hub: an event is no JSON object", "topic": "\(frame.name)"])
                    continue
                }
                change { $0.event(frame.name, String(decoding: frame.data, as: UTF8.self), now: now) }
            }
        }
        var drained = drains.makeAsyncIterator()
        while state.withLock({ $0.output.utf8.count > limits.waitingBytesMax && !$0.isClosed }) {
            guard await drained.next() != nil else { return }
        }
    }

    private func change(_ body: (inout SignalRMachine) -> [SignalRMachine.Action]) {
        let (waiter, taken, isClosed) = state.withLock { state -> (Waiter?, Taken, Bool) in
            guard !state.isClosed else { return (nil, .end, false) }
            for action in body(&state.machine) {
                switch action {
                case .send(let text): state.output += text
                case .close: state.isClosed = true
                }
            }
            guard let waiter = state.waiter, let taken = Self.take(&state) else { return (nil, .end, state.isClosed) }
            state.waiter = nil
            return (waiter, taken, state.isClosed)
        }
        waiter?.continuation.resume(returning: taken)
        if isClosed { close.finish() }
    }

    private static func take(_ state: inout State) -> Taken? {
        if !state.output.isEmpty {
            defer { state.output = "" }
            return .text(state.output)
        }
        guard state.isClosed else { return nil }
        state.isEndTaken = true
        return .end
    }

    // MARK: Carrying

    /// Waits for something to send. The one who took before is told that it is replaced.
    /// - Parameter milliseconds: nil: as long as it takes.
    func take(within milliseconds: Int64? = nil) async -> Taken {
        let taken = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = clock()
                let (old, taken) = state.withLock { state -> (Waiter?, Taken?) in
                    state.machine.heard(now: now)
                    let old = state.waiter.take()
                    let taken = Self.take(&state) ?? (milliseconds == 0 ? .nothing : nil)
                    if taken == nil { state.waiter = Waiter(deadline: milliseconds.map { now + $0 }, continuation: continuation) }
                    return (old, taken)
                }
                old?.continuation.resume(returning: .replaced)
                if let taken { continuation.resume(returning: taken) }
            }
        } onCancel: {
            leave()
        }
        drain.yield()
        if taken == .end { end.finish() }
        return taken
    }

    func received(_ bytes: [UInt8]) {
        let now = clock()
        change { $0.received(bytes, now: now) }
    }

    /// Returns false if the client sends something else at this moment.
    func beginReceiving() -> Bool {
        state.withLock { state in
            guard !state.isReceiving else { return false }
            state.isReceiving = true
            return true
        }
    }

    func endReceiving() { state.withLock { $0.isReceiving = false } }

    /// Returns whether this is what carries the connection from now on, and whether it is new.
    func carry(by carrier: Carrier) -> (isAgreed: Bool, isFirst: Bool) {
        state.withLock { state in
            let isFirst = state.carrier == nil
            guard isFirst || state.carrier == carrier && carrier == .polls else { return (false, false) }
            state.carrier = carrier
            return (true, isFirst)
        }
    }

    /// This server stops: the client is told to connect again.
    func goAway() { change { $0.end(.goingAway) } }

    /// Ends the connection: the client is gone.
    /// - Parameter isCut: whatever is being written.
    func leave(isCut: Bool = false) {
        let waiter = state.withLock { state -> Waiter? in
            state.isClosed = true
            return state.waiter.take()
        }
        waiter?.continuation.resume(returning: .end)
        close.finish()
        drain.finish()
        client.leave(.left)
        if isCut { cut.finish() }
    }

    /// Returns when the carrier must close the connection whatever is being written.
    func waitForCut() async { for await _ in cuts {} }

    /// Returns when the carrier has told the client that the connection ended.
    func waitForEnd() async { for await _ in ends {} }

    var carrier: Carrier? { state.withLock { $0.carrier } }
}

/// One frame of an event stream, read from what ``ServerSentEvent`` wrote.
struct EventFrame {
    let name: String
    let data: [UInt8]

    var isObject: Bool { (try? JSONSerialization.jsonObject(with: Data(data))) is [String: Any] }

    static func read(_ bytes: [UInt8]) -> [EventFrame] {
        var frames: [EventFrame] = []
        var name: String?
        var lines: [ArraySlice<UInt8>] = []
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if line.isEmpty {
                if let name { frames.append(EventFrame(name: name, data: Array(lines.joined(separator: [UInt8(ascii: "\n")])))) }
                name = nil
                lines = []
            } else if line.starts(with: "event: ".utf8) {
                name = String(decoding: line.dropFirst(7), as: UTF8.self)
            } else if line.starts(with: "data: ".utf8) {
                lines.append(line.dropFirst(6))
            }
        }
        return frames
    }
}
