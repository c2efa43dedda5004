internal import Foundation
internal import SpindleClient
import SpindleText

/// How a client's events look on its wire.
package enum EventFraming: Int, CaseIterable, Sendable {
    /// `text/event-stream`.
    case serverSentEvents
    /// JSON texts, one a line: a message of a WebSocket has one of them. See `docs/events.md`.
    case jsonLines

    /// What a client is sent.
    enum Frame {
        case event(topic: String, TopicCursor, body: [UInt8])
        case gap(TopicCursor, reason: String)
        case hello(TopicCursor, resumed: Bool, heartbeatMilliseconds: Int64)
        case ping(TopicCursor?)
        /// The right to listen has ended.
        case reauthenticate
        /// How long the client waits before it connects again.
        case retry(milliseconds: Int64)
    }

    func bytes(_ frame: Frame) -> [UInt8] {
        switch self {
        case .serverSentEvents: Self.serverSentEvent(frame)
        case .jsonLines: Self.jsonLine(frame)
        }
    }

    private static func serverSentEvent(_ frame: Frame) -> [UInt8] {
        switch frame {
        case .event(let topic, let cursor, let body): ServerSentEvent.encode(id: cursor.description, name: topic, data: body)
        case .gap(let cursor, let reason):
            ServerSentEvent.encode(id: cursor.description, name: "gap", data: JSONText.object([("reason", reason)]).utf8)
        case .hello(let cursor, let resumed, let heartbeat):
            ServerSentEvent.encode(
                id: cursor.description, name: "hello", data: #"{"resumed":\#(resumed),"heartbeatMilliseconds":\#(heartbeat)}"#.utf8)
        // Comment and event: proxies count the one, scripts see the other.
        case .ping(let cursor): ServerSentEvent.comment("ping") + ServerSentEvent.encode(id: cursor?.description, name: "ping", data: "{}".utf8)
        case .reauthenticate: ServerSentEvent.encode(name: "reauth", data: "{}".utf8)
        case .retry(let milliseconds): ServerSentEvent.retry(milliseconds: milliseconds)
        }
    }

    private static func jsonLine(_ frame: Frame) -> [UInt8] {
        switch frame {
        case .event(let topic, let cursor, let body):
            Array(#"{"type":"event","topic":\#(JSONText.quoted(topic)),"cursor":"\#(cursor)","data":"#.utf8) + value(body) + Array("}\n".utf8)
        case .gap(let cursor, let reason): line(#""gap","cursor":"\#(cursor)","reason":\#(JSONText.quoted(reason))"#)
        case .hello(let cursor, let resumed, let heartbeat):
            line(#""hello","cursor":"\#(cursor)","resumed":\#(resumed),"heartbeatMilliseconds":\#(heartbeat)"#)
        case .ping(nil): line(#""ping""#)
        case .ping(let cursor?): line(#""ping","cursor":"\#(cursor)""#)
        case .reauthenticate: line(#""reauth""#)
        // Said in the documentation: a WebSocket has no word for it.
        case .retry: []
        }
    }

    private static func line(_ rest: String) -> [UInt8] { Array("{\"type\":\(rest)}\n".utf8) }

    /// A body that is JSON stands as it is, another one as a text. Line breaks stand between JSON's words only, so blanks serve there too.
    private static func value(_ body: [UInt8]) -> [UInt8] {
        guard (try? JSONSerialization.jsonObject(with: Data(body), options: .fragmentsAllowed)) != nil else {
            return Array(JSONText.quoted(String(decoding: body, as: UTF8.self)).utf8)
        }
        return body.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
    }
}
