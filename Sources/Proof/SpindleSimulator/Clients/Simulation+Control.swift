internal import SpindleWire

/// Which workers were told to be quiet, as far as can be known.
struct WorkerControl {
    /// By session: requests behind this one get nothing.
    var quietSince: [UInt64: UInt32] = [:]
    /// By session: the last WORKER_CONTROL that came.
    var last: [UInt64: UInt32] = [:]

    mutating func arrived(_ session: UInt64, _ arrival: UInt32) {
        last[session] = arrival
        quietSince[session] = nil
    }

    mutating func forget(_ session: UInt64) {
        last[session] = nil
        quietSince[session] = nil
    }
}

// The administrator looks at workers, and has them be quiet.
extension Simulation {
    func control() {
        if random.chance(1, in: 3) { return askForWorkers() }
        let session = clients[workerClient(random.below(workers.count))].session
        guard session != 0 else { return }
        let action: WorkerAction = random.chance(1, in: 2) ? .quiet : .resume
        note("session \(session) is told: \(action)")
        send(administrator, .workerControl, .control(session: session, isQuiet: action == .quiet)) {
            WorkerControlRequest(sessionID: session, action: action, graceMilliseconds: 0, reason: "simulated").encode(into: &$0)
        }
    }

    private func askForWorkers() {
        send(administrator, .workers, .workers) { WorkersRequest(withLeases: true).encode(into: &$0) }
    }

    func controlled(_ session: UInt64, isQuiet: Bool, _ arrival: Arrival, _ body: RawSpan) throws(WireError) {
        let reached = try WorkerControlReply(body).sessionsReached
        guard isQuiet, reached == 1, workerControl.last[session] == arrival.order else { return }
        workerControl.quietSince[session] = oracle.arrivals
    }

    /// A quiet worker gets nothing that it asked for since.
    func checkQuiet(_ request: PendingRequest, _ body: RawSpan) throws(WireError) {
        guard let since = workerControl.quietSince[request.session], request.arrival.order > since else { return }
        var reader = WireReader(body)
        let count = try LeaseReplyHead(&reader).items.count
        if count > 0 { oracle.fail(8, "session \(request.session) was told to be quiet, and got \(count) messages that it asked for afterwards") }
    }

    /// What is shown of workers: each connection once, and leases that are given to one at most.
    func shownWorkers(_ body: RawSpan) throws(WireError) {
        let reply = try WorkersReply(body)
        var sessions: Set<UInt64> = []
        var held: Set<UInt64> = []
        for row in reply.sessions {
            if !sessions.insert(row.id).inserted { oracle.fail(8, "session \(row.id) is shown twice") }
            for lease in row.leases where !held.insert(lease.token.messageID).inserted {
                oracle.fail(2, "message \(lease.token.messageID) is shown as held twice")
            }
        }
        guard !reply.moreFollow else { return }
        for client in clients.indices where clients[client].session != 0 && !sessions.contains(clients[client].session) {
            oracle.fail(8, "session \(clients[client].session) is connected, and not shown")
        }
    }
}
