package import Hummingbird
internal import HTTPTypes
package import MCMS

/// An error as the API answers it: RFC 9457 `application/problem+json`, with a sentence about what to do.
package struct Problem: Error, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case malformedRequest = "malformed-request"
        case invalidField = "invalid-field"
        case notAuthenticated = "not-authenticated"
        case notPermitted = "not-permitted"
        case notFound = "not-found"
        case methodNotAllowed = "method-not-allowed"
        case illegalTransition = "illegal-transition"
        case tooLarge = "too-large"
        case wrongMediaType = "wrong-media-type"
        case noRoom = "no-room"
        case conflict
        case digestMismatch = "digest-mismatch"
        case checksumMismatch = "checksum-mismatch"
        case rangeNotSatisfiable = "range-not-satisfiable"
        case wrongVersion = "wrong-version"
        case signInAgain = "sign-in-again"
        case tooManyAttempts = "too-many-attempts"
        case busy
        case tooMany = "too-many"
        case internalError = "internal-error"

        var title: String {
            switch self {
            case .malformedRequest: "The request cannot be read"
            case .invalidField: "A field is not valid"
            case .notAuthenticated: "Not signed in"
            case .notPermitted: "Not allowed"
            case .notFound: "Not found"
            case .methodNotAllowed: "This method is not possible here"
            case .illegalTransition: "Not possible in this state"
            case .tooLarge: "The request is too large"
            case .wrongMediaType: "The request is not JSON"
            case .noRoom: "Not enough room"
            case .conflict: "Not possible now"
            case .digestMismatch, .checksumMismatch: "The bytes are not those that were announced"
            case .rangeNotSatisfiable: "There are no such bytes"
            case .wrongVersion: "Another version of tus"
            case .signInAgain: "Sign in, then go on"
            case .tooManyAttempts: "Too many attempts"
            case .busy: "Busy"
            case .tooMany: "Too many at once"
            case .internalError: "Something went wrong"
            }
        }

        var status: HTTPResponse.Status {
            switch self {
            case .malformedRequest, .invalidField: .badRequest
            case .notAuthenticated: .unauthorized
            case .notPermitted: .forbidden
            case .notFound: .notFound
            case .methodNotAllowed: .methodNotAllowed
            case .illegalTransition: .conflict
            case .tooLarge: .contentTooLarge
            case .wrongMediaType: .unsupportedMediaType
            case .noRoom: .init(code: 507, reasonPhrase: "Insufficient Storage")
            case .conflict: .conflict
            case .digestMismatch: .unprocessableContent
            // tus has a status of its own.
            case .checksumMismatch: .init(code: 460, reasonPhrase: "Checksum Mismatch")
            case .rangeNotSatisfiable: .rangeNotSatisfiable
            case .wrongVersion: .preconditionFailed
            // 401 would make a tus client forget its upload and begin again; 423 makes it try again.
            case .signInAgain: .init(code: 423, reasonPhrase: "Locked")
            case .tooManyAttempts: .tooManyRequests
            case .busy: .serviceUnavailable
            case .tooMany: .tooManyRequests
            case .internalError: .internalServerError
            }
        }
    }

    package var kind: Kind
    /// What was wrong with this request.
    package var detail: String
    /// What the caller can do now.
    package var action: String
    package var field: String?
    package var currentStatus: RoutingStatus?
    package var legalActions: [RoutingAction]?
    package var headers: HTTPFields = [:]

    package init(_ kind: Kind, _ detail: String, action: String, field: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.action = action
        self.field = field
    }

    struct Document: Codable {
        var type: String
        var title: String
        var status: Int
        var detail: String
        var instance: String
        var action: String
        var field: String?
        var currentStatus: RoutingStatus?
        var legalActions: [RoutingAction]?
        var correlationId: String
    }

    /// - Parameter instance: the path that was asked for.
    func response(instance: String, correlationID: String) throws -> Response {
        let document = Document(
            type: "urn:mcms:problem:\(kind.rawValue)", title: kind.title, status: kind.status.code, detail: detail, instance: instance,
            action: action, field: field, currentStatus: currentStatus, legalActions: legalActions, correlationId: correlationID)
        var all = headers
        all[.contentType] = "application/problem+json"
        return Response(status: kind.status, headers: all, body: ResponseBody(byteBuffer: ByteBuffer(bytes: try MCMSJSON.encode(document))))
    }
}

extension Problem {
    static func unknown(_ path: String) -> Problem {
        Problem(.notFound, "There is nothing at \(path.prefix(200)).", action: "Check the address; docs/mcms.md lists what there is.")
    }

    static func notAuthenticated(_ detail: String, invalidToken: Bool) -> Problem {
        var problem = Problem(
            .notAuthenticated, detail, action: "Send “Authorization: Bearer <token>”, or sign in again with POST /api/session.")
        problem.headers[.wwwAuthenticate] = invalidToken ? #"Bearer realm="mcms", error="invalid_token""# : #"Bearer realm="mcms""#
        return problem
    }

    init(_ error: MCMSError) {
        switch error {
        case .notFound:
            self.init(.notFound, error.description, action: "Check the id; the list shows which there are.")
        case .invalid(let field, _):
            self.init(.invalidField, error.description, action: "Correct the field and send the request again.", field: field)
        case .nameTaken:
            self.init(.conflict, error.description, action: "Choose another name.", field: "name")
        case .lastAdministrator:
            self.init(.conflict, error.description, action: "Make somebody else an administrator first.")
        case .linkUnusable:
            self.init(.notPermitted, error.description, action: "Ask the operator for a new one: “spindle user invite” prints it.")
        case .notAllowedFor(let person):
            self.init(.notPermitted, error.description, action: "Let an administrator give “\(person)” an account with the role that this needs.", field: "actor")
        case .ownApproval:
            self.init(.notPermitted, error.description, action: "Ask somebody else to approve it.")
        case .illegalTransition(let transition):
            self.init(
                .illegalTransition, error.description,
                action: transition.legalActions.isEmpty
                    ? "Load the routing again to see how it stands." : "Load the routing again, and choose one of legalActions.")
            currentStatus = transition.state.status
            legalActions = transition.legalActions
        }
    }

    init(_ error: MalformedJSON) {
        self.init(
            error.field == nil ? .malformedRequest : .invalidField, "In the request's JSON, \(error).",
            action: "Correct it and send the request again.", field: error.field)
    }
}
