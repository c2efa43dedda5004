internal import SpindleQueue
internal import SpindleWire

// What principals may have in use at once. A request over a quota is refused and changes nothing.
extension Node {
    // MARK: Counting

    /// The session, and with it its principal, uses more.
    mutating func use(_ usage: Quotas.Usage, _ session: SessionID) {
        guard let account = sessions[session]?.account else { return }
        sessions[session]?.usage += usage
        quotas.add(usage, to: account)
    }

    /// The session uses less. A session that is gone gave back everything as it went.
    mutating func free(_ usage: Quotas.Usage, _ session: SessionID) {
        guard let account = sessions[session]?.account else { return }
        sessions[session]?.usage -= usage
        quotas.subtract(usage, from: account)
    }

    /// Removes what waits for the session: nobody would read the answers.
    mutating func endWaits(of session: SessionID) {
        let leases = waitingLeases.removeAll(of: session)
        let awaiters = waitingAwaits.removeAll(of: session)
        let waits = leases.reduce(0) { $0 + $1.placeCount } + awaiters.reduce(0) { $0 + $1.pending.count }
        free(.init(requests: leases.count + awaiters.count, waits: waits), session)
    }

    // MARK: Checking

    /// Refuses a request of `byteCount` bytes where its principal has too many that wait for an answer. What ends work and so frees
    /// room is always taken.
    func checkRequestQuota(_ opcode: Opcode, _ request: Request, byteCount: Int) throws(WireError) {
        switch opcode {
        case .ping, .ack, .nack, .extend, .withdraw, .topicCredit, .topicUnsubscribe: return
        default: break
        }
        let quota = request.principal.quota
        let usage = usage(of: request.session)
        guard usage.requests < quota.requests else {
            throw Self.overQuota(request.principal, "\(usage.requests) requests that wait for an answer", quota.requests, retryAfterMilliseconds: 100)
        }
        // One always goes, however large it is.
        guard usage.requestBytes == 0 || usage.requestBytes + byteCount <= quota.bytesInFlight else {
            throw Self.overQuota(
                request.principal, "\(usage.requestBytes) bytes of requests that wait for an answer", quota.bytesInFlight, retryAfterMilliseconds: 100)
        }
    }

    /// Refuses a LEASE or AWAIT that would wait, for `more` messages.
    func checkWaitQuota(_ request: Request, more: Int) throws(WireError) {
        let waits = usage(of: request.session).waits
        guard waits + more <= request.principal.quota.waits else {
            throw Self.overQuota(request.principal, "\(waits) LEASEs and awaited messages that wait", request.principal.quota.waits)
        }
    }

    func checkSubscriptionQuota(_ request: Request) throws(WireError) {
        let subscriptions = usage(of: request.session).subscriptions
        guard subscriptions < request.principal.quota.subscriptions else {
            throw Self.overQuota(request.principal, "\(subscriptions) subscriptions", request.principal.quota.subscriptions)
        }
    }

    /// How many more leases the session's principal may hold.
    func leaseRoom(of session: SessionID) -> Int {
        guard let principal = sessions[session]?.principal, let account = sessions[session]?.account else { return 0 }
        return max(0, principal.quota.leases - state.engine.held.leaseCount(of: account))
    }

    /// Why a LEASE of the session gets nothing while ``leaseRoom(of:)`` is 0.
    func leasesOverQuota(_ session: SessionID) -> WireError {
        guard let principal = sessions[session]?.principal else { return WireError(.internalError, "a LEASE of nobody") }
        return Self.overQuota(principal, "\(principal.quota.leases) leases", principal.quota.leases)
    }

    private func usage(of session: SessionID) -> Quotas.Usage { quotas[sessions[session]?.account ?? Quotas.noAccount] }

    private static func overQuota(_ principal: Principal, _ what: String, _ max: Int, retryAfterMilliseconds: UInt32 = 1000) -> WireError {
        WireError(
            .tooManyInFlight,
            "'\(principal.name)' has \(what) over all its connections: its quota is \(max); finish some, or raise the quota in the configuration",
            retryAfterMilliseconds: retryAfterMilliseconds)
    }
}
