import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import SpindleBridge
import Synchronization
import Testing

/// The hubs over plain HTTP: negotiation, server-sent events, long polling.
@Suite struct SignalRRoutesTests {
    private static let handshake = "{\"protocol\":\"json\",\"version\":1}\u{1E}"

    @Test(arguments: [
        ("", 0), ("?negotiateVersion=0", 0), ("?negotiateVersion=1", 1), ("?negotiateVersion=7", 1), ("?negotiateVersion=-1", 0), ("?negotiateVersion=x", 0),
    ]) func aNegotiationTellsWhatThereIs(query: String, version: Int) async throws {
        try await HubServer.run { server in
            let answer = try await server.send(.post, "/hubs/addin/negotiate\(query)")
            #expect(answer.status == .ok)
            #expect(answer.headers[.contentType] == "application/json")
            let agreed = try JSONDecoder().decode(Agreement.self, from: Data(answer.body.readableBytesView))
            #expect(agreed.negotiateVersion == version)
            #expect(agreed.availableTransports.map(\.transport) == ["ServerSentEvents", "LongPolling"])
            #expect(agreed.availableTransports.allSatisfy { $0.transferFormats == ["Text"] })
            #expect((agreed.connectionToken == nil) == (version == 0))
            #expect(agreed.connectionId != agreed.connectionToken, "what others may know is not the secret")
        }
    }

    @Test func whoMayNotIsRefused() async throws {
        try await HubServer.run { server in
            for (path, token, status) in [
                ("/hubs/addin/negotiate", "", 401), ("/hubs/addin/negotiate", "other", 401), ("/hubs/addin/negotiate", "narrow", 403),
                ("/hubs/routing/negotiate", "narrow", 200), ("/hubs/nothing/negotiate", HubServer.token, 404),
            ] {
                let answer = try await server.send(.post, path, headers: token.isEmpty ? [:] : [.authorization: "Bearer \(token)"])
                #expect(answer.status.code == status, "\(path) by “\(token)”")
            }
        }
    }

