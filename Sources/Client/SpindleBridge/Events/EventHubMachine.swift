package import SpindleClient
import SpindleText

/// Fans the events of one subscription out to many clients. Decides; ``EventHub`` reads, writes and waits.
///
/// A client is a place in the ring of recent events, so an event is kept once however many clients there are. One whose cursor is older
/// than the ring follows a replay, a second ring that an own subscription fills, up to where the ring begins. Events that arrive
/// meanwhile are in the ring, so they come behind it, in order. `now` is in milliseconds of any steady clock.
package struct EventHubMachine {
    let configuration: EventBridgeConfiguration
    /// Nil until the broker answered first.
    private var ring: EventRing?
    private var clients: [ClientID: Client] = [:]
    /// How many of them each caller has.
    private var clientsByCaller: [String: Int] = [:]
    private var replays: [ReplayID: Replay] = [:]
    private var lastNumber = 0
    private var isStopping = false

    package init(configuration: EventBridgeConfiguration) { self.configuration = configuration }

    package var clientCount: Int { clients.count }
    package var replayCount: Int { replays.count }
    /// The place behind which everything is still to come; nil until the broker answered first.
    package var cursor: TopicCursor? { ring?.headCursor }

    // MARK: The subscription

    /// The broker accepted: everything behind `cursor` comes.
    package mutating func started(at cursor: TopicCursor) -> [Effect] {
        guard ring == nil else { return [] } // a later subscription goes on where the last one ended
        ring = newRing(at: cursor)
        return clients.keys.sorted().flatMap { id -> [Effect] in
            guard case .starting(let resume) = clients[id]?.place else { return [] }
            return place(id, resume) + [.wake(id)]
        }
    }

    package mutating func received(_ element: FeedElement) -> [Effect] {
        switch element {
        case .event(_, let cursor, _) where ring?.epoch != cursor.epoch:
            restart(at: cursor, reason: "the broker has other data")
        case .event(let topic, let cursor, let body):
            add(entry(topic, cursor, body))
        case .gap(let cursor, let reason):
            if let ring, ring.epoch == cursor.epoch, cursor.offset > ring.head {
                add(.init(offset: cursor.offset, mask: .max, content: .gap(reason: reason)))
            } else {
                restart(at: cursor, reason: reason)
            }
        }
    }

    private mutating func add(_ entry: EventRing.Entry) -> [Effect] {
        guard ring?.append(entry) == true else { return [] }
        var effects: [Effect] = []
        for (id, client) in clients where client.end == nil && entry.mask & client.mask != 0 {
            guard case .live = client.place else { continue }
            guard client.isWriting else {
                effects.append(.wake(id))
                continue
            }
            clients[id]?.backlogBytes += entry.content.bytes
            if client.backlogBytes + entry.content.bytes > configuration.clientBacklogBytesMax { effects += end(id, .slow) }
        }
        return effects
    }

    /// History begins anew: places in the old one mean nothing any more.
    private mutating func restart(at cursor: TopicCursor, reason: String) -> [Effect] {
        ring = newRing(at: cursor)
        var effects = replays.keys.map { Effect.stopReplay($0) }
        replays = [:]
        for id in clients.keys {
            if case .starting(let resume) = clients[id]?.place {
                effects += place(id, resume)
            } else {
                rebase(id, reason)
            }
            effects.append(.wake(id))
        }
        return effects
    }

    private func newRing(at cursor: TopicCursor) -> EventRing {
        EventRing(at: cursor, eventsMax: configuration.ringEventsMax, bytesMax: configuration.ringBytesMax)
    }

    // MARK: Clients

    package mutating func connect(_ newcomer: Newcomer, now: Int64) -> Connected {
        guard !isStopping else { return .stopping }
        guard clients.count < configuration.clientsMax else { return .full }
        guard clientsByCaller[newcomer.caller, default: 0] < configuration.clientsPerCallerMax else { return .callerFull }
        clientsByCaller[newcomer.caller, default: 0] += 1
        lastNumber += 1
        let id = ClientID(number: lastNumber)
        clients[id] = Client(
            caller: newcomer.caller, mask: configuration.mask(of: newcomer.topics), framing: newcomer.framing, place: .starting(newcomer.resume),
            notices: newcomer.framing.bytes(.retry(milliseconds: newcomer.retryMilliseconds)), heartbeatAt: now + configuration.heartbeatMilliseconds,
            recheckAt: now + configuration.recheckMilliseconds, rotateAt: newcomer.rotateAt)
        guard ring != nil else {
            // It learns its place later; something must come at once all the same, or proxies hold the headers back.
            clients[id]?.notices += newcomer.framing.bytes(.ping(nil))
            return .client(id, [])
        }
        return .client(id, place(id, newcomer.resume))
    }

    /// Finds the place of a client that is new or goes on. The ring is there.
    private mutating func place(_ id: ClientID, _ resume: Resume) -> [Effect] {
        guard let ring else { return [] }
        switch resume {
        case .now:
            greet(id, ring.headCursor, resumed: false)
            clients[id]?.place = .live(after: ring.head)
            return []
        case .unreadable:
            rebase(id, "the last event id is not one of this server")
            return []
        case .after(let cursor) where cursor.epoch != ring.epoch:
            rebase(id, "the last event id belongs to other data")
            return []
        case .after(let cursor):
            // Whether one ahead of the ring is the broker's is not known yet: it may be of other data, and end in a gap.
            greet(id, cursor, resumed: cursor.offset <= ring.head)
            return goOn(id, after: cursor.offset)
        }
    }

    private mutating func greet(_ id: ClientID, _ cursor: TopicCursor, resumed: Bool) {
        guard let framing = clients[id]?.framing else { return }
        clients[id]?.notices += framing.bytes(.hello(cursor, resumed: resumed, heartbeatMilliseconds: configuration.heartbeatMilliseconds))
    }

    /// A gap, and on with what is new.
    private mutating func rebase(_ id: ClientID, _ reason: String) {
        guard let ring, let framing = clients[id]?.framing else { return }
        clients[id]?.gap = framing.bytes(.gap(ring.headCursor, reason: reason))
        clients[id]?.place = .live(after: ring.head)
    }

    private mutating func goOn(_ id: ClientID, after offset: UInt64) -> [Effect] {
        guard let ring else { return [] }
        if ring.covers(offset) {
            clients[id]?.place = .live(after: offset)
            return []
        }
        if let shared = replays.first(where: { $0.value.canServe(offset, ringFloor: ring.floor) }) {
            replays[shared.key]?.followers.insert(id)
            clients[id]?.place = .replaying(shared.key, after: offset)
            return [.wakeReplay(shared.key)]
        }
        guard replays.count < configuration.replaysMax else {
            rebase(id, "too many clients are reading history")
            return [.wake(id)]
        }
        lastNumber += 1
        let replay = ReplayID(number: lastNumber)
        let cursor = TopicCursor(epoch: ring.epoch, offset: offset)
        replays[replay] = Replay(
            ring: EventRing(at: cursor, eventsMax: configuration.ringEventsMax, bytesMax: configuration.replayBytesMax),
            until: max(ring.floor, offset), isAhead: offset > ring.head, followers: [id])
        clients[id]?.place = .replaying(replay, after: offset)
        return [.startReplay(replay, from: cursor)]
    }

    /// The client's task asks what to do; it has done what the last step said.
    package mutating func take(_ id: ClientID, now: Int64) -> (Step, [Effect]) {
        guard var client = clients[id] else { return (.end(.left, farewell: []), []) }
        client.writingSince = nil
        client.backlogBytes = 0
        if let end = client.end { return finish(id, end) }
        // It waits for a quiet moment, but not for ever.
        if now >= client.rotateAt + configuration.heartbeatMilliseconds { return finish(id, .rotation) }
        if now >= client.recheckAt {
            client.recheckAt = now + configuration.recheckMilliseconds
            clients[id] = client
            return (.recheck, [])
        }
        var bytes = client.notices + client.gap
        client.notices = []
        client.gap = []
        clients[id] = client
        let effects = read(id, into: &bytes)
        guard let end = clients[id]?.end else {
            if bytes.isEmpty, now >= client.heartbeatAt { bytes = client.framing.bytes(.ping(caughtUp(id))) }
            if !bytes.isEmpty {
                clients[id]?.heartbeatAt = now + configuration.heartbeatMilliseconds
                clients[id]?.writingSince = now
                return (.write(bytes), effects)
            }
            guard now >= client.rotateAt else { return (.wait, effects) }
            let (step, more) = finish(id, .rotation)
            return (step, effects + more)
        }
        let (step, more) = finish(id, end)
        return (step, effects + more)
    }

    /// Reads on from the client's place.
    private mutating func read(_ id: ClientID, into bytes: inout [UInt8]) -> [Effect] {
        guard let floor = ring?.floor, let client = clients[id] else { return [] }
        switch client.place {
        case .starting:
            return []
        case .live(let after):
            // More came at once than the ring holds: it reads on from the broker.
            guard after >= floor else { return goOn(id, after: after) }
            let place = ring?.read(after: after, mask: client.mask, framing: client.framing, bytesMax: configuration.batchBytesMax, into: &bytes)
            clients[id]?.place = .live(after: place ?? after)
            return []
        case .replaying(let replayID, let after):
            guard let held = replays[replayID]?.ring.floor, after >= held else {
                // The others that share it are faster: it gets one of its own.
                return leaveReplay(id, replayID) + goOn(id, after: after)
            }
            let place = replays[replayID]?.ring.read(
                after: after, mask: client.mask, framing: client.framing, bytesMax: configuration.batchBytesMax, into: &bytes)
            guard let place, let replay = replays[replayID] else { return [] }
            clients[id]?.place = .replaying(replayID, after: place)
            guard place >= replay.ring.head else { return [] }
            guard replay.isComplete else { return [.wakeReplay(replayID)] }
            var effects = leaveReplay(id, replayID)
            let reached = max(place, replay.until)
            if reached >= floor {
                // Even where the hub has yet to hear of what the broker told the replay.
                clients[id]?.place = .live(after: reached)
            } else {
                effects += goOn(id, after: reached)
            }
            return effects + (bytes.isEmpty ? read(id, into: &bytes) : [])
        }
    }

    /// The id that a ping may carry: the client then comes back behind it, even if nothing of its own stream happened for long.
    private func caughtUp(_ id: ClientID) -> TopicCursor? {
        guard let ring, case .live(let after) = clients[id]?.place, after == ring.head else { return nil }
        return ring.headCursor
    }

    private mutating func finish(_ id: ClientID, _ end: End) -> (Step, [Effect]) {
        let farewell = end == .reauthenticate ? clients[id]?.framing.bytes(.reauthenticate) ?? [] : []
        let effects = gone(id)
        return (.end(end, farewell: farewell), effects)
    }

    private mutating func end(_ id: ClientID, _ end: End) -> [Effect] {
        guard clients[id]?.end == nil else { return [] }
        clients[id]?.end = end
        guard clients[id]?.isWriting == true else { return [.wake(id)] }
        switch end {
        case .slow, .shutdown: return [.cut(id)] // that write may never end
        case .rotation, .replayFailed, .reauthenticate, .left: return []
        }
    }

    /// Ends a stream: its task is told with its next step.
    package mutating func leave(_ id: ClientID, _ reason: End) -> [Effect] {
        clients[id] == nil ? [] : end(id, reason)
    }

    /// The client's task is over, however that came.
    package mutating func gone(_ id: ClientID) -> [Effect] {
        guard let client = clients.removeValue(forKey: id) else { return [] }
        if let count = clientsByCaller[client.caller] { clientsByCaller[client.caller] = count > 1 ? count - 1 : nil }
        guard case .replaying(let replay, _) = client.place else { return [] }
        return leaveReplay(id, replay)
    }

    /// Looks at the timers.
    package mutating func tick(now: Int64) -> [Effect] {
        var effects: [Effect] = []
        for (id, client) in clients {
            if let since = client.writingSince {
                if now - since >= configuration.writeTimeoutMilliseconds { effects += end(id, .slow) }
            } else if now >= min(client.heartbeatAt, client.rotateAt, client.recheckAt) {
                effects.append(.wake(id))
            }
        }
        return effects
    }

    /// Has every client's right to listen checked now: tokens have changed.
    package mutating func recheckAll(now: Int64) -> [Effect] {
        for id in clients.keys { clients[id]?.recheckAt = now }
        return clients.keys.sorted().map { .wake($0) }
    }

    /// Ends every stream; no more are let in.
    package mutating func stop() -> [Effect] {
        isStopping = true
        return clients.keys.flatMap { id in end(id, .shutdown) } + replays.keys.map { .stopReplay($0) }
    }

    // MARK: Replays

    package func replayStep(_ id: ReplayID) -> ReplayStep {
        guard !isStopping, let replay = replays[id], !replay.isComplete else { return .stop }
        if replay.ring.bytes < configuration.replayBytesMax / 2 { return .read }
        // Further only when somebody has taken all of it: the fastest sets the pace.
        let isWanted = replay.followers.contains { follower in
            guard case .replaying(id, let after) = clients[follower]?.place else { return false }
            return after >= replay.ring.head && clients[follower]?.isWriting == false
        }
        return isWanted ? .read : .wait
    }

    package mutating func replayed(_ id: ReplayID, _ element: FeedElement) -> [Effect] {
        guard var replay = replays[id], !replay.isComplete else { return [] }
        switch element {
        case .event(_, let cursor, _) where cursor.epoch != replay.ring.epoch:
            return abandonReplay(id, "the last event id belongs to other data")
        case .event(let topic, let cursor, let body):
            replay.events += 1
            if replay.events > configuration.replayEventsMax { return abandonReplay(id, "too many events were missed") }
            if cursor.offset <= replay.until {
                _ = replay.ring.append(entry(topic, cursor, body))
            }
            replay.isComplete = cursor.offset >= replay.until
        case .gap(let cursor, let reason):
            guard cursor.epoch == replay.ring.epoch, !replay.isAhead, cursor.offset >= replay.ring.head else {
                return abandonReplay(id, reason)
            }
            // What is left behind a gap that goes this far, lies in the hub's ring.
            replay.until = max(replay.until, cursor.offset)
            replay.isComplete = cursor.offset >= replay.until
            let entry = EventRing.Entry(offset: max(cursor.offset, replay.ring.head + 1), mask: .max, content: .gap(reason: reason))
            _ = replay.ring.append(entry)
        }
        replays[id] = replay
        return replay.followers.sorted().map { .wake($0) }
    }

    /// The followers get a gap and go on with what is new.
    private mutating func abandonReplay(_ id: ReplayID, _ reason: String) -> [Effect] {
        guard let replay = replays.removeValue(forKey: id) else { return [] }
        for follower in replay.followers { rebase(follower, reason) }
        return [.stopReplay(id)] + replay.followers.sorted().map { .wake($0) }
    }

    /// The history can't be read now: the followers come back later by their cursors.
    package mutating func replayFailed(_ id: ReplayID) -> [Effect] {
        guard let replay = replays.removeValue(forKey: id) else { return [] }
        return [.stopReplay(id)] + replay.followers.sorted().flatMap { end($0, .replayFailed) }
    }

    private mutating func leaveReplay(_ client: ClientID, _ id: ReplayID) -> [Effect] {
        guard replays[id]?.followers.remove(client) != nil else { return [] }
        guard replays[id]?.followers.isEmpty == true else { return [.wakeReplay(id)] }
        replays[id] = nil
        return [.stopReplay(id)]
    }

    // MARK: Events

    private func entry(_ topic: String, _ cursor: TopicCursor, _ body: [UInt8]) -> EventRing.Entry {
        let mask = configuration.mask(of: [topic])
        guard body.count <= configuration.eventBytesMax else {
            let reason = "an event of \(body.count) bytes is too large for this stream"
            return EventRing.Entry(offset: cursor.offset, mask: mask, content: .gap(reason: reason))
        }
        guard String(validating: body, as: UTF8.self) != nil else {
            return EventRing.Entry(offset: cursor.offset, mask: mask, content: .gap(reason: "an event is not UTF-8 text"))
        }
        let subject = configuration.progress.first { $0.topic == topic }?.subject(body)
        return EventRing.Entry(offset: cursor.offset, mask: mask, content: .event(topic: topic, body: body), subject: subject)
    }
}

extension EventHubMachine.ClientID: Comparable {
    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
