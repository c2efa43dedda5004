import Testing

/// The flow of a routing, with each bad end. The language is ``FlowScript``'s.
@Suite struct FlowScriptTests {
    private static let approved = """
        create r                        -> draft
        submit r                        -> pendingApproval none
        approve r by lee                -> approved queued

        """

    @Test func aRoutingIsApprovedAndGenerated() async throws {
        try await FlowScript.run(Self.approved + """
            relay                           -> routing.created routing.approval.changed routing.approval.changed esprit-gen addin.job.created
            lease cam                       -> r#1
            progress cam 40                 -> ok
            results                         -> progress
            badge r                         -> approved running rev 0
            file a.nc
            answer cam completed a.nc       -> ok
            results                         -> completed
            badge r                         -> approved completed rev 1
            history r                       -> RoutingCreated RoutingSubmitted RoutingApproved AddinJobCreated AddinJobCompleted
            relay                           -> addin.job.updated addin.job.updated notification.alert
            alerts                          -> info
            queue esprit-gen                -> ready 0 leased 0 dead 0
            withdraw                        -> 1
            withdraw                        -> 0
            told                            -> nothing
            """)
    }

    @Test func theAddinDiesAtEveryAttempt() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam                       -> r#1
            progress cam 10
            kill cam
            tick 60s
            results                         -> progress
            lease cam                       -> r#2
            kill cam
            tick 60s
            lease cam                       -> r#3
            kill cam
            badge r                         -> approved running rev 0
            tick 60s
            told                            -> failed
            badge r                         -> approved failed rev 0
            job r                           -> failed: The command to the add-in died after 3 attempts: the lease ended
            history r                       -> RoutingCreated RoutingSubmitted RoutingApproved AddinJobCreated AddinJobFailed
            relay                           -> addin.job.updated addin.job.updated notification.alert
            alerts                          -> error
            retry r                         -> approved queued
            relay                           -> esprit-gen addin.job.created
            lease cam                       -> r#1
            answer cam completed            -> ok
            results                         -> completed
            badge r                         -> approved completed rev 0
            """)
    }

    @Test func theAddinGivesUpAndTheCommandIsDead() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam                       -> r#1
            nack cam no license
            lease cam                       -> r#2
            nack cam no license
            lease cam                       -> r#3
            nack cam no license
            told                            -> failed
            job r                           -> failed: The command to the add-in died after 3 attempts: no license
            told                            -> nothing
            """)
    }

    @Test func anOperatorCancelsTheCommand() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            cancel r                        -> 1
            told                            -> failed
            job r                           -> failed: The command to the add-in was cancelled: cancelled
            retry r                         -> approved queued
            """)
    }

    /// The add-in was slower than its last lease: its job has failed, and what it says later is noted.
    @Test func theAddinAnswersAfterItsLastLease() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease a                         -> r#1
            kill a
            tick 60s
            lease a                         -> r#2
            kill a
            tick 60s
            lease a                         -> r#3
            tick 60s
            told                            -> failed
            answer a completed              -> lease lost
            post r completed                -> accepted
            relay
            results                         -> ignored
            badge r                         -> approved failed rev 0
            history r                       -> RoutingCreated RoutingSubmitted RoutingApproved AddinJobCreated AddinJobFailed AddinJobResultIgnored
            """)
    }

    /// Another add-in has the command meanwhile: it is stopped when the first one's answer counts.
    @Test func theAddinAnswersAfterItsLeaseAndTheSecondOneIsStopped() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease a                         -> r#1
            tick 60s
            lease b                         -> r#2
            file a.nc
            post r completed a.nc           -> accepted
            relay                           -> addin-result
            results                         -> completed
            withdraw                        -> 1
            answer b completed a.nc         -> lease lost
            queue esprit-gen                -> ready 0 leased 0 dead 0
            told                            -> nothing
            badge r                         -> approved completed rev 1
            """)
    }

    @Test func aJobThatIsEndedOverHTTPTakesItsCommandOutOfTheQueue() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            post r failed stopped by hand   -> accepted
            relay                           -> addin-result
            results                         -> failed
            withdraw                        -> 1
            lease cam                       -> none
            queue esprit-gen                -> ready 0 leased 0 dead 0
            told                            -> nothing
            """)
    }

    /// The command waits in the outbox when its job ends: it is never sent.
    @Test func aCommandThatWasNotSentYetIsNeverSent() async throws {
        try await FlowScript.run(Self.approved + """
            pause esprit-gen
            relay                           -> routing.created routing.approval.changed routing.approval.changed
            say r failed stopped by hand
            results                         -> failed
            resume esprit-gen
            tick 60s
            relay                           -> addin.job.created addin.job.updated notification.alert
            queue esprit-gen                -> ready 0 leased 0 dead 0
            withdraw                        -> 0
            """)
    }

    /// Whoever redrives the command of a failed job has it withdrawn as soon as somebody works on it.
    @Test func aRedrivenCommandOfAFailedJobIsWithdrawn() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam
            nack cam x
            lease cam
            nack cam x
            lease cam
            nack cam x
            told                            -> failed
            redrive esprit-gen              -> 1
            lease cam                       -> r#1
            progress cam 0                  -> ok
            results                         -> late
            withdraw                        -> 1
            answer cam completed            -> lease lost
            badge r                         -> approved failed rev 0
            """)
    }

    // MARK: The share

    @Test func theOutputIsNotOnTheShare() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam
            answer cam completed a.nc
            results                         -> retry
            results                         -> retry
            results                         -> failed
            job r                           -> failed: The add-in reported that it completed, but the output “a.nc” is not on the share.
            """)
    }

    @Test func theOutputShowsLate() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam
            answer cam completed a.nc
            results                         -> retry
            file a.nc
            results                         -> completed
            badge r                         -> approved completed rev 1
            """)
    }

    @Test func theShareIsAwayForAWhile() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            file a.nc
            share gone
            lease cam
            answer cam completed a.nc
            results                         -> retry
            results                         -> retry
            results                         -> retry
            results                         -> retry
            badge r                         -> approved queued rev 0
            share back
            results                         -> completed
            """)
    }

    /// The attempts of the result are used up: it is dead, and so is its job.
    @Test func theShareStaysAway() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            share gone
            lease cam
            answer cam completed a.nc
            results                         -> retry
            results                         -> retry
            results                         -> retry
            results                         -> retry
            results                         -> retry
            results                         -> retry
            results                         -> retry
            told                            -> nothing
            results                         -> retry
            told                            -> failed
            job r                           -> failed: The add-in's answer could not be taken in (8 attempts): the share cannot be read: not mounted
            relay                           -> addin.job.updated notification.alert
            alerts                          -> error
            retry r                         -> approved queued
            """)
    }

    // MARK: The queues, the broker, the database

    @Test(arguments: ["pause", "full"]) func theQueueTakesNothing(how: String) async throws {
        let back = how == "pause" ? "resume" : "room"
        try await FlowScript.run(Self.approved + """
            \(how) esprit-gen
            relay                           -> routing.created routing.approval.changed routing.approval.changed
            badge r                         -> approved queued rev 0
            tick 1h
            relay                           -> nothing
            \(back) esprit-gen
            tick 60s
            relay                           -> esprit-gen addin.job.created
            lease cam                       -> r#1
            """)
    }

    @Test func theBrokerIsAway() async throws {
        try await FlowScript.run("""
            broker away
            \(Self.approved)
            relay                           -> the broker is away
            tick 10h
            relay                           -> the broker is away
            post r failed x                 -> accepted
            broker back
            relay                           -> routing.created routing.approval.changed routing.approval.changed esprit-gen addin.job.created addin-result
            results                         -> failed
            broker away
            withdraw                        -> the broker is away
            broker back
            withdraw                        -> 1
            queue esprit-gen                -> ready 0 leased 0 dead 0
            """)
    }

    @Test func theDatabaseIsAway() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam
            database away
            retry r                         -> refused
            answer cam completed            -> ok
            results                         -> retry
            post r completed                -> the database is away
            database back
            results                         -> completed
            create s                        -> draft
            submit s
            database away
            approve s                       -> the database is away
            database back
            badge s                         -> pendingApproval none rev 0
            approve s                       -> approved queued
            relay                           -> addin.job.updated routing.created notification.alert routing.approval.changed routing.approval.changed esprit-gen addin.job.created
            cancel s                        -> 1
            database away
            told                            -> the database is away
            database back
            told                            -> failed
            """)
    }

    // MARK: The clock

    @Test(arguments: ["-2h", "2h"]) func theClockSteps(step: String) async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam                       -> r#1
            clock \(step)
            progress cam 50                 -> ok
            results                         -> progress
            answer cam completed            -> ok
            results                         -> completed
            relay                           -> addin.job.updated addin.job.updated notification.alert
            badge r                         -> approved completed rev 0
            """)
    }

    /// Rows that wait for a queue go on waiting for as long as was meant, not for as long as the clock was set back.
    @Test func theClockIsSetBackWhileACommandWaits() async throws {
        try await FlowScript.run(Self.approved + """
            pause esprit-gen
            relay
            clock -2h
            resume esprit-gen
            tick 60s
            relay                           -> esprit-gen addin.job.created
            """)
    }

    // MARK: Results that nobody needs

    @Test func aRepeatedAnswerAndALaterOtherOneChangeNothing() async throws {
        try await FlowScript.run(Self.approved + """
            relay
            lease cam
            answer cam failed no license
            say r failed no license
            say r completed
            post r failed no license        -> accepted
            results                         -> failed repeated ignored
            relay                           -> addin-result addin.job.updated notification.alert
            results                         -> repeated
            history r                       -> RoutingCreated RoutingSubmitted RoutingApproved AddinJobCreated AddinJobFailed AddinJobResultIgnored
            """)
    }

    @Test func aRejectedRoutingGeneratesNothing() async throws {
        try await FlowScript.run("""
            create r
            submit r
            reject r by lee because the tool is missing -> rejected none
            approve r                       -> refused
            relay                           -> routing.created routing.approval.changed routing.approval.changed
            history r                       -> RoutingCreated RoutingSubmitted RoutingRejected
            """)
    }
}
