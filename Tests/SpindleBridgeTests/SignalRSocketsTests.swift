import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import PythonTools
import SpindleBridge
import Synchronization
import Testing

/// The hubs over WebSockets, as a foreign client sees them.
@Suite struct SignalRSocketsTests {
    private static let handshake = #"{"protocol":"json","version":1}␞"#

    /// Sends its arguments, each as one message, and prints what comes. `␞` stands for the record separator, `#n` for a message of n bytes, `=`
    /// for a binary one.
    private static let client = """
        import asyncio, sys
        import websockets

        url, token, *messages = sys.argv[1:]

        async def main():
            headers = {"Authorization": "Bearer " + token} if token else {}
            try:
                async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
                    for message in messages:
                        text = "x" * int(message[1:]) if message.startswith("#") else message.replace("␞", chr(0x1E))
                        await socket.send(text[1:].encode() if text.startswith("=") else text)
                    try:
                        while True:
                            print((await socket.recv()).replace(chr(0x1E), "␞"), flush=True)
                    except websockets.exceptions.ConnectionClosed:
                        print("closed", socket.close_code, flush=True)
            except websockets.exceptions.InvalidStatus as error:
                print("status", error.response.status_code, flush=True)

        asyncio.run(main())
        """

    private static func connect(_ server: HubServer, _ path: String, token: String = HubServer.token, _ messages: [String] = []) throws -> Listener {
        let url = "ws://localhost:\(server.port)\(path)"
        return try Listener(try PythonTools.python.path, ["-u", "-c", client, url, token] + messages)
    }

    /// With a negotiation, and without.
    @Test(arguments: [true, false]) func eventsAreInvocations(negotiates: Bool) async throws {
        try await HubServer.run(hasWebSockets: true) { server in
            let path = "/hubs/addin" + (negotiates ? "?id=\(try await server.negotiate("addin"))" : "")
            // The id is all that a negotiated connection needs.
            let listener = try Self.connect(server, path, token: negotiates ? "" : HubServer.token, [Self.handshake])
            await listener.see("{}␞")
            server.topics.publish("routing.created", #"{"routingId":"1"}"#)
            server.topics.publish("addin.job.updated", #"{"jobId":"1","message":null}"#)
            await listener.see(#"{"type":1,"target":"addin.job.updated","arguments":[{"jobId":"1","message":null}]}␞"#)
            #expect(!listener.text.contains("routing.created"))
            listener.stop()
            try await server.eventually("it has left") { server.hub.clientCount == 0 }
        }
    }

    @Test func webSocketsAreOfferedFirst() async throws {
        try await HubServer.run(hasWebSockets: true) { server in
            let answer = try await server.send(.post, "/hubs/addin/negotiate")
            let agreed = try JSONDecoder().decode(Agreement.self, from: Data(answer.body.readableBytesView))
            #expect(agreed.availableTransports.map(\.transport) == ["WebSockets", "ServerSentEvents", "LongPolling"])
        }
    }

    @Test func whoMayNotIsRefused() async throws {
        try await HubServer.run(hasWebSockets: true) { server in
            let id = try await server.negotiate("addin")
            let first = try Self.connect(server, "/hubs/addin?id=\(id)", [Self.handshake])
            await first.see("{}␞")
            for (path, token, status) in [
                ("/hubs/addin", "", 401), ("/hubs/addin", "other", 401), ("/hubs/addin", "narrow", 403), ("/hubs/addin?id=unknown", HubServer.token, 404),
                ("/hubs/addin?id=\(id)", HubServer.token, 404),
            ] {
                let listener = try Self.connect(server, path, token: token)
                await listener.see("status \(status)\n")
            }
            first.stop()
        }
    }

    /// Garbage, a message over the limit, and one that no limit of the socket lets through.
    @Test(arguments: [
        (["garbage␞"], #"{"type":7,"error":"A message is not a JSON object with a “type”."}␞"#, 1000),
        (["#40000", "#40000"], #"{"type":7,"error":"A message has more than 65536 bytes."}␞"#, 1000), (["#1500000"], "closed", 1009),
        ([#"={"type":7}␞"#], "closed", 1000),
    ]) func whatAClientMustNotSendEndsItsConnection(messages: [String], said: String, code: Int) async throws {
        try await HubServer.run(hasWebSockets: true) { server in
            let others = try Self.connect(server, "/hubs/addin", [Self.handshake])
            await others.see("{}␞")
            let listener = try Self.connect(server, "/hubs/addin", [Self.handshake] + messages)
            await listener.see(said)
            await listener.see("closed \(code)")
            server.topics.publish("addin.job.created", "{}")
            await others.see("addin.job.created")
            others.stop()
        }
    }

    @Test func aServerThatStopsSaysGoodbye() async throws {
        let listener = Mutex<Listener?>(nil)
        try await HubServer.run(hasWebSockets: true) { server in
            let begun = try Self.connect(server, "/hubs/addin", [Self.handshake])
            listener.withLock { $0 = begun }
            await begun.see("{}␞")
        }
        let begun = try #require(listener.withLock { $0 })
        await begun.see(#"{"type":7,"allowReconnect":true}␞"#)
        await begun.see("closed 100")
    }

    @Test func aRightThatEndsEndsTheConnection() async throws {
        try await HubServer.run(hasWebSockets: true) { server in
            let listener = try Self.connect(server, "/hubs/addin", [Self.handshake])
            await listener.see("{}␞")
            server.revoked.set()
            server.hub.recheckAll()
            await listener.see(#"{"type":7,"error":"The right to listen has ended. Sign in again."}␞"#)
            await listener.see("closed 1000")
        }
    }
}
