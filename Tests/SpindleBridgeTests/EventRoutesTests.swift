import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import ServiceLifecycle
import SpindleBridge
import SpindleClient
import Testing

@Suite struct EventRoutesTests {
    private static let updated = "addin.job.updated"

    /// `name@id` of each event in a whole answer.
    private func events(_ response: TestResponse) -> [String] { HubScript.frames(Array(response.body.readableBytesView)) }

    /// A stream that ends soon after it has nothing more to send.
    private static func short(_ configuration: inout EventBridgeConfiguration) { configuration.rotationMilliseconds = 50...60 }

    @Test func `a first stream: headers, retry, hello, events as published, ping, rotation`() async throws {
        try await BridgeServer.run { configuration in
            // Long enough for the test to see it connected on a busy machine.
            configuration.rotationMilliseconds = 3_000...3_100
            configuration.heartbeatMilliseconds = 100
        } body: { server in
            async let answer = server.get("/events/updates")
            try await server.eventually("connected") { server.hub.clientCount == 1 }
            server.topics.publish(Self.updated, #"{"jobId":"j1",\#r\#n"message":"가공"}"#.replacingOccurrences(of: "\\#r\\#n", with: "\r\n"))
            server.topics.publish("notification.alert", "{}")
            let response = try await answer
            let text = String(buffer: response.body)
            #expect(response.status == .ok)
            #expect(response.headers[.contentType] == "text/event-stream; charset=utf-8")
            #expect(response.headers[.cacheControl] == "no-store, no-transform")
            #expect(response.headers[HTTPField.Name("X-Accel-Buffering")!] == "no")
            #expect(text.hasPrefix("retry: "))
            #expect(text.contains("event: hello\ndata: {\"resumed\":false,\"heartbeatMilliseconds\":100}\n\n"))
            #expect(text.contains("id: 1:65\nevent: addin.job.updated\ndata: {\"jobId\":\"j1\","))
            #expect(text.contains(": ping\nid: 1:66\nevent: ping\ndata: {}\n\n"))
            #expect(!text.contains("notification.alert"))
        }
    }

    @Test func `callers who are not known get a problem document`() async throws {
        try await BridgeServer.run(Self.short) { server in
            let site = HTTPField.Name("Sec-Fetch-Site")!
            let cases: [(HTTPFields, HTTPResponse.Status)] = [
                ([:], .unauthorized),
                ([.authorization: "Bearer wrong"], .unauthorized),
                ([.cookie: "session=bad"], .unauthorized),
                ([.cookie: "session=good"], .ok),
                ([.cookie: "session=good", site: "same-origin"], .ok),
                ([.cookie: "session=good", site: "cross-site"], .forbidden),
                ([.cookie: "session=good", site: "same-site"], .forbidden),
                ([.cookie: "session=good", .origin: "https://evil.example"], .forbidden),
                ([.cookie: "session=good", .origin: "http://localhost:\(server.port)"], .ok),
                ([.cookie: "session=good", .origin: "https://mcms.example.lan"], .ok),
            ]
            for (headers, status) in cases {
                for path in ["/events/updates", "/events/alerts", "/events/cursor"] {
                    let response = try await server.get(path, headers)
                    #expect(response.status == status, "\(path) \(headers)")
                    guard status != .ok else { continue }
                    #expect(response.headers[.contentType] == "application/problem+json")
                    let problem = try JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any]
                    #expect(problem?["status"] as? Int == status.code)
                    #expect((problem?["type"] as? String)?.hasPrefix("urn:spindle:problem:") == true)
                }
            }
            #expect(try await server.get("/events/other").status == .notFound)
        }
    }

    @Test func `the cursor, and a stream from it, leave no hole`() async throws {
        try await BridgeServer.run(Self.short) { server in
            #expect(String(buffer: try await server.get("/events/cursor").body) == #"{"cursor":"1:64"}"#)
            let cursor = server.topics.publish(Self.updated, "{}")
            try await server.eventually("published") { server.hub.cursor == cursor }
            #expect(events(try await server.get("/events/updates?lastEventId=1:64")) == ["hello@1:64", "job@1:65"])
            // Percent-encoded, as a page writes it; and the header wins over the query.
            #expect(events(try await server.get("/events/updates?lastEventId=1%3A64")) == ["hello@1:64", "job@1:65"])
            var headers = BridgeServer.authorization
            headers[HTTPField.Name("Last-Event-ID")!] = "1:65"
            #expect(events(try await server.get("/events/updates?lastEventId=1:64", headers)) == ["hello@1:65"])
            let gap = #"gap@1:65({"reason":"the last event id is not one of this server"})"#
            #expect(events(try await server.get("/events/updates?lastEventId=xyz")) == [gap])
        }
    }

