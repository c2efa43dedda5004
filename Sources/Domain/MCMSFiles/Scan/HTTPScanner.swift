internal import AsyncHTTPClient
internal import ContentStore
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// An API of the company: the file is posted, and the answer read by two patterns.
///
/// Only an answer with status 2xx is read. A redirect is none: what follows one posts no file, and a page that says “clean” is soon found.
package final class HTTPScanner: FileScanner {
    package struct Configuration: Sendable {
        package var url: String
        /// Sent with every request, such as `Authorization`.
        package var headers: [(name: String, value: String)] = []
        /// An answer with status 2xx that contains this is clean …
        package var clean = "clean"
        /// … and one that contains this is infected. The answer's text is the detail.
        package var infected = "infected"
        /// So long it may take no bytes, or send none.
        package var timeoutSeconds: Int64 = 600
        /// Larger files are not scannable.
        package var bytesMax: Int64 = .max

        package init(url: String) {
            self.url = url
        }
    }

    private static let answerBytesMax = 64 << 10
    private static let connectSeconds: Int64 = 10
    /// With the timeout, what a whole request may take: who takes a byte now and then is not waited for.
    private static let bytesPerSecondMin: Int64 = 256 << 10
    private static let connectionsMax = 64

    private let configuration: Configuration
    private let client: HTTPClient

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        // Its timeouts for reading and writing do not end a request whose bytes the other side does not take: see Progress.
        var settings = HTTPClient.Configuration(redirectConfiguration: .disallow, timeout: .init(connect: .seconds(Self.connectSeconds)))
        settings.httpVersion = .http1Only
        // A scanner that is away is said to be away at once; the file's message comes again.
        settings.connectionPool.retryConnectionEstablishment = false
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.connectionsMax
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
    }

    deinit {
        // The client keeps itself until it is done.
        client.shutdown { _ in }
    }

    package var name: String { "http \(configuration.url)" }

    /// Whether anybody answers there, whatever it is.
    package func probe() async throws(ScanError) -> String? {
        do {
            _ = try await client.execute(request(), timeout: .seconds(Self.connectSeconds))
            return nil
        } catch {
            throw .unreachable("\(configuration.url): \(error)")
        }
    }

    /// Whether anybody listens there: a request would be a line in its log every few seconds.
    package func ping() async throws(ScanError) {
        let (url, name) = (URL(string: configuration.url), configuration.url)
        guard let url, let host = url.host else { throw .unreachable("\(name) is no address") }
        let port = url.port ?? (url.scheme == "https" ? 443 : 80)
        do {
            try await Blocking.run { _ = try ScanSocket(.tcp(host: host, port: port), timeoutSeconds: ScannerPing.timeoutSeconds) }
        } catch let error as ScanError {
            throw error
        } catch {
            throw .unreachable("\(name): \(error)")
        }
    }

    package func scan(_ file: any PayloadBytes, bytes: Int64) async throws(ScanError) -> ScanFinding {
        guard bytes <= configuration.bytesMax else {
            return ScanFinding(.notScannable, detail: "it has \(bytes) bytes, and the scanner takes \(configuration.bytesMax)", engine: name, scannedBytes: 0)
        }
        let progress = Progress()
        defer { progress.end() }
        let answer: Answer
        do {
            answer = try await post(SentPieces(pieces: FilePieces(file: file, bytes: bytes), progress: progress), bytes)
        } catch {
            // The body is asked for once there is a connection.
            throw progress.hasBegun ? .failed("\(error)") : .unreachable("\(configuration.url): \(error)")
        }
        return try finding(answer, bytes)
    }

    private func request() -> HTTPClientRequest {
        var request = HTTPClientRequest(url: configuration.url)
        for header in configuration.headers { request.headers.add(name: header.name, value: header.value) }
        // A connection that was kept may be dead already, and the file would be blamed for it.
        request.headers.replaceOrAdd(name: "Connection", value: "close")
        return request
    }

    private struct Answer {
        var status: Int
        var text: String
        /// Of the file, when the answer began.
        var sentBytes: Int64
    }

    private func post(_ body: SentPieces, _ bytes: Int64) async throws -> Answer {
        let stall = Duration.seconds(configuration.timeoutSeconds)
        let whole = stall + .seconds(bytes / Self.bytesPerSecondMin)
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.exchange(body, bytes) }
            group.addTask {
                try await body.progress.watch(stall: stall, whole: whole)
                return nil
            }
            while let answer = try await group.next() {
                if let answer { return answer }
            }
            throw CancellationError()
        }
    }

    private func exchange(_ body: SentPieces, _ bytes: Int64) async throws -> Answer {
        var request = request()
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/octet-stream")
        request.body = .stream(body, length: .known(bytes))
        let response = try await client.execute(request, deadline: .distantFuture)
        let sent = body.progress.sentBytes
        var text = ByteBuffer()
        for try await piece in response.body {
            body.progress.received()
            text.writeImmutableBuffer(piece)
            guard text.readableBytes <= Self.answerBytesMax else { throw NIOTooManyBytesError(maxBytes: Self.answerBytesMax) }
        }
        return Answer(status: Int(response.status.code), text: String(buffer: text), sentBytes: sent)
    }

    private func finding(_ answer: Answer, _ bytes: Int64) throws(ScanError) -> ScanFinding {
        let start = answer.text.prefix(200)
        guard (200..<300).contains(answer.status) else { throw .failed("it answered with status \(answer.status): \(start)") }
        // “infected” first: what says both is not clean.
        if answer.text.contains(configuration.infected) {
            return ScanFinding(.infected, detail: String(start), engine: name, scannedBytes: answer.sentBytes)
        }
        guard answer.text.contains(configuration.clean) else {
            throw .failed("its answer has neither “\(configuration.clean)” nor “\(configuration.infected)”: \(start)")
        }
        guard answer.sentBytes == bytes else { throw .failed("it said “\(configuration.clean)” after \(answer.sentBytes) of \(bytes) bytes") }
        return ScanFinding(.clean, engine: name, scannedBytes: bytes)
    }
}

