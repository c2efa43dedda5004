import Foundation

/// Two SignalR clients from the Python Package Index, as programs that write what they see into a file, a JSON list a line:
/// `["open"]`, `["event", target, arguments]`, `["closed"]`, `["error", text]`.
enum SignalRClients {
    /// signalrcore. Arguments: file, URL, token, carrier (`web_sockets`, `server_sent_events`, `long_polling`), where new tokens come from, targets.
    ///
    /// signalrcore keeps its first token, and gives up after a first try to reconnect that finds no server. So with a place for new tokens, the
    /// program makes a new connection with a new token whenever it has none.
    static let signalrcore = """
        import json, sys, time, urllib.request
        from signalrcore.hub_connection_builder import HubConnectionBuilder
        from signalrcore.types import HttpTransportType

        path, url, token, carrier, source, *targets = sys.argv[1:]

        def say(*words):
            with open(path, "a") as file:
                file.write(json.dumps(words) + "\\n")

        def access_token():
            if source == "none":
                return token
            body = json.dumps({"hubs": [url.split("/")[-1]]}).encode()
            headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(source, body, headers)) as answer:
                return json.load(answer)["token"]

        def connect():
            options = {"access_token_factory": access_token, "transport": HttpTransportType[carrier]}
            hub = HubConnectionBuilder().with_url(url, options=options).build()
            hub.on_open(lambda: say("open"))
            hub.on_close(lambda: say("closed"))
            hub.on_error(lambda message: say("error", str(message.error)))
            for target in targets:
                hub.on(target, lambda arguments, target=target: say("event", target, arguments))
            hub.start()
            return hub

        while True:
            try:
                hub = connect()
                began = time.time()
                # Until the connection is lost, or was not made within five seconds.
                while hub.transport.is_connected() or hub.transport.is_connecting() and time.time() < began + 5:
                    time.sleep(0.1)
            except Exception as error:
                say("error", type(error).__name__ + " " + str(error))
            if source == "none":
                sys.exit(1)
            # A second between two tries.
            time.sleep(1)
        """

    /// pysignalr. Arguments: file, URL, token, whether it negotiates, targets.
    static let pysignalr = """
        import asyncio, json, sys
        from pysignalr.client import SignalRClient

        path, url, token, negotiates, *targets = sys.argv[1:]

        def say(*words):
            with open(path, "a") as file:
                file.write(json.dumps(words) + "\\n")

        async def main():
            headers = {"Authorization": "Bearer " + token}
            address = url if negotiates == "yes" else url.replace("http", "ws", 1)
            client = SignalRClient(address, headers=headers)
            client._transport._skip_negotiation = negotiates == "no"

            async def opened(): say("open")
            async def closed(): say("closed")
            client.on_open(opened)
            client.on_close(closed)
            for target in targets:
                async def heard(arguments, target=target): say("event", target, arguments)
                client.on(target, heard)
            while True:
                try:
                    await client.run()
                except Exception as error:
                    say("error", type(error).__name__ + " " + str(error))
                    if type(error).__name__ == "AuthorizationError":
                        return
                    # A negotiated id is good once: the program connects again. A second between two tries.
                    await asyncio.sleep(1)

        asyncio.run(main())
        """

    /// A line of a client's file.
    enum Line: Equatable {
        case open, closed
        case error(String)
        /// With its one argument, and the names of all its fields.
        case event(String, fields: Set<String>, nulls: Set<String>)
        case other(String)

        init(_ line: Substring) {
            let words = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [Any] ?? []
            switch (words.first as? String, words.count) {
            case ("open", _): self = .open
            case ("closed", _): self = .closed
            case ("error", 2): self = .error(words[1] as? String ?? "")
            case ("event", 3):
                guard let target = words[1] as? String, let arguments = words[2] as? [[String: Any]], arguments.count == 1, let fields = arguments.first else {
                    self = .other(String(line))
                    return
                }
                self = .event(target, fields: Set(fields.keys), nulls: Set(fields.filter { $0.value is NSNull }.keys))
            default: self = .other(String(line))
            }
        }
    }

    static func lines(_ path: String) -> [Line] {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n").map(Line.init)
    }
}
