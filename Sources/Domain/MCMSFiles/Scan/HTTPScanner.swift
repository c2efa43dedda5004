package import AsyncHTTPClient
package import ContentStore
internal import Foundation
package import NIOCore
internal import NIOHTTP1

/// An API of the company: the file is posted, and the answer read by two patterns.
package struct HTTPScanner: FileScanner {
    package struct Configuration: Sendable {
        package var url: String
        /// Sent with every request, such as `Authorization`.
        package var headers: [(name: String, value: String)] = []
        /// An answer with status 2xx that contains this is clean …
        package var clean = "clean"
        /// … and one that contains this is infected. The answer's text is the detail.
        package var infected = "infected"
        package var timeoutSeconds: Int64 = 600
        /// Larger files are not scannable.
        package var bytesMax: Int64 = .max

        package init(url: String) {
            self.url = url
        }
    }

    private static let answerBytesMax = 64 << 10

    private let configuration: Configuration
    private let client: HTTPClient

    package init(_ configuration: Configuration, client: HTTPClient = .shared) {
        self.configuration = configuration
        self.client = client
    }

    package var name: String { "http \(configuration.url)" }

    /// Whether anybody answers there, whatever it is.
    package func probe() async throws(ScanError) {
        do {
            _ = try await client.execute(HTTPClientRequest(url: configuration.url), timeout: .seconds(10))
        } catch {
            throw .unreachable("\(configuration.url): \(error)")
        }
    }

    package func scan(_ file: StagedFile, bytes: Int64) async throws(ScanError) -> ScanFinding {
        guard bytes <= configuration.bytesMax else {
            return ScanFinding(.notScannable, detail: "it has \(bytes) bytes, and the scanner takes \(configuration.bytesMax)", engine: name, scannedBytes: 0)
        }
        var request = HTTPClientRequest(url: configuration.url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/octet-stream")
        for header in configuration.headers { request.headers.add(name: header.name, value: header.value) }
        request.body = .stream(FilePieces(file: file, bytes: bytes), length: .known(bytes))
        let (status, text): (Int, String)
        do {
            let response = try await client.execute(request, timeout: .seconds(configuration.timeoutSeconds))
            let body = try await response.body.collect(upTo: Self.answerBytesMax)
            (status, text) = (Int(response.status.code), String(buffer: body))
        } catch let error as HTTPClientError where error == .connectTimeout {
            throw .unreachable("\(configuration.url): \(error)")
        } catch let error as HTTPClientError {
            throw .failed("\(error)")
        } catch {
            throw Self.isConnectionFailure(error) ? .unreachable("\(configuration.url): \(error)") : .failed("\(error)")
        }
        guard (200..<300).contains(status) else { throw .failed("it answered with status \(status): \(text.prefix(200))") }
        // “infected” first: what says both is not clean.
        if text.contains(configuration.infected) {
            return ScanFinding(.infected, detail: String(text.prefix(200)), engine: name, scannedBytes: bytes)
        }
        guard text.contains(configuration.clean) else {
            throw .failed("its answer has neither “\(configuration.clean)” nor “\(configuration.infected)”: \(text.prefix(200))")
        }
        return ScanFinding(.clean, engine: name, scannedBytes: bytes)
    }

    private static func isConnectionFailure(_ error: any Error) -> Bool {
        let text = "\(error)"
        return text.contains("connection") && text.contains("refused") || text.contains("ECONNREFUSED") || text.contains("connectTimeout")
    }
}

/// A file as pieces that are read one after another.
package struct FilePieces: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    let file: StagedFile
    var from: Int64 = 0
    let bytes: Int64
    static let pieceBytes: Int64 = 1 << 20

    package init(file: StagedFile, from: Int64 = 0, bytes: Int64) {
        self.file = file
        self.from = from
        self.bytes = bytes
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        let file: StagedFile
        var offset: Int64
        let end: Int64

        package mutating func next() async throws -> ByteBuffer? {
            guard offset < end else { return nil }
            let (file, at, count) = (file, offset, Swift.min(FilePieces.pieceBytes, end - offset))
            let piece = try await Blocking.run { () -> ByteBuffer in
                var buffer = ByteBufferAllocator().buffer(capacity: Int(count))
                try file.read(from: at, bytes: count) { buffer.writeBytes($0) }
                return buffer
            }
            guard piece.readableBytes == Int(count) else {
                throw StoreFolderError(operation: "read", path: file.path, reason: "it ends at byte \(at + Int64(piece.readableBytes))")
            }
            offset += count
            return piece
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(file: file, offset: from, end: from + bytes) }
}