    @Test func `before the broker answers: no cursor, but a stream`() async throws {
        let topics = FakeTopics()
        topics.refuse(times: 2)
        try await BridgeServer.run(topics: topics, ready: false) { server in
            let early = try await server.get("/events/cursor")
            // It may have become ready meanwhile; then there was no refusal to see.
            #expect(early.status == .serviceUnavailable || server.hub.cursor != nil)
            let listener = try server.listen("/events/updates")
            await listener.see("event: hello")
            listener.stop()
        }
    }

    @Test func `history older than the ring is replayed, in order, without a hole`() async throws {
        let topics = FakeTopics()
        for number in 1...50 { topics.publish(Self.updated, #"{"n":\#(number)}"#) }
        try await BridgeServer.run(topics: topics) { $0.ringEventsMax = 5 } body: { server in
            for number in 51...70 { server.topics.publish(Self.updated, #"{"n":\#(number)}"#) }
            let listener = try server.listen("/events/updates?lastEventId=1:6e") // behind number 10
            await listener.see(#"{"n":70}"#)
            for number in 71...80 { server.topics.publish(Self.updated, #"{"n":\#(number)}"#) }
            await listener.see(#"{"n":80}"#)
            let numbers = listener.text.split(separator: "\n").filter { $0.hasPrefix("data: {\"n\":") }
            #expect(numbers == (11...80).map { "data: {\"n\":\($0)}" })
            #expect(server.topics.subscriptions.count >= 2)
            try await server.eventually("the replay is over") { server.hub.replayCount == 0 }
            listener.stop()
            try await server.eventually("it is gone") { server.hub.clientCount == 0 }
        }
    }

    @Test func `history that is gone: a gap, then what is held`() async throws {
        let topics = FakeTopics()
        let cursors = (1...20).map { topics.publish(Self.updated, #"{"n":\#($0)}"#) }
        topics.forget(upTo: cursors[9])
        try await BridgeServer.run(topics: topics) { server in
            let listener = try server.listen("/events/updates?lastEventId=\(cursors[4])")
            await listener.see(#"{"n":20}"#)
            let text = listener.text
            #expect(text.contains("id: \(cursors[9])\nevent: gap\ndata: {\"reason\":\"it is no longer held\"}\n\n"))
            #expect(!text.contains(#"{"n":10}"#))
            #expect(text.contains(#"{"n":11}"#))
            server.topics.publish(Self.updated, #"{"n":21}"#)
            await listener.see(#"{"n":21}"#)
            listener.stop()
        }
    }

    @Test(arguments: ["1:fff", "2:64"])
    func `a future or foreign cursor: a gap that rebases`(_ cursor: String) async throws {
        try await BridgeServer.run { server in
            let listener = try server.listen("/events/updates", curl: ["-H", "Last-Event-ID: \(cursor)"])
            await listener.see("id: 1:64\nevent: gap\n")
            server.topics.publish(Self.updated, "{}")
            await listener.see("id: 1:65\nevent: addin.job.updated\n")
            #expect(!listener.text.contains(#""resumed":true"#))
            listener.stop()
        }
    }

    @Test func `a subscription that ends is made again behind its last event`() async throws {
        try await BridgeServer.run { server in
            let listener = try server.listen("/events/updates")
            await listener.see("event: hello")
            server.topics.publish(Self.updated, #"{"n":1}"#)
            await listener.see(#"{"n":1}"#)
            server.topics.endFeeds()
            server.topics.publish(Self.updated, #"{"n":2}"#)
            await listener.see(#"{"n":2}"#)
            #expect(!listener.text.contains("event: gap"))
            #expect(server.topics.subscriptions.last == .after(TopicCursor(epoch: 1, offset: 101)))
            listener.stop()
        }
    }

    @Test func `one that loses its right is told, and the stream ends`() async throws {
        try await BridgeServer.run { $0.recheckMilliseconds = 50 } body: { server in
            let listener = try server.listen("/events/alerts")
            await listener.see("event: hello")
            server.revoked.set()
            await listener.see("event: reauth\ndata: {}\n\n")
            #expect(await listener.end() == 0)
            #expect(listener.text.hasSuffix("event: reauth\ndata: {}\n\n"))
            listener.stop()
        }
    }

    @Test func `topics may be named, as far as the caller may hear them`() async throws {
        try await BridgeServer.run(Self.short) { server in
            server.topics.publish("addin.job.created", "{}")
            server.topics.publish("notification.alert", "{}")
            server.topics.publish(Self.updated, "{}")
            try await server.eventually("published") { server.hub.cursor?.offset == 103 }
            let some = try await server.get("/events?topics=addin.job.c*,notification.alert&lastEventId=1:64")
            #expect(some.status == .ok)
            #expect(Array(events(some).prefix(3)) == ["hello@1:64", "addin.job.created@1:65", "alert@1:66"])
            // An id of one stream serves another.
            let others = try await server.get("/events?topics=addin.*&lastEventId=1:65")
            #expect(Array(events(others).prefix(2)) == ["hello@1:65", "job@1:67"])
            let limited: HTTPFields = [.cookie: "session=alerts"]
            for (query, headers, status) in [
                ("?topics=notification.*", limited, HTTPResponse.Status.ok), ("?topics=*", limited, .forbidden),
                ("?topics=addin.job.created,notification.alert", limited, .forbidden), ("?topics=addin.*", [:], .unauthorized),
                ("", BridgeServer.authorization, .badRequest), ("?topics=", BridgeServer.authorization, .badRequest),
                ("?topics=orders.*", BridgeServer.authorization, .badRequest), ("?topics=addin.job.created,orders", BridgeServer.authorization, .badRequest),
                ("?topics=" + Array(repeating: "*", count: 33).joined(separator: ","), BridgeServer.authorization, .badRequest),
            ] {
                let response = try await server.get("/events\(query)", headers)
                #expect(response.status == status, "\(query)")
                guard status == .badRequest else { continue }
                #expect(String(buffer: response.body).contains("There are: addin.job.created, addin.job.updated, routing.approval.changed, notification.alert."))
            }
        }
    }

    @Test func `no more than the greatest number of clients`() async throws {
        try await BridgeServer.run { $0.clientsMax = 1 } body: { server in
            let listener = try server.listen("/events/updates")
            await listener.see("event: hello")
            let refused = try await server.get("/events/updates")
            #expect(refused.status == .serviceUnavailable)
            #expect(refused.headers[.retryAfter] == "10")
            listener.stop()
            try await server.eventually("its place is free") { server.hub.clientCount == 0 }
        }
    }

    @Test func `a client that does not read is disconnected`() async throws {
        try await BridgeServer.run { $0.clientBacklogBytesMax = 200_000 } body: { server in
            let listener = try server.listen("/events/updates", curl: ["--limit-rate", "100"])
            try await server.eventually("connected") { server.hub.clientCount == 1 }
            let body = "\"" + String(repeating: "x", count: 100_000) + "\""
            for _ in 0..<400 where server.hub.clientCount > 0 {
                let cursor = server.topics.publish(Self.updated, body)
                try await server.eventually("published") { server.hub.cursor == cursor }
            }
            try await server.eventually("cut") { server.hub.clientCount == 0 }
            listener.stop()
        }
    }

    @Test func `graceful shutdown ends the streams properly`() async throws {
        let listener = try await withThrowingTaskGroup(of: Void.self) { group in
            let topics = FakeTopics()
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let hub = EventHub(configuration: EventBridgeConfiguration(streams: EventBridgeConfiguration.testStreams), source: topics, logger: logger)
            let router = Router()
            EventRoutes(hub: hub, logger: logger) { _, _ in .caller(EventCaller(name: "kim") { true }) }.add(to: router)
            let (ports, port) = AsyncStream.makeStream(of: Int.self)
            let application = Application(
                router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
                onServerRunning: { port.yield($0.localAddress?.port ?? 0) }, logger: logger)
            // The hub is the earlier service, so it would be told only after the server has ended.
            let services = ServiceGroup(configuration: .init(services: [hub, application], logger: logger))
            group.addTask { try await services.run() }
            var iterator = ports.makeAsyncIterator()
            let number = try #require(await iterator.next())
            let listener = try Listener("curl", ["-sSN", "http://127.0.0.1:\(number)/events/updates"])
            await listener.see("event: hello")
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
            return listener
        }
        #expect(await listener.end() == 0)
    }

    static let python = ["python3"].first { candidate in
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [candidate, "-c", "import sseclient; sseclient.SSEClient"]
        process.standardError = FileHandle.nullDevice
        return (try? process.run()).map { process.waitUntilExit() } != nil && process.terminationStatus == 0
    }

    @Test(.enabled(if: EventRoutesTests.python != nil, "pip install sseclient-py to run this"))
    func `a foreign parser reads the same events`() async throws {
        let python = try #require(Self.python)
        try await BridgeServer.run { server in
            server.topics.publish(Self.updated, "{\"a\":1,\r\n\"b\":\"가\"}")
            server.topics.publish(Self.updated, "[1,\n2]")
            let program = """
                import json, sys, urllib.request, sseclient
                request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer \(BridgeServer.token)"})
                for event in sseclient.SSEClient(urllib.request.urlopen(request, timeout=30)).events():
                    print(event.event, event.id, json.dumps(json.loads(event.data), ensure_ascii=True), flush=True)
                """
            let listener = try Listener(
                python, ["-u", "-c", program, "http://localhost:\(server.port)/events/updates?lastEventId=1:64"])
            await listener.see("addin.job.updated 1:66 [1, 2]\n")
            #expect(listener.text.contains(#"addin.job.updated 1:65 {"a": 1, "b": "\uac00"}"#))
            listener.stop()
        }
    }
}
