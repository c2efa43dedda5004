import Foundation
import SpindleClient
import Testing

/// Processes that stand still and go on, and a network that does.
@Suite(.serialized) struct StandstillTests {
    private static let options = CheckedLoad.Options(allowsLateDeliveries: true, heartbeat: .seconds(2))

    @Test func aBrokerThatStandsStillPastItsLeasesLosesNothing() async throws {
        let broker = try LoneBroker()
        try await broker.start()
        let load = try broker.load(Self.options)
        let totals = try await load.run {
            // Within the leases, past them, and past the clients' heartbeat, so that they come back on other connections.
            for milliseconds in [300, 2_500, 300, 5_000] {
                try await load.progress(by: 500)
                try await broker.pause()
                // How long it stands still is what is tested; there is nothing to wait for but this deadline.
                try await Task.sleep(for: .milliseconds(milliseconds))
                broker.send(SIGCONT)
            }
            try await load.progress(by: 500)
        }
        try await broker.stop()
        print(totals.line("broker stopped and continued", cycles: 4))
    }

    @Test(.enabled(if: Machine.canMakeNetworks, "network namespaces need root and iproute2"))
    func aLinkThatGoesAndComesBackLosesNothing() async throws {
        let network = try NetworkPair()
        let broker = try LoneBroker(host: network.address, prefix: network.prefix)
        try await broker.start()
        let load = try broker.load(Self.options)
        // Within TCP's patience, past the leases, past the clients' heartbeat; a long one, past the broker's, where there is time.
        let outages = [300, 2_500, 6_000, Machine.count("SPINDLE_LONG_OUTAGE_SECONDS", 0) * 1_000].filter { $0 > 0 }
        let totals = try await load.run {
            for milliseconds in outages {
                try await load.progress(by: 500)
                try network.link(isUp: false)
                // How long the link is away is what is tested; there is nothing to wait for but this deadline.
                try await Task.sleep(for: .milliseconds(milliseconds))
                try network.link(isUp: true)
            }
            try await load.progress(by: 500)
        }
        try await broker.stop()
        print(totals.line("link down and up", cycles: outages.count))
        try network.remove()
    }

    /// More comes meanwhile than any buffer on the way holds: browsers get it all afterwards, or are told of a gap.
    @Test func aWebServerThatStandsStillCatchesUpOrTellsAGap() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let client = try await SpindleClient.connect(
            configuration: ClientConfiguration(host: "127.0.0.1", port: roles.base, credential: .token(try roles.token("admin"))))
        let url = "http://127.0.0.1:\(roles.base + 2)/events/updates"
        let bearer = ["-H", "Authorization: Bearer \(try roles.token("admin"))"]
        try await roles.waitUntil("the web server follows the broker") { try await roles.http("GET", "/events/cursor").status == 200 }
        let browser = try EventListener(url, bearer)
        try await roles.waitUntil("the stream begins") { try await browser.count(of: "hello") == 1 }

        try await roles.send(SIGSTOP, to: "bridge")
        let event = Array(#"{"jobId":"\#(String(repeating: "x", count: 40_000))"}"#.utf8)
        for _ in 0..<300 { _ = try await client.publish(events: [Message(body: event)], toTopic: "addin.job.updated") }
        // How long it stands still is what is tested; there is nothing to wait for but this deadline.
        try await Task.sleep(for: .seconds(30))
        try await roles.send(SIGCONT, to: "bridge")

        try await roles.waitUntil("everything came, or a gap was told") {
            if try await browser.count(of: "addin.job.updated") == 300 { return true }
            return try await browser.count(of: "gap") > 0
        }
        let before = try await browser.count(of: "addin.job.updated")
        _ = try await client.publish(events: [Message(text: "{}")], toTopic: "addin.job.updated")
        try await roles.waitUntil("events go on") { try await browser.count(of: "addin.job.updated") == before + 1 }
        print("300 events of 40 kB during 30 s: \(before) came, \(try await browser.count(of: "gap")) gaps, \(await browser.connections) connections")
        await client.close()
        try await roles.stop()
    }

    private struct Routing: Decodable {
        let id: String
        let lastGenerationStatus: String
    }
    private struct History: Decodable {
        struct Entry: Decodable { let event: String }
        let items: [Entry]
    }

    @Test func aWorkerThatStandsStillPastItsLeaseHasLostIt() async throws {
        let roles = try RunningRoles(addin: ["--slow", "1s"])
        try await roles.startAll()
        let client = try await SpindleClient.connect(
            configuration: ClientConfiguration(host: "127.0.0.1", port: roles.base, credential: .token(try roles.token("admin"))))
        let id = try await roles.http("POST", "/api/routings", body: #"{"name": "정지"}"#).decode(Routing.self).id
        for action in ["submit", "approve"] { _ = try await roles.http("POST", "/api/routings/\(id)/\(action)", body: "{}") }
        try await roles.waitUntil("the add-in has the job") { try await client.statistics(matching: "esprit-gen").first?.leased == 1 }
        try await roles.send(SIGSTOP, to: "addin")
        try await roles.start("addin", as: "addin-2")
        try await roles.waitUntil("the other add-in did the work") {
            try await roles.http("GET", "/api/routings/\(id)").decode(Routing.self).lastGenerationStatus == "completed"
        }
        try await roles.send(SIGCONT, to: "addin")
        try await roles.waitUntil("the first add-in learns that its lease is gone") { await roles.errors(of: "addin").lowercased().contains("lease") }

        let figures = try #require(try await client.statistics(matching: "esprit-gen").first)
        #expect(figures.delivered == 2 && figures.expired == 1 && figures.acknowledged == 1, "delivered exactly once more: \(figures)")
        #expect(figures.ready + figures.leased + figures.delayed == 0)
        let events = try await roles.http("GET", "/api/routings/\(id)/history").decode(History.self).items.map(\.event)
        #expect(events.filter { $0 == "AddinJobCompleted" }.count == 1 && !events.contains("AddinJobFailed"), "\(events)")
        await client.close()
        try await roles.stop()
    }
}
