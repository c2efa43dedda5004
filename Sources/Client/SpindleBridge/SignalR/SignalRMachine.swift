internal import Foundation
internal import SpindleText

/// The server's side of one connection in SignalR's JSON hub protocol, whatever carries it. `now` is in milliseconds of any steady clock.
///
/// Source: dotnet/aspnetcore, "SignalR Hub Protocol". Each message is a JSON object and a record separator (0x1E):
/// ```
/// client                               server
/// {"protocol":"json","version":1}  →
///                                  ←   {}                        or {"error":"…"}, and the end
///                                  ←   {"type":1,"target":"addin.job.updated","arguments":[{…}]}
/// {"type":6}                       ⇄   {"type":6}                pings
///                                  ←   {"type":7,"allowReconnect":true}
/// ```
/// The hubs have no methods: an invocation that asks for an answer gets an error.
package struct SignalRMachine: Sendable {
    package enum Action: Hashable, Sendable {
        case send(String)
        /// Close the connection once everything is sent.
        case close
    }

    /// Why the server ends a connection.
    package enum End: String, Sendable {
        /// By plan, or because this server stops: the client connects again.
        case goingAway
        /// Events are missing: the client connects again, and reads the state again.
        case missedEvents
        /// The right to listen has ended.
        case notPermitted
    }

    private enum State {
        case handshake(deadline: Int64)
        case open
        case closed
    }

    package static let separator = "\u{1E}"
    private static let separatorByte: UInt8 = 0x1E
    /// Clients that don't count versions say 0.
    private static let versions = 0...1

    private let limits: SignalRLimits
    private var state: State
    /// The beginning of a message whose end has not come.
    private var pending: [UInt8] = []
    private var heardAt: Int64
    private var sentAt: Int64

    package init(limits: SignalRLimits, now: Int64) {
        self.limits = limits
        state = .handshake(deadline: now + limits.handshakeMilliseconds)
        heardAt = now
        sentAt = now
    }

    package var isOpen: Bool { if case .open = state { true } else { false } }

    // MARK: The client

    /// Bytes came: a part of a message, or several.
    package mutating func received(_ bytes: [UInt8], now: Int64) -> [Action] {
        heardAt = now
        var actions: [Action] = []
        for byte in bytes {
            if case .closed = state { return actions }
            guard byte == Self.separatorByte else {
                pending.append(byte)
                if pending.count > limits.messageBytesMax { actions += fail("A message has more than \(limits.messageBytesMax) bytes.") }
                continue
            }
            let message = pending
            pending = []
            actions += self.message(message, now: now)
        }
        return actions
    }

    /// The client is there, though it sends nothing: it asks for messages.
    package mutating func heard(now: Int64) { heardAt = now }

    private mutating func message(_ bytes: [UInt8], now: Int64) -> [Action] {
        switch state {
        case .handshake: handshake(bytes, now: now)
        case .open: message(bytes)
        case .closed: []
        }
    }

    private mutating func handshake(_ bytes: [UInt8], now: Int64) -> [Action] {
        struct Handshake: Decodable {
            let `protocol`: String
            let version: Int
        }
        guard let asked = try? JSONDecoder().decode(Handshake.self, from: Data(bytes)) else {
            return fail("The first message is not a handshake: {\"protocol\":\"json\",\"version\":1}.")
        }
        guard asked.protocol == "json" else { return fail("The protocol is not supported. This server speaks “json”.") }
        guard Self.versions.contains(asked.version) else {
            return fail("The version is not supported. This server speaks version \(Self.versions.upperBound).")
        }
        state = .open
        sentAt = now
        return [.send("{}" + Self.separator)]
    }

    private enum MessageType: Int {
        case invocation = 1, streamItem, completion, streamInvocation, cancelInvocation, ping, close
    }

    private mutating func message(_ bytes: [UInt8]) -> [Action] {
        struct Message: Decodable {
            let type: Int
            let invocationId: String?
        }
        guard let message = try? JSONDecoder().decode(Message.self, from: Data(bytes)) else {
            return fail("A message is not a JSON object with a “type”.")
        }
        switch MessageType(rawValue: message.type) {
        case .invocation, .streamInvocation:
            // Without an id nobody waits for an answer.
            guard let id = message.invocationId else { return [] }
            return [.send(#"{"type":3,"invocationId":\#(JSONText.quoted(id)),"error":"This hub has no methods; it only sends."}"# + Self.separator)]
        // A later version's messages (nil) are for others too: they are passed over.
        case .streamItem, .completion, .cancelInvocation, .ping, nil: return []
        case .close:
            state = .closed
            return [.close]
        }
    }

    // MARK: The server

    /// An event came. Before the handshake it is not for this client.
    /// - Parameter argument: a JSON object, as text.
    package mutating func event(_ target: String, _ argument: String, now: Int64) -> [Action] {
        guard isOpen else { return [] }
        sentAt = now
        return [.send(#"{"type":1,"target":\#(JSONText.quoted(target)),"arguments":[\#(argument)]}"# + Self.separator)]
    }

    package mutating func end(_ end: End) -> [Action] {
        switch end {
        case .goingAway: finish(error: nil, mayReconnect: true)
        case .missedEvents: finish(error: "Events were missed. Connect again, and read the state again.", mayReconnect: true)
        case .notPermitted: finish(error: "The right to listen has ended. Sign in again.", mayReconnect: false)
        }
    }

    /// Looks at the timers.
    package mutating func tick(now: Int64) -> [Action] {
        switch state {
        case .closed: return []
        case .handshake(let deadline):
            return now >= deadline ? fail("No handshake came within \(limits.handshakeMilliseconds) ms.") : []
        case .open:
            if now - heardAt >= limits.clientTimeoutMilliseconds {
                return finish(error: "Nothing came from the client for \(limits.clientTimeoutMilliseconds) ms.", mayReconnect: true)
            }
            guard now - sentAt >= limits.pingMilliseconds else { return [] }
            sentAt = now
            return [.send(#"{"type":6}"# + Self.separator)]
        }
    }

    /// The client did something that it must not.
    private mutating func fail(_ error: String) -> [Action] { finish(error: error, mayReconnect: false) }

    private mutating func finish(error: String?, mayReconnect: Bool) -> [Action] {
        defer {
            state = .closed
            pending = []
        }
        switch state {
        case .closed: return []
        // A close message would not be understood yet.
        case .handshake: return [.send(#"{"error":\#(JSONText.quoted(error ?? "The server stops. Connect again."))}"# + Self.separator), .close]
        case .open:
            let said = error.map { #","error":\#(JSONText.quoted($0))"# } ?? ""
            return [.send(#"{"type":7\#(said)\#(mayReconnect ? #","allowReconnect":true"# : "")}"# + Self.separator), .close]
        }
    }
}
