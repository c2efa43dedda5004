import HTTPTypes
import Hummingbird
import MCMS
import Testing

extension TestAPI {
    /// Everybody's.
    static let password = "correct horse battery"

    @discardableResult
    static func makeAccount(_ name: String, _ role: AccountRole, _ store: MCMSStore) async throws -> Account {
        let hash = try await PasswordHasher(cost: cheap).hash(Password(password))
        return try await store.createAccount(
            try NewAccount(name: name, displayName: nil, role: role, passwordHash: hash), by: Caller(actor: "test", correlationID: "c-0"))
    }

    @discardableResult
    func account(_ name: String, _ role: AccountRole) async throws -> Account { try await Self.makeAccount(name, role, test.store) }

    func signIn(_ name: String, _ password: String = TestAPI.password, headers: HTTPFields = [:]) async throws -> Answer {
        try await send(.post, "/api/session", #"{"name":"\#(name)","password":"\#(password)"}"#, as: nil, headers: headers)
    }

    /// What the browser of a person sends who has signed in.
    func session(_ name: String, _ password: String = TestAPI.password) async throws -> HTTPFields {
        let answer = try await signIn(name, password)
        #expect(answer.status == 201, "\(answer.text)")
        return [.cookie: String(try #require(answer.headers[.setCookie]?.split(separator: ";").first)), .origin: "http://localhost"]
    }

    /// The status of a request in a session.
    func status(_ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, _ session: HTTPFields) async throws -> Int {
        try await send(method, path, body, as: nil, headers: session).status
    }
}