    /// An event goes to the hub whose topic it is, once, over server-sent events.
    @Test func serverSentEventsCarryInvocations() async throws {
        try await HubServer.run { server in
            let id = try await server.negotiate("addin")
            let listener = try server.listen("addin", id)
            await listener.see("connected")
            #expect(try await server.send(.post, "/hubs/addin?id=\(id)", body: Self.handshake).status == .ok)
            await listener.see("data: {}\u{1E}")
            server.topics.publish("routing.created", #"{"routingId":"1"}"#)
            server.topics.publish("addin.job.updated", "{\"jobId\":\"1\",\n\"message\":null}")
            await listener.see("\"arguments\":[{\"jobId\":\"1\",")
            server.topics.publish("addin.job.updated", "not JSON")
            server.topics.publish("addin.job.created", #"{"jobId":"2"}"#)
            await listener.see(#"data: {"type":1,"target":"addin.job.created","arguments":[{"jobId":"2"}]}"#)
            #expect(!listener.text.contains("routing.created") && !listener.text.contains("not JSON"))
            #expect(listener.text.split(separator: "addin.job.updated").count == 2, "once")
            // A second carrier of one connection, and one that was ended.
            #expect(try await server.send(.get, "/hubs/addin?id=\(id)", headers: [.accept: "text/event-stream"]).status == .conflict)
            #expect(try await server.send(.get, "/hubs/addin?id=\(id)").status == .conflict)
            #expect(try await server.send(.delete, "/hubs/addin?id=\(id)").status == .accepted)
            try await server.eventually("the connection is forgotten") { server.hubs.sessionCount == 0 && server.hub.clientCount == 0 }
            #expect(try await server.send(.post, "/hubs/addin?id=\(id)", body: Self.handshake).status == .notFound)
        }
    }

    @Test func aClientThatLeavesIsForgotten() async throws {
        try await HubServer.run { server in
            let listener = try server.listen("addin", try await server.negotiate("addin"))
            await listener.see("connected")
            #expect(server.hub.clientCount == 1)
            listener.stop()
            try await server.eventually("it has left") { server.hubs.sessionCount == 0 && server.hub.clientCount == 0 }
        }
    }

    @Test func pollsCarryInvocations() async throws {
        try await HubServer.run { server in
            let id = try await server.negotiate("addin")
            let path = "/hubs/addin?id=\(id)"
            let first = try await server.send(.get, path)
            #expect(first.status == .ok && first.body.readableBytes == 0, "the first poll says that the connection is there")
            #expect(try await server.send(.post, path, body: Self.handshake).status == .ok)
            #expect(String(buffer: try await server.send(.get, path).body) == "{}\u{1E}")
            async let waiting = server.send(.get, path)
            server.topics.publish("addin.job.created", #"{"jobId":"1"}"#)
            let text = String(buffer: try await waiting.body)
            #expect(text == "{\"type\":1,\"target\":\"addin.job.created\",\"arguments\":[{\"jobId\":\"1\"}]}\u{1E}")
            // Who polls again is answered, whatever became of the poll before.
            try await withThrowingTaskGroup(of: (Int, String).self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        let answer = try await server.send(.get, path)
                        return (answer.status.code, String(buffer: answer.body))
                    }
                }
                let replaced = try #require(try await group.next())
                #expect(replaced == (204, ""), "nothing has happened yet")
                server.topics.publish("addin.job.created", #"{"jobId":"2"}"#)
                let answered = try #require(try await group.next())
                #expect(answered.0 == 200 && answered.1.contains(#"{"jobId":"2"}"#))
            }
            #expect(try await server.send(.delete, path).status == .accepted)
            try await server.eventually("the connection is forgotten") { server.hub.clientCount == 0 }
        }
    }

    /// A client that sends its handshake before it polls, as one of those on PyPI does.
    @Test func theHandshakeMayComeFirst() async throws {
        try await HubServer.run { server in
            let path = "/hubs/routing?id=\(try await server.negotiate("routing"))"
            #expect(try await server.send(.post, path, body: Self.handshake).status == .ok)
            #expect(String(buffer: try await server.send(.get, path).body) == "{}\u{1E}")
        }
    }

    @Test func anIdThatIsNobodysIsRefused() async throws {
        try await HubServer.run { server in
            let id = try await server.negotiate("addin")
            for (method, path, status) in [
                (HTTPRequest.Method.get, "/hubs/addin", 400), (.post, "/hubs/addin", 400), (.delete, "/hubs/addin", 400), (.get, "/hubs/addin?id=", 400),
                (.get, "/hubs/addin?id=unknown", 404), (.post, "/hubs/addin?id=unknown", 404), (.delete, "/hubs/addin?id=unknown", 404),
                (.get, "/hubs/routing?id=\(id)", 404), (.post, "/hubs/routing?id=\(id)", 404), (.get, "/hubs/addin?id=\(id)", 200),
            ] { #expect(try await server.send(method, path).status.code == status, "\(method) \(path)") }
        }
    }

    @Test func aMessageHasALimit() async throws {
        try await HubServer.run { server in
            let path = "/hubs/addin?id=\(try await server.negotiate("addin"))"
            let large = String(repeating: " ", count: 1 << 20)
            #expect(try await server.send(.post, path, body: large).status == .contentTooLarge)
            #expect(try await server.send(.post, path, body: "garbage\u{1E}").status == .ok)
            let said = String(buffer: try await server.send(.get, path).body)
            #expect(said.hasPrefix(#"{"error":"The first message is not a handshake"#))
            #expect(try await server.send(.get, path).status == .noContent, "and that is the end")
        }
    }

    /// While one request of a connection is being read, another is refused, and the connection goes on.
    @Test func twoMessagesAtOnceAreAConflict() async throws {
        try await HubServer.run { server in
            let path = "/hubs/addin?id=\(try await server.negotiate("addin"))"
            #expect(try await server.send(.get, path).status == .ok)
            // A message whose end comes when the test lets it.
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("hubs-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let script = #"mkfifo "$1"; (printf '{"protocol":'; cat "$1") | curl -sSN -X POST -T - "$0""#
            let slow = try Listener("sh", ["-c", script, "http://localhost:\(server.port)\(path)", folder.path + "/rest"])
            try await server.eventuallyAsync("the first is being read") { try await server.send(.post, path, body: "").status == .conflict }
            let rest = try Listener("sh", ["-c", #"printf '"json","version":1}\036' > "$0""#, folder.path + "/rest"])
            #expect(await rest.end() == 0)
            #expect(await slow.end() == 0)
            #expect(String(buffer: try await server.send(.get, path).body) == "{}\u{1E}")
        }
    }

    /// The right to listen ends: the client is told not to come back.
    @Test func aRightThatEndsEndsTheConnection() async throws {
        try await HubServer.run { server in
            let id = try await server.negotiate("addin")
            let listener = try server.listen("addin", id)
            await listener.see("connected")
            #expect(try await server.send(.post, "/hubs/addin?id=\(id)", body: Self.handshake).status == .ok)
            await listener.see("data: {}")
            server.revoked.set()
            server.hub.recheckAll()
            await listener.see(#"data: {"type":7,"error":"The right to listen has ended. Sign in again."}"#)
            #expect(await listener.end() == 0, "the stream ended as it should")
        }
    }

    @Test func aServerThatStopsSaysGoodbye() async throws {
        let listener = Mutex<Listener?>(nil)
        try await HubServer.run { server in
            let id = try await server.negotiate("addin")
            let begun = try server.listen("addin", id)
            listener.withLock { $0 = begun }
            await begun.see("connected")
            #expect(try await server.send(.post, "/hubs/addin?id=\(id)", body: Self.handshake).status == .ok)
            await begun.see("data: {}")
        }
        let begun = try #require(listener.withLock { $0 })
        await begun.see(#"data: {"type":7,"allowReconnect":true}"#)
    }

    /// A client is told of missing events by being sent away: it comes back, and reads the state again.
    @Test func missedEventsEndTheConnection() async throws {
        try await HubServer.run { server in
            let id = try await server.negotiate("addin")
            let listener = try server.listen("addin", id)
            await listener.see("connected")
            #expect(try await server.send(.post, "/hubs/addin?id=\(id)", body: Self.handshake).status == .ok)
            await listener.see("data: {}")
            server.topics.publish("addin.job.created", "{\"a\":\"" + String(repeating: "x", count: 300 << 10) + "\"}")
            await listener.see(#""allowReconnect":true"#)
        }
    }
}
