internal import HTTPTypes
internal import Hummingbird
import SpindleText

/// Why there is no stream: RFC 9457 `application/problem+json`.
struct EventProblem: Error {
    let status: HTTPResponse.Status
    let type: String
    let title: String
    let detail: String
    var headers: HTTPFields = [:]

    static let notAuthenticated = EventProblem(
        status: .unauthorized, type: "not-authenticated", title: "Not signed in",
        detail: "Event streams need a bearer token or a session. Send “Authorization: Bearer <token>”, or sign in on the page.")
    static let notPermitted = EventProblem(
        status: .forbidden, type: "not-permitted", title: "Not allowed",
        detail: "The account or the token may not listen to this. Use one that may; a connection token is good only for what it was given for.")
    static let foreignPage = EventProblem(
        status: .forbidden, type: "not-permitted", title: "Not allowed",
        detail: "The request comes from another site's page. Use the page that this server serves, or a bearer token.")
    static let full = EventProblem(
        status: .serviceUnavailable, type: "busy", title: "Busy",
        detail: "As many listeners as the server allows are connected. Try again later, or ask the operator to raise clientsMax.",
        headers: [.retryAfter: "10"])
    static let callerFull = EventProblem(
        status: .tooManyRequests, type: "busy", title: "Too many streams",
        detail: "As many streams as one person or token may have are open. Close some, or use one stream for all tabs.",
        headers: [.retryAfter: "10"])
    static let stopping = EventProblem(
        status: .serviceUnavailable, type: "busy", title: "Stopping", detail: "This server is stopping. Connect again.",
        headers: [.retryAfter: "2"])
    static let noCursor = EventProblem(
        status: .serviceUnavailable, type: "busy", title: "Not connected",
        detail: "The broker has not answered yet, so there is no place to begin at. Try again in a moment.", headers: [.retryAfter: "2"])
    static let callerUnknown = EventProblem(
        status: .serviceUnavailable, type: "busy", title: "Busy",
        detail: "Who is asking could not be found out now. Try again in a moment.", headers: [.retryAfter: "2"])

    static func noTopics(_ topics: [String]) -> EventProblem {
        EventProblem(
            status: .badRequest, type: "malformed-request", title: "No topics",
            detail: "The request names no topics. Add “?topics=” with names or patterns, with commas between. "
                + "There are: \(topics.joined(separator: ", ")).")
    }

    static func unknownTopics(_ unknown: EventBridgeConfiguration.TopicsUnknown, _ topics: [String]) -> EventProblem {
        EventProblem(
            status: .badRequest, type: "malformed-request", title: "Unknown topic",
            detail: "\(unknown.what.prefix(1).uppercased() + unknown.what.dropFirst()). There are: \(topics.joined(separator: ", ")).")
    }

    static let noConnectionID = EventProblem(
        status: .badRequest, type: "malformed-request", title: "No connection",
        detail: "The request names no connection. Send POST …/negotiate first, and its connectionToken or connectionId as “id”.")
    static let unknownConnection = EventProblem(
        status: .notFound, type: "not-found", title: "Not found",
        detail: "There is no connection with this id: it was used, has ended or expired. Negotiate again.")
    static let connectionInUse = EventProblem(
        status: .conflict, type: "conflict", title: "Not possible now",
        detail: "Another request of this connection is under way. Wait for its answer.")
    static let messageTooLarge = EventProblem(
        status: .contentTooLarge, type: "too-large", title: "Too large", detail: "The message is too large for this hub. Send less.")

    /// `namespace`: of the problem's type, and the realm.
    func response(namespace: String) -> Response {
        Response(
            status: status, headers: fields(namespace: namespace),
            body: ResponseBody(byteBuffer: ByteBuffer(string: document(namespace: namespace))))
    }

    func fields(namespace: String) -> HTTPFields {
        var all = headers
        if status == .unauthorized { all[.wwwAuthenticate] = #"Bearer realm="\#(namespace)""# }
        all[.contentType] = "application/problem+json"
        all[.cacheControl] = "no-store"
        return all
    }

    func document(namespace: String) -> String {
        #"{"type":"urn:\#(namespace):problem:\#(type)","title":\#(JSONText.quoted(title)),"status":\#(status.code),"detail":\#(JSONText.quoted(detail))}"#
    }
}

extension EventProblem {
    init(_ refusal: SignalRHubs.Refusal) {
        self =
            switch refusal {
            case .full: .full
            case .callerFull: .callerFull
            case .stopping: .stopping
            }
    }
}
