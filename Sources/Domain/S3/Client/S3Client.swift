internal import AsyncHTTPClient
internal import Digests
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// Asks one bucket of an object store that speaks S3. Every answer is read whole, with a limit; objects are read in ranges.
///
/// What may pass (5xx, 429, a lost connection, a time-out) is asked again, ``S3Configuration/attemptsMax`` times; what is refused is not.
package final class S3Client: Sendable {
    static let answerBytesMax = 8 << 20
    private static let connectSeconds: Int64 = 10
    private static let connectionsMax = 64

    package let configuration: S3Configuration
    private let signature: SignatureV4
    private let http: HTTPClient
    private let now: @Sendable () -> Int64

    /// - Parameter now: milliseconds since 1970.
    package init(
        _ configuration: S3Configuration, now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1_000) }
    ) {
        self.configuration = configuration
        self.now = now
        signature = SignatureV4(configuration.credentials, region: configuration.region)
        var settings = HTTPClient.Configuration(redirectConfiguration: .disallow, timeout: .init(connect: .seconds(Self.connectSeconds)))
        settings.httpVersion = .http1Only
        // Asked again is here, with a count.
        settings.connectionPool.retryConnectionEstablishment = false
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.connectionsMax
        settings.dnsOverride = configuration.hosts
        if let file = configuration.caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(file)
            settings.tlsConfiguration = tls
        }
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
    }

    deinit {
        // The client keeps itself until it is done.
        http.shutdown { _ in }
    }

    struct Question: Sendable {
        var method: HTTPMethod
        /// Empty: the bucket.
        var key = ""
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var body: S3Body?
        /// Nil: as the configuration says.
        var timeout: Duration?
        var answerBytesMax = S3Client.answerBytesMax

        var operation: String {
            let what = query.filter { ["uploads", "uploadId", "partNumber", "list-type"].contains($0.name) }.map { $0.value.isEmpty ? $0.name : "\($0.name)=\($0.value)" }
            return "S3 \(method.rawValue) \(key.isEmpty ? "/" : key)" + (what.isEmpty ? "" : "?" + what.joined(separator: "&"))
        }
    }

    struct Answer: Sendable {
        var status: Int
        var headers: HTTPHeaders
        var body: ByteBuffer

        var bytes: [UInt8] { Array(body.readableBytesView) }
        func header(_ name: String) -> String? { headers.first(name: name) }
        /// Without its quotes.
        var etag: String { (header("ETag") ?? "").filter { $0 != "\"" } }
    }

    /// Returns an answer with status 2xx, or throws ``S3Error``.
    func ask(_ question: Question) async throws -> Answer {
        var attempt = 1
        while true {
            do {
                return try await askOnce(question)
            } catch let failure as Failure {
                guard failure.error.mayPass, attempt < configuration.attemptsMax else { throw failure.error }
                let pause = configuration.backoff.pause(after: attempt, asked: failure.retryAfter, random: .random(in: 0...1))
                try await Task.sleep(for: pause)
                attempt += 1
            }
        }
    }

    private struct Failure: Error {
        var error: S3Error
        var retryAfter: Duration?
    }

    private func askOnce(_ question: Question) async throws -> Answer {
        let progress = ExchangeProgress()
        defer { progress.end() }
        let answer: Answer
        do {
            answer = try await exchange(question, progress)
        } catch {
            // The body's own trouble is no server's.
            if let failure = progress.failure { throw failure }
            try Task.checkCancellation()
            throw Failure(error: S3Error(.unavailable, question.operation, message: "\(configuration.endpoint) gives no answer: \(Self.words(error))"))
        }
        if (200..<300).contains(answer.status) {
            // A server that takes long begins its answer before it knows.
            if question.method == .POST, let error = errorWithin(answer, question) { throw Failure(error: error) }
            return answer
        }
        let said = answer.header("Date").flatMap(ServerTime.header)
        let error = S3Error.answered(question.operation, status: answer.status, body: answer.bytes, skew: said.map { (now() - $0) / 1_000 })
        throw Failure(error: error, retryAfter: answer.header("Retry-After").flatMap { Int64($0) }.map { .seconds($0) })
    }

    private func errorWithin(_ answer: Answer, _ question: Question) -> S3Error? {
        guard let node = try? XMLNode(answer.bytes), node.name == "Error" else { return nil }
        var error = S3Error.answered(question.operation, status: 200, body: answer.bytes, skew: nil)
        if error.kind == .refused { error.kind = .unavailable }
        return error
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: "\(error)"
        case let error as ExchangeProgress.Stalled: error.description
        case let error as NIOSSLError: "TLS: \(error); does `caFile:` name the authority that signed its certificate?"
        default: "\(error)"
        }
    }

    private func exchange(_ question: Question, _ progress: ExchangeProgress) async throws -> Answer {
        let request = request(question, progress)
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.answer(to: request, question, progress) }
            group.addTask {
                try await progress.watch(question.timeout ?? self.configuration.timeout)
                return nil
            }
            while let answer = try await group.next() {
                if let answer { return answer }
            }
            throw CancellationError()
        }
    }

    private func answer(to request: HTTPClientRequest, _ question: Question, _ progress: ExchangeProgress) async throws -> Answer {
        let response = try await http.execute(request, deadline: .distantFuture)
        progress.moved()
        var body = ByteBuffer()
        let isError = !(200..<300).contains(Int(response.status.code))
        for try await piece in response.body {
            progress.moved()
            body.writeImmutableBuffer(piece)
            guard body.readableBytes <= (isError ? Self.answerBytesMax : question.answerBytesMax) else {
                throw NIOTooManyBytesError(maxBytes: question.answerBytesMax)
            }
        }
        return Answer(status: Int(response.status.code), headers: response.headers, body: body)
    }

    private func request(_ question: Question, _ progress: ExchangeProgress) -> HTTPClientRequest {
        let place = configuration.place(of: question.key)
        let query = URIEncoding.query(question.query)
        let date = ServerTime.signed(now())
        let hash = question.body.map { Hexadecimal.text($0.digests.sha256) } ?? SignatureV4.emptyHash
        var headers = question.headers
        headers += [("Host", place.host), ("x-amz-date", date), ("x-amz-content-sha256", hash)]
        if let token = configuration.credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let signed = SignatureV4.Request(method: question.method.rawValue, path: place.path, query: query, headers: headers, payloadHash: hash)
        var request = HTTPClientRequest(url: "\(place.scheme)://\(place.host)\(place.path)" + (query.isEmpty ? "" : "?\(query)"))
        request.method = question.method
        for header in headers { request.headers.add(name: header.name, value: header.value) }
        request.headers.add(name: "Authorization", value: signature.authorization(signed, date: date))
        request.headers.add(name: "User-Agent", value: "spindle")
        if let body = question.body { request.body = .stream(SentBody(body: body, progress: progress), length: .known(body.bytes)) }
        return request
    }
}
