import Foundation
import MCMS
import Outbox
import SQLStore
import SpindleText
import Testing

@Suite struct RoutingFlowTests {
    @Test func approvalWritesEverythingInOneTransaction() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let (routing, jobID) = try await test.approved("브래킷 3호")

        #expect(routing.status == .approved)
        #expect(routing.approver == "이영희")
        #expect(routing.lastGenerationStatus == .queued)
        #expect(routing.camRevision == 0)
        #expect(try await test.store.routing(routing.id) == routing)
        let job = try await test.store.job(jobID)
        #expect(job.status == .created)
        #expect(job.routingId == routing.id)

        let history = try await test.store.history(of: routing.id).items
        #expect(history.map(\.event) == [.routingCreated, .routingSubmitted, .routingApproved, .addinJobCreated])
        #expect(history.map(\.actor) == ["김철수", "김철수", "이영희", "이영희"])
        #expect(history.map(\.approvalOutcome) == [nil, nil, .approved, nil])
        #expect(history.map(\.generationOutcome) == [nil, nil, nil, .queued])
        #expect(history.allSatisfy { $0.correlationId == "c-1" })

        let outbox = try await test.outbox()
        #expect(outbox.map(\.destination) == ["routing.created", "routing.approval.changed", "routing.approval.changed", "esprit-gen", "addin.job.created"])
        #expect(outbox.allSatisfy { $0.key == routing.id })
        let time = try #require(routing.approvedAt).rfc3339
        #expect(
            outbox[0].payload == [
                "routingId": .text(routing.id), "name": "브래킷 3호", "status": "draft", "createdBy": "김철수", "createdAt": .text(routing.createdAt.rfc3339),
            ])
        #expect(outbox[1].payload["status"] == "pendingApproval" && outbox[1].payload["approvedBy"] == "김철수")
        #expect(
            outbox[2].payload
                == ["routingId": .text(routing.id), "status": "approved", "approvedBy": "이영희", "reason": .null, "timestamp": .text(time)])
        #expect(outbox[4].payload == ["jobId": .text(jobID), "routingId": .text(routing.id), "createdAt": .text(time)])
        let envelope = outbox[3].payload
        #expect(envelope["taskType"] == "EspritGenerationCommand")
        #expect(envelope["taskId"] == .text(jobID))
        #expect(envelope["correlationId"] == "c-1")
        #expect(envelope["schemaVersion"] == 1)
        #expect(envelope["createdAt"] == .text(time))
        #expect(envelope["payload"]?["jobId"] == .text(jobID))
        #expect(envelope["payload"]?["routingName"] == "브래킷 3호")
    }

    @Test func rejectionIsAnnouncedAndCanBeSubmittedAgain() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let draft = try await test.store.createRouting(name: "a", by: test.caller())
        _ = try await test.store.submit(draft.id, by: test.caller())
        let rejected = try await test.store.reject(draft.id, reason: "공구 번호가 없음", by: test.caller("이영희"))
        #expect(rejected.status == .rejected)
        #expect(rejected.approver == nil)
        let entry = try #require(try await test.store.history(of: draft.id).items.last)
        #expect(entry.event == .routingRejected)
        #expect(entry.approvalOutcome == .rejected)
        #expect(entry.message == "공구 번호가 없음")
        let outbox = try await test.outbox()
        #expect(outbox.map(\.destination) == ["routing.created", "routing.approval.changed", "routing.approval.changed"])
        #expect(outbox[2].payload["status"] == "rejected")
        #expect(outbox[2].payload["approvedBy"] == "이영희" && outbox[2].payload["reason"] == "공구 번호가 없음")

        _ = try await test.store.submit(draft.id, by: test.caller())
        #expect(try await test.store.approve(draft.id, by: test.caller()).status == .approved)
    }

    @Test func anIllegalActionChangesNothing() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let (routing, _) = try await test.approved()
        let before = try await test.dump()
        for action in [test.store.submit, test.store.approve, test.store.retryGeneration] {
            await #expect(throws: MCMSError.self) { try await action(routing.id, test.caller()) }
        }
        await #expect(throws: MCMSError.notFound(.routing, id: "nothing")) { try await test.store.approve("nothing", by: test.caller()) }
        #expect(try await test.dump() == before)
    }

    @Test(arguments: ["", "  \n", String(repeating: "가", count: 201), "a\u{0}b", "a\u{1B}[31m"])
    func namesThatCannotBeShownAreRefused(name: String) async throws {
        let test = try TestStore()
        defer { test.remove() }
        await #expect(throws: MCMSError.self) { try await test.store.createRouting(name: name, by: test.caller()) }
        #expect(try await test.dump() == [])
    }

    @Test func twoProcessesThatApproveMakeOneJob() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let other = try test.another()
        for _ in 0..<20 {
            let draft = try await test.store.createRouting(name: "a", by: test.caller())
            _ = try await test.store.submit(draft.id, by: test.caller())
            let successes = await withTaskGroup(of: Bool.self) { group in
                for store in [test.store, other, test.store, other] {
                    group.addTask { (try? await store.approve(draft.id, by: test.caller())) != nil }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(successes == 1)
            #expect(try await test.store.jobs(routing: draft.id).items.count == 1)
        }
    }

    /// A trigger makes one statement after another fail, as a crash there would end the transaction.
    @Test(arguments: [
        "BEFORE INSERT ON historyEntry WHEN NEW.event = 'RoutingApproved'", "BEFORE INSERT ON historyEntry WHEN NEW.event = 'AddinJobCreated'",
        "BEFORE INSERT ON addinJob", "BEFORE UPDATE ON routing", "BEFORE INSERT ON outbox WHEN NEW.destination = 'routing.approval.changed'",
        "BEFORE INSERT ON outbox WHEN NEW.destination = 'esprit-gen'", "BEFORE INSERT ON outbox WHEN NEW.destination = 'addin.job.created'",
    ])
    func aCrashInsideAnApprovalLeavesNothing(point: String) async throws {
        let test = try TestStore()
        defer { test.remove() }
        let draft = try await test.store.createRouting(name: "a", by: test.caller())
        _ = try await test.store.submit(draft.id, by: test.caller())
        let before = try await test.dump()
        try await test.store.database.write { _ = try $0.execute("CREATE TRIGGER crash \(point) BEGIN SELECT RAISE(ABORT, 'crash'); END") }
        await #expect(throws: SQLError.self) { try await test.store.approve(draft.id, by: test.caller()) }
        #expect(try await test.dump() == before)
        try await test.store.database.write { _ = try $0.execute("DROP TRIGGER crash") }
        #expect(try await test.store.approve(draft.id, by: test.caller()).status == .approved)
    }

    @Test(arguments: [
        "UPDATE historyEntry SET message = 'other'", "DELETE FROM historyEntry", "DELETE FROM routing",
        """
        INSERT OR REPLACE INTO historyEntry (id, routingId, event, actor, correlationId, time)
            SELECT id, routingId, event, 'other', correlationId, time FROM historyEntry
        """,
    ])
    func theHistoryIsAppendOnly(sql: String) async throws {
        let test = try TestStore()
        defer { test.remove() }
        _ = try await test.approved()
        let before = try await test.dump()
        await #expect(throws: SQLError.self) { try await test.store.database.write { _ = try $0.execute(sql) } }
        #expect(try await test.dump() == before)
    }

    @Test func listsArePagedNewestFirst() async throws {
        let test = try TestStore()
        defer { test.remove() }
        var ids: [String] = []
        for index in 0..<7 { ids.append(try await test.store.createRouting(name: "\(index)", by: test.caller()).id) }
        _ = try await test.store.submit(ids[3], by: test.caller())
        var seen: [String] = []
        var cursor: String?
        repeat {
            let page = try await test.store.routings(limit: 3, cursor: cursor)
            seen += page.items.map(\.id)
            cursor = page.nextCursor
        } while cursor != nil
        #expect(seen == ids.reversed())
        #expect(try await test.store.routings(status: .pendingApproval).items.map(\.id) == [ids[3]])
        let first = try await test.store.history(of: ids[3], limit: 1)
        #expect(first.items.map(\.event) == [.routingCreated])
        let second = try await test.store.history(of: ids[3], limit: 1, cursor: first.nextCursor)
        #expect(second.items.map(\.event) == [.routingSubmitted])
        #expect(second.nextCursor == nil)
    }

    @Test func severalProcessesMayOpenANewFileAtOnce() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let path = test.folder.appendingPathComponent("new.sqlite").path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<4 {
                group.addTask {
                    let store = try MCMSStore(path: path)
                    _ = try await store.createRouting(name: "\(index)", by: test.caller())
                }
            }
            try await group.waitForAll()
        }
        #expect(try await MCMSStore(path: path).routings().items.count == 4)
    }

    @Test func aFileOfANewerVersionIsRefused() async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await test.store.database.write { _ = try $0.execute("INSERT INTO grdb_migrations (identifier) VALUES ('mcms.99')") }
        #expect(throws: SQLiteDatabase.OpenError.self) { try test.another() }
    }
}