/// How far a request is.
private final class Progress: Sendable {
    private struct State {
        var hasBegun = false
        var isOver = false
        var sentBytes: Int64 = 0
        /// Changes with each piece, in either direction.
        var pieces = 0
    }

    private struct TookTooLong: Error, CustomStringConvertible {
        let description: String
    }

    private let state = Mutex(State())

    var hasBegun: Bool { state.withLock { $0.hasBegun } }
    var sentBytes: Int64 { state.withLock { $0.sentBytes } }

    func begin() { state.withLock { $0.hasBegun = true } }

    /// What a scanner does not need for its answer is not sent.
    func end() { state.withLock { $0.isOver = true } }

    func sends(_ bytes: Int) throws {
        try state.withLock { state in
            if state.isOver { throw CancellationError() }
            state.sentBytes += Int64(bytes)
            state.pieces += 1
        }
    }

    func received() { state.withLock { $0.pieces += 1 } }

    /// Throws when nothing moved for too long, or everything took too long.
    func watch(stall: Duration, whole: Duration) async throws {
        let began = ContinuousClock.now
        var (seen, since) = (0, began)
        while true {
            try await Task.sleep(for: stall / 4)
            let (now, pieces) = (ContinuousClock.now, state.withLock { $0.pieces })
            if pieces != seen { (seen, since) = (pieces, now) }
            if now - since >= stall { throw TookTooLong(description: "it neither took a byte nor sent one for \(stall)") }
            if now - began >= whole { throw TookTooLong(description: "it took more than \(whole)") }
        }
    }
}

/// A file's pieces, counted as the connection takes them.
private struct SentPieces: AsyncSequence, Sendable {
    let pieces: FilePieces
    let progress: Progress

    struct AsyncIterator: AsyncIteratorProtocol {
        var pieces: FilePieces.AsyncIterator
        let progress: Progress

        mutating func next() async throws -> ByteBuffer? {
            guard let piece = try await pieces.next() else { return nil }
            try progress.sends(piece.readableBytes)
            return piece
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        progress.begin()
        return AsyncIterator(pieces: pieces.makeAsyncIterator(), progress: progress)
    }
}
