import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// The web server's HTTP API, as far as the demonstration needs it. Answers are read as other programs would read them.
struct DemoAPI {
    private static let timeout = TimeAmount.seconds(10)
    private static let answerBytesMax = 1 << 20

    struct Routing: Decodable {
        let id: String
        let name: String
        let camRevision: Int
        let status: String
        let lastAddinJobId: String?
        let lastGenerationStatus: String
    }

    struct History: Decodable {
        struct Entry: Decodable {
            let event: String
            let jobId: String?
            let message: String?
            let actor: String
        }

        let items: [Entry]
    }

    struct Job: Decodable {
        struct Output: Decodable {
            let path: String
            let size: Int64
            let sha256: String
        }

        let jobId: String
        let status: String
        let message: String?
        let outputs: [Output]
    }

    private struct Problem: Decodable {
        let detail: String?
        let action: String?
    }

    let client: HTTPClient
    /// `http://HOST:PORT`
    let base: String
    let token: String
    let correlationID: String

    func create(name: String) async throws -> Routing { try await call("POST", "/api/routings", body: ["name": name]) }
    func act(_ action: String, on routing: String) async throws -> Routing { try await call("POST", "/api/routings/\(routing)/\(action)", body: [:]) }
    func routing(_ id: String) async throws -> Routing { try await call("GET", "/api/routings/\(id)") }
    func history(of routing: String) async throws -> History { try await call("GET", "/api/routings/\(routing)/history") }
    func job(_ id: String) async throws -> Job { try await call("GET", "/api/addin/jobs/\(id)") }

    private func call<Answer: Decodable>(_ method: String, _ path: String, body: [String: String]? = nil) async throws -> Answer {
        var request = HTTPClientRequest(url: base + path)
        request.method = .init(rawValue: method)
        request.headers.add(name: "authorization", value: "Bearer \(token)")
        request.headers.add(name: "x-correlation-id", value: correlationID)
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
        }
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, timeout: Self.timeout)
        } catch {
            throw CommandFailure("\(base) does not answer: \(ConnectionProblem.sentence(error)).", advice: "Is the cluster running? Start it with `spindle up`; `spindle status` shows it.")
        }
        let data = Data(try await response.body.collect(upTo: Self.answerBytesMax).readableBytesView)
        guard (200..<300).contains(response.status.code) else {
            let problem = try? JSONDecoder().decode(Problem.self, from: data)
            throw CommandFailure("\(method) \(path) was answered with \(response.status.code): \(problem?.detail ?? "")", advice: problem?.action)
        }
        return try JSONDecoder().decode(Answer.self, from: data)
    }
}
