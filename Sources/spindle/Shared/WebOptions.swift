import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import SpindleCluster
import Synchronization

/// What every command that talks to the web server takes.
struct WebOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's data directory: its tokens are there. (default: $SPINDLE_DATA, else ./spindle-data)", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The cluster's first port. (default: that of the cluster in the data directory, else 7400)", valueName: "n"))
    var portBase: PortBaseArgument?

    @Option(help: ArgumentHelp("The web server's address, instead.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("The authority that signed the web server's certificate, PEM. (default: DIR/tls/ca.pem where that is there)", valueName: "file"))
    var ca: String?

    @Option(help: "Whose token is used.")
    var principal = "admin"

    func validate() throws {
        guard let url else { return }
        if portBase != nil { throw ValidationError("--url and --port-base both say where the web server is: give one of them.") }
        guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme ?? ""), parts.host?.isEmpty == false else {
            throw ValidationError("“\(url)” is no web address: it looks like http://HOST:PORT.")
        }
    }

    var directory: DataDirectory { DataDirectory(option: data) }

    /// Runs `body` with a client, and closes it.
    func withClient<Value>(_ body: (WebClient) async throws -> Value) async throws -> Value {
        let (directory, principal) = (directory, principal)
        let login = try WebLogin { try directory.token(of: principal) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(120))
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<Value, any Error>
        do { result = .success(try await body(WebClient(client: client, base: base, login: login))) } catch { result = .failure(error) }
        try? await client.shutdown()
        return try result.get()
    }

    private var base: String {
        if let url { return url.hasSuffix("/") ? String(url.dropLast()) : url }
        if let portBase { return "http://127.0.0.1:\(portBase.web)" }
        return directory.endpoints()?.webURL ?? "http://127.0.0.1:\(PortBaseArgument(BrokerPorts.baseDefault).web)"
    }

    private var tls: NIOSSL.TLSConfiguration {
        let own = directory.tlsDirectory + "/ca.pem"
        var configuration = NIOSSL.TLSConfiguration.makeClientConfiguration()
        if let ca = ca ?? (FileManager.default.fileExists(atPath: own) ? own : nil) { configuration.trustRoots = .file(ca) }
        return configuration
    }
}

/// A token, and where it is read again: an operator may change it while an upload of hours is under way.
final class WebLogin: Sendable {
    private let read: @Sendable () throws -> String
    private let current: Mutex<String>

    init(_ read: @escaping @Sendable () throws -> String) throws {
        self.read = read
        current = Mutex(try read())
    }

    var token: String { current.withLock { $0 } }

    /// Returns whether there is another token than the one that was refused.
    func renew(refused: String) -> Bool {
        guard let fresh = try? read() else { return false }
        current.withLock { $0 = fresh }
        return fresh != refused
    }
}

/// Calls the web server's API with a token.
struct WebClient: Sendable {
    /// What the API answers when it refuses.
    struct Refusal: Error, Sendable {
        let status: Int
        let detail: String
        let action: String?

        var failure: CommandFailure { CommandFailure(detail, advice: action) }
        /// Whether another try may do better.
        var isTemporary: Bool { status >= 500 && status != 507 || [408, 423, 429].contains(status) }
    }

    private struct Problem: Decodable {
        let detail: String?
        let action: String?
    }

    static let answerBytesMax = 16 << 20

    let client: HTTPClient
    /// `http://HOST:PORT`
    let base: String
    let login: WebLogin

    var token: String { login.token }

    func request(_ method: HTTPMethod, _ path: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + path)
        request.method = method
        request.headers.add(name: "authorization", value: "Bearer \(token)")
        return request
    }

    /// - Throws: ``Refusal``, or what the connection throws.
    func send(_ request: HTTPClientRequest, timeout: TimeAmount = .minutes(10)) async throws -> HTTPClientResponse {
        let used = token
        var response = try await client.execute(request, timeout: timeout)
        if response.status == .unauthorized, login.renew(refused: used) {
            var request = request
            request.headers.replaceOrAdd(name: "authorization", value: "Bearer \(token)")
            response = try await client.execute(request, timeout: timeout)
        }
        guard !(200..<300).contains(response.status.code) else { return response }
        let data = Data(try await response.body.collect(upTo: Self.answerBytesMax).readableBytesView)
        let problem = try? JSONDecoder().decode(Problem.self, from: data)
        throw Refusal(status: Int(response.status.code), detail: problem?.detail ?? "the answer was \(response.status)", action: problem?.action)
    }

    func call<Answer: Decodable>(_ method: HTTPMethod, _ path: String, json body: (any Encodable)? = nil) async throws -> Answer {
        var request = request(method, path)
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
        }
        let answer = try await send(request).body.collect(upTo: Self.answerBytesMax)
        return try JSONDecoder().decode(Answer.self, from: Data(answer.readableBytesView))
    }

    /// Tries again while nobody answers, or not well: for as long as `patience`, with growing pauses.
    func persistently<Value>(patience: Duration, _ body: () async throws -> Value) async throws -> Value {
        let end = ContinuousClock.now + patience
        var pause = Duration.milliseconds(250)
        while true {
            do {
                return try await body()
            } catch let refusal as Refusal where !refusal.isTemporary {
                throw refusal.failure
            } catch is CancellationError {
                throw CancellationError()
            } catch let error as CommandFailure {
                throw error
            } catch {
                guard ContinuousClock.now + pause < end else { throw explain(error) }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// - Throws: ``CommandFailure`` where nobody answers; a refusal is an answer.
    func checkAnswers() async throws {
        do {
            _ = try await send(request(.GET, "/readyz"), timeout: .seconds(30)).body.collect(upTo: Self.answerBytesMax)
        } catch is Refusal {
            return
        } catch {
            throw explain(error)
        }
    }

    func explain(_ error: any Error) -> CommandFailure {
        if let refusal = error as? Refusal { return refusal.failure }
        return CommandFailure(
            "\(base) does not answer: \(ConnectionProblem.sentence(error)).", advice: "Is the cluster running? Start it with `spindle up`; `spindle status` shows it.")
    }
}
