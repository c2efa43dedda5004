import DataFixtures
import Foundation
import MCMS
import Outbox
import SQLStore
import Testing

/// Databases that earlier versions wrote.
@Suite struct DataFixtureTests {
    private static func object(_ value: some Encodable) throws -> Any {
        try JSONSerialization.jsonObject(with: try JSONEncoder().encode(value))
    }

    @Test(arguments: Fixture.domain) func routingsTheirHistoriesAndJobsAreKept(name: String) async throws {
        let fixture = try Fixture(name)
        let store = try MCMSStore(path: fixture.path + "/mcms/mcms.sqlite")
        defer { try? store.close() }

        let routings = try await store.routings(limit: PageLimits.itemsMax).items
        let told = try fixture.list("routings")
        #expect(Fixture.differences(told, try Self.object(routings), except: ["history", "legalActions"]) == [])
        #expect(Set(routings.map(\.status)) == Set(RoutingStatus.allCases))
        #expect(Set(routings.map(\.lastGenerationStatus)) == Set(GenerationStatus.allCases))
        for routing in told {
            let history = try await store.history(of: try #require(routing["id"] as? String)).items
            #expect(Fixture.differences(routing["history"] as Any, try Self.object(history)) == [])
        }
        #expect(Fixture.differences(try fixture.list("jobs"), try Self.object(try await store.jobs().items)) == [])
    }

    /// Nobody wrote down then who asked; what is written from now on says it.
    @Test(arguments: Fixture.domain) func theHistoryGoesOnWithPrincipals(name: String) async throws {
        let fixture = try Fixture(name)
        let store = try MCMSStore(path: fixture.path + "/mcms/mcms.sqlite")
        defer { try? store.close() }
        let draft = try #require(try await store.routings().items.first { $0.name == "draft" })
        let before = try await store.history(of: draft.id).items
        #expect(!before.isEmpty && before.allSatisfy { $0.principal == nil })
        _ = try await store.submit(draft.id, by: Caller(actor: "이영희", principal: "pages", correlationID: "c-1"))
        #expect(try await store.history(of: draft.id).items.map(\.principal) == before.map { _ in nil } + ["pages"])
        let sessions = try await store.database.read { try $0.value("SELECT count(*) FROM webSession", as: Int.self) }
        #expect(sessions == 0, "earlier sessions don't say for which token they were traded, and end")
    }

    /// Approved while no broker was there: the command and its events wait, in a killed process as claimed by its relay.
    @Test(arguments: Fixture.domain) func messagesThatNoBrokerTookStillWait(name: String) async throws {
        let fixture = try Fixture(name)
        let store = try MCMSStore(path: fixture.path + "/mcms/mcms.sqlite")
        defer { try? store.close() }
        let (counts, destinations) = try await store.database.read { db in
            (try Outbox.figures(db).rows, try db.values("SELECT destination FROM outbox WHERE status <> 'published' ORDER BY sequence", as: String.self))
        }
        #expect(counts == [.published: 20, name.hasSuffix("killed") ? .inProgress : .pending: 3])
        #expect(destinations.sorted() == ["addin.job.created", "esprit-gen", "routing.approval.changed"])
    }

    /// The rules go on from where each routing stood.
    @Test(arguments: Fixture.domain) func aRoutingGoesOn(name: String) async throws {
        let fixture = try Fixture(name)
        let store = try MCMSStore(path: fixture.path + "/mcms/mcms.sqlite")
        defer { try? store.close() }
        let caller = Caller(actor: "이영희", correlationID: "c-1")
        for routing in try await store.routings().items {
            switch routing.name {
            case "draft", "rejected": #expect(try await store.submit(routing.id, by: caller).status == .pendingApproval)
            case "waiting": #expect(try await store.approve(routing.id, by: caller).lastGenerationStatus == .queued)
            case "failed": #expect(try await store.retryGeneration(routing.id, by: caller).lastGenerationStatus == .queued)
            default: await #expect(throws: (any Error).self) { try await store.submit(routing.id, by: caller) }
            }
        }
    }
}
