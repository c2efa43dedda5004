import Foundation
import PythonTools
import SpindleBridge
import Testing

/// `/ws`, spoken by the Python package `websockets`.
@Suite struct EventSocketsTests {
    private static func python(_ server: BridgeServer, _ script: String) throws -> Listener {
        let prelude = """
            import json, socket, sys, websockets
            from websockets.sync.client import connect
            TOKEN = {'Authorization': 'Bearer \(BridgeServer.token)'}
            def open_socket(query, headers=TOKEN, **more):
                return connect('ws://localhost:\(server.port)/ws' + query, additional_headers=headers, **more)
            def show(s):
                text = s.recv(20)
                m = json.loads(text)
                print(m['type'], m.get('topic', ''), m.get('cursor', ''), json.dumps(m.get('data', m.get('reason', m.get('resumed'))), ensure_ascii=True), flush=True)

            """
        return try Listener(try PythonTools.python.path, ["-u", "-c", prelude + script])
    }

    @Test func `events come as JSON with their cursors, and a cursor goes on`() async throws {
        try await BridgeServer.run { server in
            let listener = try Self.python(server, """
                with open_socket('?topics=addin.job.*,notification.alert') as s:
                    for _ in range(4): show(s)
                with open_socket('?topics=*&cursor=1:65') as s:
                    for _ in range(3): show(s)
                with open_socket('?topics=*&cursor=7:1') as s:
                    show(s)
                """)
            await listener.see("hello  1:64 false\n")
            server.topics.publish("addin.job.updated", "{\"a\":1,\r\n \"b\":\"가\"}")
            server.topics.publish("routing.approval.changed", "{}")
            server.topics.publish("notification.alert", "plain \"text\"\n")
            server.topics.publish("addin.job.created", "[]")
            #expect(await listener.end() == 0)
            #expect(listener.text == """
                hello  1:64 false
                event addin.job.updated 1:65 {"a": 1, "b": "\\uac00"}
                event notification.alert 1:67 "plain \\"text\\"\\n"
                event addin.job.created 1:68 []
                hello  1:65 true
                event routing.approval.changed 1:66 {}
                event notification.alert 1:67 "plain \\"text\\"\\n"
                gap  1:68 "the last event id belongs to other data"

                """)
            try await server.eventually("all have left") { server.hub.clientCount == 0 }
        }
    }

    @Test func `who may not listen gets an answer that says so`() async throws {
        try await BridgeServer.run { server in
            let listener = try Self.python(server, """
                def attempt(query, headers={}, **more):
                    try:
                        with open_socket(query, headers, **more) as s: show(s)
                    except websockets.InvalidStatus as e: print(e.response.status_code, json.loads(e.response.body)['title'])
                attempt('?topics=*')
                attempt('?topics=*', {'Authorization': 'Bearer wrong'})
                attempt('?topics=*', {'Cookie': 'session=good'}, origin='https://evil.example')
                attempt('?topics=*', {'Cookie': 'session=alerts'}, origin='https://mcms.example.lan')
                attempt('?topics=orders', TOKEN)
                attempt('', TOKEN)
                attempt('?topics=*', {'Cookie': 'session=good'}, origin='http://localhost:\(server.port)')
                attempt('?topics=notification.*', {'Cookie': 'session=alerts'}, origin='https://mcms.example.lan')
                """)
            #expect(await listener.end() == 0)
            #expect(listener.text == """
                401 Not signed in
                401 Not signed in
                403 Not allowed
                403 Not allowed
                400 Unknown topic
                400 No topics
                hello  1:64 false
                hello  1:64 false

                """)
        }
    }

    @Test func `the end of a right, of a stream and of the server are told`() async throws {
        try await BridgeServer.run { $0.recheckMilliseconds = 50 } body: { server in
            let listener = try Self.python(server, """
                with open_socket('?topics=*') as s:
                    show(s)
                    show(s)
                    try: s.recv(20)
                    except websockets.ConnectionClosed as e: print(e.rcvd.code, e.rcvd.reason)
                """)
            await listener.see("hello")
            server.revoked.set()
            #expect(await listener.end() == 0)
            #expect(listener.text.hasSuffix("reauth   null\n4401 sign in again\n"), "\(listener.text)")
        }
        try await BridgeServer.run { $0.rotationMilliseconds = 50...60 } body: { server in
            let listener = try Self.python(server, """
                with open_socket('?topics=*') as s:
                    show(s)
                    try: s.recv(20)
                    except websockets.ConnectionClosed as e: print(e.rcvd.code)
                """)
            #expect(await listener.end() == 0)
            #expect(listener.text.hasSuffix("1012\n"), "\(listener.text)")
        }
    }

    @Test func `a client that does not read is cut off`() async throws {
        try await BridgeServer.run { $0.clientBacklogBytesMax = 200_000 } body: { server in
            let listener = try Self.python(server, """
                s = open_socket('?topics=addin.*', max_queue=1)
                print('open', flush=True)
                import signal; signal.pause()  # ended by the test
                """)
            await listener.see("open")
            let other = try Self.python(server, "with open_socket('?topics=notification.*') as s:\n    show(s)\n    show(s)")
            await other.see("hello")
            try await server.eventually("connected") { server.hub.clientCount == 2 }
            let body = "\"" + String(repeating: "x", count: 100_000) + "\""
            for _ in 0..<400 where server.hub.clientCount > 1 {
                let cursor = server.topics.publish("addin.job.updated", body)
                try await server.eventually("published") { server.hub.cursor == cursor }
            }
            try await server.eventually("cut") { server.hub.clientCount == 1 }
            server.topics.publish("notification.alert", "{}")
            await other.see("event notification.alert")
            #expect(await other.end() == 0)
            listener.stop()
        }
    }
}
