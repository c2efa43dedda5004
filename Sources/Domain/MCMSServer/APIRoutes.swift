internal import Foundation
internal import HTTPTypes
package import Hummingbird
internal import Logging
internal import MCMS
internal import MCMSFiles
package import NIOCore
internal import SpindleText
internal import Synchronization

/// One request to the API, after its caller is known and allowed to make it.
struct APIRequest: Sendable {
    let request: Request
    /// What stands for `{id}` in the path.
    let id: String
    /// What stands for `{index}` in the path.
    let index: String
    let principal: WebPrincipal
    let correlationID: String
    let endpoint: APIRoutes.Endpoint
    let origin: Origin

    /// Where a request came from.
    struct Origin: Sendable {
        let peer: SocketAddress?
        let address: String
        /// Where the connection's writes happen; nil where the server does not say.
        let loop: (any EventLoop)?
        /// What the handler adds to the request's line in the audit.
        let notes = AuditNotes()
    }

    var loop: (any EventLoop)? { origin.loop }

    /// - Parameter actor: as the body names it. Only a server with pages of its own may, and it must: it has proven who the person is.
    func caller(actor named: String? = nil) throws -> Caller {
        let actor = named ?? onBehalfOf
        guard principal.permissions.contains(.nameActor) else {
            guard let actor else { return caller(by: principal.actor, as: nil) }
            throw Problem(
                .invalidField, "“actor” is “\(actor.prefix(100))”, but “\(principal.actor)” acts in its own name only.",
                action: "Leave “actor” out, or use the token of a principal with the role “bff”.", field: "actor")
        }
        if let actor {
            origin.notes.actor = actor
            return caller(by: actor, as: endpoint.permission)
        }
        guard [.get, .head, .options].contains(request.method) else {
            throw Problem(
                .invalidField, "“\(principal.name)” acts for people, and the request does not say for whom.",
                action: "Name the person in “actor”, or in the header X-On-Behalf-Of.", field: "actor")
        }
        return caller(by: principal.name, as: nil)
    }

    /// The caller as who they are, whatever the body says.
    var ownCaller: Caller { caller(by: principal.actor, as: nil) }

    private func caller(by actor: String, as permission: WebPermission?) -> Caller {
        let roles = permission.map { permission in Set(AccountRole.allCases.filter { WebRole($0).permissions.contains(permission) }) }
        return Caller(
            actor: actor, principal: principal.name, correlationID: correlationID, address: origin.address, rolesOfActor: roles)
    }

    /// For requests without a body of ours. Percent-encoded UTF-8, as a header holds it.
    var onBehalfOf: String? {
        guard let name = Self.onBehalfOfHeader, let value = request.headers[name], !value.isEmpty else { return nil }
        return value.removingPercentEncoding ?? value
    }

    private static let onBehalfOfHeader = HTTPField.Name("X-On-Behalf-Of")
    private var bodyBytesMax: Int { endpoint.bodyBytesMax }

    /// The body as JSON. An empty body reads as `{}`, for actions whose fields are all optional.
    func body<Value: Decodable>(_ type: Value.Type) async throws -> Value {
        if let declared = request.headers[.contentLength].flatMap({ Int($0) }), declared > bodyBytesMax { throw tooLarge }
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: bodyBytesMax)
        } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
            throw tooLarge
        }
        let bytes = Array(buffer.readableBytesView)
        // Forms can be posted by any page without asking; JSON can't.
        if !bytes.isEmpty, let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw Problem(.wrongMediaType, "The body is “\(type.prefix(100))”.", action: "Send JSON, with Content-Type: application/json.")
        }
        return try MCMSJSON.decode(type, from: bytes.isEmpty ? Array("{}".utf8) : bytes)
    }

    private var tooLarge: Problem {
        Problem(.tooLarge, "The body has more than \(bodyBytesMax) bytes.", action: "Send less.")
    }

    /// Says in the audit's line of this request what was done.
    func note(_ detail: String) { origin.notes.detail = detail }

    /// A query parameter; absent and empty are the same.
    func query(_ name: String) -> String? {
        request.uri.queryParameters[name[...]].flatMap { $0.isEmpty ? nil : String($0) }
    }

    func limit() throws -> Int {
        guard let text = query("limit") else { return PageLimits.itemsDefault }
        guard let limit = Int(text), (1...PageLimits.itemsMax).contains(limit) else {
            throw Problem(
                .invalidField, "“limit” must be a number from 1 to \(PageLimits.itemsMax).", action: "Correct the query.", field: "limit")
        }
        return limit
    }

    /// A time of the query, as the API writes times.
    func time(_ name: String) throws -> Timestamp? {
        guard let text = query(name) else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw Problem(
                .invalidField, "“\(name)” must be a time in UTC, such as 2026-11-28T13:05:00.000Z.", action: "Correct the query.",
                field: name)
        }
        return time
    }

    func choice<Value: RawRepresentable & CaseIterable>(_ name: String, _ type: Value.Type) throws -> Value? where Value.RawValue == String {
        guard let text = query(name) else { return nil }
        guard let value = Value(rawValue: text) else {
            throw Problem(
                .invalidField, "“\(name)” must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", ")).",
                action: "Correct the query.", field: name)
        }
        return value
    }
}

