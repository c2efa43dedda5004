internal import SpindleWire

/// One line of the audit: who did, or tried, what an operator should be able to look up later.
package struct AuditEntry: Equatable, Sendable {
    /// The request, as `PURGE` or `BULK move`; `AUTH` for a failed authentication.
    package var action: String
    /// The queue, topic pattern or worker that is meant; empty where the request could not be read.
    package var target = ""
    /// What else the request says: a dead-letter queue, a job's target, a reason.
    package var detail = ""
    /// Empty where nobody was authenticated.
    package var principal = ""
    /// In whose name the principal acted; empty: its own.
    package var actor = ""
    package var peer = ""
    package var client = ""
    /// `ok`, or the error's name.
    package var outcome = "ok"

    init(action: String) { self.action = action }
}

extension AuditEntry {
    /// What the audit says of a request; nil for one that it does not keep.
    init?(_ opcode: Opcode, _ body: RawSpan) {
        self.init(action: opcode.name)
        switch opcode {
        case .declare:
            guard let declare = try? DeclareRequest(body) else { return }
            target = declare.queue
            if let deadLetters = declare.policy.deadLetterQueue { detail = "deadLetterQueue=\(deadLetters)" }
        case .delete:
            guard let delete = try? DeleteRequest(body) else { return }
            target = delete.queue
            detail = delete.mode == .ifEmpty ? "if empty" : "with its messages"
        case .purge:
            guard let purge = try? PurgeRequest(body) else { return }
            target = purge.queue
            detail = [purge.ready ? "ready" : nil, purge.delayed ? "delayed" : nil].compactMap(\.self).joined(separator: ", ")
        case .pause:
            guard let pause = try? PauseRequest(body) else { return }
            target = pause.queue
            detail = pause.reason
        case .resume: target = (try? ResumeRequest(body).queue) ?? ""
        case .cancel:
            guard let cancel = try? CancelRequest(body) else { return }
            target = cancel.queue
            detail = "\(cancel.ids.count) messages" + (cancel.reason.isEmpty ? "" : ": \(cancel.reason)")
        case .redrive:
            guard let redrive = try? RedriveRequest(body) else { return }
            target = redrive.queue
            if !redrive.target.isEmpty { detail = "to \(redrive.target)" }
        case .bulk:
            guard let bulk = try? BulkRequest(body) else { return }
            if bulk.action == .look { return nil }
            action += " \(bulk.action)"
            target = bulk.queue
            let facts = [
                bulk.job > 0 ? "job \(bulk.job)" : nil, bulk.target.isEmpty ? nil : "to \(bulk.target)", bulk.reason.isEmpty ? nil : bulk.reason,
            ]
            detail = facts.compactMap(\.self).joined(separator: ": ")
        case .topicDeclare: target = (try? TopicDeclareRequest(body).pattern) ?? ""
        case .workerControl:
            guard let control = try? WorkerControlRequest(body) else { return }
            action += " \(control.action)"
            target = control.sessionID > 0 ? "session \(control.sessionID)" : control.label.isEmpty ? "all" : "\(control.label)=\(control.value)"
            detail = control.reason
        case .hello, .auth, .ping, .goingAway, .quiet, .publish, .lease, .ack, .nack, .extend, .settle, .await, .cancelled, .withdraw, .stats, .browse, .get,
            .reschedule, .topicPublish, .topicSubscribe, .topicUnsubscribe, .topicCredit, .topicEvents, .topicGap, .topicStats, .workers,
            .why:
            return nil
        }
    }
}

extension Node {
    /// Hands the shell a line of the audit, where the request is one that it keeps. `error` nil: it was carried out.
    mutating func audit(_ session: SessionID, _ opcode: Opcode, _ body: RawSpan, actor: String?, error: WireError?) {
        guard var entry = AuditEntry(opcode, body) else { return }
        entry.actor = actor ?? ""
        if let error { entry.outcome = error.code.name }
        audit(entry, session)
    }

    /// Nobody was found behind a credential.
    mutating func auditFailedAuthentication(_ session: SessionID, _ error: WireError) {
        var entry = AuditEntry(action: Opcode.auth.name)
        entry.outcome = error.code.name
        audit(entry, session)
    }

    private mutating func audit(_ entry: AuditEntry, _ session: SessionID) {
        var entry = entry
        entry.principal = sessions[session]?.principal?.name ?? ""
        entry.peer = sessions[session]?.peer ?? ""
        entry.client = sessions[session]?.clientName ?? ""
        outbox.effects.append(.audit(entry))
    }
}
