internal import SQLStore

extension MCMSStore {
    /// Writes a new routing, as a draft.
    package func createRouting(name: String, by caller: Caller) async throws -> Routing {
        let name = try TextLimits.check(name, field: "name", max: TextLimits.nameMax)
        let caller = try checked(caller)
        return try await transaction(by: caller) { transaction in
            let now = transaction.now
            let routing = Routing(
                id: TimeOrderedID.make(at: now), name: name, camRevision: 0, status: .draft, createdAt: now, updatedAt: now,
                lastGenerationStatus: .none)
            try routing.insert(transaction.db)
            try transaction.history(.routingCreated, routing: routing.id, message: name)
            try transaction.event(
                MCMSNames.routingCreatedTopic, routing: routing.id,
                RoutingCreatedEvent(routingId: routing.id, name: name, status: routing.status, createdBy: caller.actor, createdAt: now))
            return routing
        }
    }

    /// Asks for approval of a draft, or again of a rejected routing.
    package func submit(_ id: String, by caller: Caller) async throws -> Routing {
        try await change(id, .submit, by: caller) { transaction, routing in
            routing.submittedAt = transaction.now
            try transaction.history(.routingSubmitted, routing: id)
            try Self.announceApproval(transaction, routing)
        }
    }

    /// Approves a routing and has its CAM output generated: the new status, two lines of history, the job, the command for the
    /// add-in and two events, in one transaction.
    package func approve(_ id: String, by caller: Caller) async throws -> Routing {
        let approval = approval
        return try await change(id, .approve, by: caller) { transaction, routing in
            if approval == .fourEyes { try Self.refuseOwn(transaction, routing: id) }
            routing.approver = caller.actor
            routing.approvedAt = transaction.now
            try transaction.history(.routingApproved, routing: id, approval: .approved)
            try Self.announceApproval(transaction, routing)
            try Self.startGeneration(transaction, &routing)
        }
    }

    /// - Parameter reason: what the author is told.
    package func reject(_ id: String, reason: String?, by caller: Caller) async throws -> Routing {
        let reason = try reason.map { reason throws(MCMSError) in
            try TextLimits.check(reason, field: "reason", max: TextLimits.reasonMax)
        }
        return try await change(id, .reject, by: caller) { transaction, routing in
            try transaction.history(.routingRejected, routing: id, approval: .rejected, message: reason)
            try Self.announceApproval(transaction, routing, reason: reason)
        }
    }

    /// Generates again after a failure, as a new job. The routing stays approved.
    package func retryGeneration(_ id: String, by caller: Caller) async throws -> Routing {
        try await change(id, .retryGeneration, by: caller) { transaction, routing in
            try Self.startGeneration(transaction, &routing)
        }
    }

    private func change(
        _ id: String, _ action: RoutingAction, by caller: Caller,
        _ body: @escaping @Sendable (MCMSTransaction, inout Routing) throws -> Void
    ) async throws -> Routing {
        let caller = try checked(caller)
        return try await transaction(by: caller) { transaction in
            var routing = try Routing.find(transaction.db, id: id)
            let next: RoutingState
            do throws(IllegalTransition) {
                next = try RoutingRules.next(routing.state, action)
            } catch {
                throw MCMSError.illegalTransition(error)
            }
            routing.status = next.status
            routing.lastGenerationStatus = next.generation
            routing.updatedAt = transaction.now
            try body(transaction, &routing)
            try routing.update(transaction.db)
            return routing
        }
    }

    private func checked(_ caller: Caller) throws -> Caller {
        Caller(
            actor: try TextLimits.check(caller.actor, field: "actor", max: TextLimits.actorMax), principal: caller.principal,
            correlationID: caller.correlationID, address: caller.address, rolesOfActor: caller.rolesOfActor)
    }

    /// Refuses the approval by the actor who created the routing, or submitted it last.
    private static func refuseOwn(_ transaction: MCMSTransaction, routing: String) throws {
        let owners = try transaction.db.values(
            """
            SELECT actor FROM historyEntry WHERE id IN (
                (SELECT min(id) FROM historyEntry WHERE routingId = $1 AND event = $2),
                (SELECT max(id) FROM historyEntry WHERE routingId = $1 AND event = $3))
            """,
            [routing, HistoryEvent.routingCreated, HistoryEvent.routingSubmitted], as: String.self)
        // Names that look alike are taken for one: the comparison is by what is read, whatever the case.
        let actor = transaction.caller.actor.lowercased()
        if owners.contains(where: { $0.lowercased() == actor }) { throw MCMSError.ownApproval(actor: transaction.caller.actor) }
    }

    private static func announceApproval(_ transaction: MCMSTransaction, _ routing: Routing, reason: String? = nil) throws {
        try transaction.event(
            MCMSNames.approvalChangedTopic, routing: routing.id,
            RoutingApprovalChangedEvent(
                routingId: routing.id, status: routing.status, approvedBy: transaction.caller.actor, reason: reason, timestamp: transaction.now))
    }

    private static func startGeneration(_ transaction: MCMSTransaction, _ routing: inout Routing) throws {
        let now = transaction.now
        let job = AddinJob(
            jobId: TimeOrderedID.make(at: now), routingId: routing.id, status: .created, outputs: [], requestedBy: transaction.caller.actor,
            correlationId: transaction.caller.correlationID, createdAt: now, updatedAt: now)
        try StoredJob(job: job).insert(transaction.db)
        routing.lastAddinJobId = job.jobId
        routing.lastGenerationAt = now
        try transaction.history(.addinJobCreated, routing: routing.id, job: job.jobId, generation: .queued)
        // The job's id is the task's id: a job is sent once. The row's id leads to the message, for when the job ends before the command.
        let row = try transaction.command(
            MCMSNames.generationTask, taskID: job.jobId, to: MCMSNames.generationQueue, routing: routing.id,
            EspritGenerationCommand(
                jobId: job.jobId, routingId: routing.id, routingName: routing.name, camRevision: routing.camRevision,
                outputDirectory: "routings/\(routing.id)/\(job.jobId)", requestedBy: job.requestedBy, requestedAt: now))
        try transaction.db.execute("UPDATE addinJob SET commandOutboxId = $1 WHERE jobId = $2", [row, job.jobId])
        try transaction.event(
            MCMSNames.jobCreatedTopic, routing: routing.id,
            AddinJobCreatedEvent(jobId: job.jobId, routingId: routing.id, createdAt: now))
    }
}