/// The context of a request whose connection's loop is known.
package protocol ConnectionContext: RequestContext {
    var eventLoop: any EventLoop { get }
}

/// What only a handler knows of a request, for the request's line in the audit.
final class AuditNotes: Sendable {
    private let values = Mutex<(actor: String?, detail: String?)>((nil, nil))

    /// For whom a server acted.
    var actor: String? {
        get { values.withLock { $0.actor } }
        set { values.withLock { $0.actor = newValue } }
    }

    /// What was done, in words.
    var detail: String? {
        get { values.withLock { $0.detail } }
        set { values.withLock { $0.detail = newValue } }
    }
}

/// The paths of the API: which methods each has, and proper answers for all others.
struct APIRoutes {
    static let bodyBytesMax = 64 * 1024
    /// A report may name a thousand files.
    static let reportBytesMax = 1024 * 1024

    typealias Handler = @Sendable (APIRequest) async throws -> Response

    struct Endpoint: Sendable {
        let method: HTTPRequest.Method
        /// `nil`: no token or session needed.
        let permission: WebPermission?
        let bodyBytesMax: Int
        let isAudited: Bool
        let handler: Handler
    }

    private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options]

    private let access: WebAccess
    private let store: MCMSStore
    private let logger: Logger
    private var paths: [(path: String, endpoints: [Endpoint])] = []

    init(access: WebAccess, store: MCMSStore, logger: Logger) {
        self.access = access
        self.store = store
        self.logger = logger
    }

    /// - Parameter isAudited: a line of the audit tells each request. Nil: where it changes something, but for the parts of an upload, whose
    ///   begin and end are told elsewhere. False: the handler writes its line itself.
    mutating func on(
        _ method: HTTPRequest.Method, _ path: String, _ permission: WebPermission?, bodyBytesMax: Int = APIRoutes.bodyBytesMax,
        isAudited: Bool? = nil, _ handler: @escaping Handler
    ) {
        let endpoint = Endpoint(
            method: method, permission: permission, bodyBytesMax: bodyBytesMax, isAudited: isAudited ?? [.post, .delete].contains(method),
            handler: handler)
        if let index = paths.firstIndex(where: { $0.path == path }) {
            paths[index].endpoints.append(endpoint)
        } else {
            paths.append((path, [endpoint]))
        }
    }

    /// Registers every path with every method, and everything else below `/api` as not found.
    func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        for (path, endpoints) in paths {
            let own = endpoints.map(\.method)
            let allowed = own + (own.contains(.get) && !own.contains(.head) ? [.head] : []) + (own.contains(.options) ? [] : [.options])
            for method in Self.methods {
                let own = endpoints.first { $0.method == method }
                let isHead = method == .head && own == nil
                if let endpoint = own ?? (isHead ? endpoints.first { $0.method == .get } : nil) {
                    router.on(RouterPath(path), method: method) { request, context in
                        let names = (id: context.parameters.get("id") ?? "", index: context.parameters.get("index") ?? "")
                        let peer = (context as? any RemoteAddressRequestContext)?.remoteAddress
                        let origin = APIRequest.Origin(
                            peer: peer, address: ClientAddress.text(request, from: peer), loop: (context as? any ConnectionContext)?.eventLoop)
                        let response = await respond(request, names, endpoint, at: path, origin)
                        return isHead ? response.createHeadResponse() : response
                    }
                } else {
                    router.on(RouterPath(path), method: method) { request, _ in
                        await notAllowed(request, allowed)
                    }
                }
            }
        }
        for method in Self.methods {
            for path in ["api", "api/**"] {
                router.on(RouterPath(path), method: method) { request, _ in
                    await answer(request) { _ in throw Problem.unknown(request.uri.path) }
                }
            }
        }
    }

    private func respond(
        _ request: Request, _ names: (id: String, index: String), _ endpoint: Endpoint, at path: String, _ origin: APIRequest.Origin
    ) async -> Response {
        var known: WebPrincipal?
        let began = store.clock()
        return await answer(request) { correlationID in
            let principal: WebPrincipal
            if let permission = endpoint.permission {
                principal = try await caller(of: request, permission)
                known = principal
                guard principal.permissions.contains(permission) else {
                    throw Problem(
                        .notPermitted, "“\(principal.actor)” may not do this: it needs “\(permission.rawValue)”.",
                        action: "Use the account or the token of somebody who may.")
                }
            } else {
                principal = WebPrincipal(name: "nobody", permissions: [])
            }
            let call = APIRequest(
                request: request, id: names.id, index: names.index, principal: principal, correlationID: correlationID, endpoint: endpoint, origin: origin)
            guard endpoint.permission == .uploadFiles else { return try await endpoint.handler(call) }
            return try await access.keepingSession(of: request) { try await endpoint.handler(call) }
        } audit: { status, correlationID in
            // Parts of an upload come by POST too, from clients whose proxies know nothing else.
            let override = request.headers[TusHeader.methodOverride]?.uppercased()
            guard endpoint.isAudited, let principal = known, override != "PATCH", override != "HEAD" else { return }
            let by = Caller(
                actor: origin.notes.actor ?? principal.actor, principal: principal.name, correlationID: correlationID, address: origin.address)
            try await store.audit(
                "\(request.method.rawValue) /\(path)", subject: request.uri.path, status: status, detail: origin.notes.detail, began: began, by: by)
        }
    }

    /// Who makes the request. A tus client whose login has ended in the middle of an upload is told to try again: at 401 it would forget
    /// the upload, and begin 20 GB from the start.
    private func caller(of request: Request, _ permission: WebPermission) async throws -> WebPrincipal {
        let isBackground = Self.backgroundHeader.flatMap { request.headers[$0] } != nil
        do {
            return try await access.principal(for: request, purpose: permission == .uploadFiles ? .upload : isBackground ? .background : .use)
        } catch var problem as Problem where problem.kind == .notAuthenticated && request.headers[TusHeader.tusResumable] != nil
            && [.head, .patch].contains(request.method)
        {
            problem.kind = .signInAgain
            problem.headers[TusHeader.tusResumable] = TusHeader.version
            throw problem
        }
    }

    private func notAllowed(_ request: Request, _ allowed: [HTTPRequest.Method]) async -> Response {
        let allow = allowed.map(\.rawValue).joined(separator: ", ")
        return await answer(request) { _ in
            if request.method == .options { return Response(status: .noContent, headers: [.allow: allow]) }
            var problem = Problem(
                .methodNotAllowed, "\(request.method.rawValue) is not possible at \(request.uri.path.prefix(200)).", action: "Use \(allow).")
            problem.headers[.allow] = allow
            throw problem
        }
    }

    /// Runs `body`, turns whatever it throws into a problem document, and sets the headers that every answer has.
    /// - Parameter audit: gets the answer's status. What it tells is done by then, so its failure changes no answer.
    private func answer(
        _ request: Request, _ body: (String) async throws -> Response, audit: (Int, String) async throws -> Void = { _, _ in }
    ) async -> Response {
        let correlationID = Self.correlationID(of: request)
        var response: Response
        do {
            response = try await body(correlationID)
        } catch {
            let problem = problem(for: error, request, correlationID)
            // Encoding plain text and numbers can't fail; if it does, the status still tells.
            response = (try? problem.response(instance: request.uri.path, correlationID: correlationID)) ?? Response(status: problem.kind.status)
        }
        do {
            try await audit(response.status.code, correlationID)
        } catch {
            logger.error(
                "audit.error", metadata: ["what": "a request can't be written into the audit", "correlationId": "\(correlationID)", "error": "\(error)"])
        }
        response.headers[.cacheControl] = "no-store"
        response.headers[.xContentTypeOptions] = "nosniff"
        if let name = Self.correlationHeader { response.headers[name] = correlationID }
        return response
    }

    private func problem(for error: any Error, _ request: Request, _ correlationID: String) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let error as MCMSError: return Problem(error)
        case let error as FileError: return Problem(error)
        case let error as OperationsError: return Problem(error)
        case let error as PayloadStoreUnavailable:
            logger.error("audit.error", metadata: ["what": "\(error)"])
            return Problem(error)
        case let error as MalformedJSON: return Problem(error)
        default: break
        }
        logger.error(
            "audit.error",
            metadata: [
                "what": "\(request.method.rawValue) \(request.uri.path)", "correlationId": "\(correlationID)", "error": "\(error)",
            ])
        if MCMSStore.isTemporary(error) {
            var problem = Problem(.busy, "The database is busy or its disk is full. Nothing was changed.", action: "Try again in a moment.")
            problem.headers[.retryAfter] = "1"
            return problem
        }
        return Problem(
            .internalError, "The server could not do this. Nothing was changed.",
            action: "Try again; if it stays, ask the operator to look for correlationId \(correlationID) in the log.")
    }

    /// Sent by a page that looks by itself: it keeps no session that nobody uses.
    private static let backgroundHeader = HTTPField.Name("X-Background")
    private static let correlationHeader = HTTPField.Name("X-Correlation-ID")
    private static let correlationCharactersMax = 128

    /// The caller's own id, if it is one that can stand in logs and headers as it is; else a new one.
    private static func correlationID(of request: Request) -> String {
        if let name = correlationHeader, let given = request.headers[name], !given.isEmpty, given.utf8.count <= correlationCharactersMax,
            given.utf8.allSatisfy({ $0.isAlphanumeric || "-_.:".utf8.contains($0) })
        {
            return given
        }
        return UUID().uuidString.lowercased()
    }
}

extension UInt8 {
    fileprivate var isAlphanumeric: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
    }
}

extension Response {
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) throws -> Response {
        var all = headers
        all[.contentType] = "application/json"
        return Response(status: status, headers: all, body: ResponseBody(byteBuffer: ByteBuffer(bytes: try MCMSJSON.encode(value))))
    }
}
