import ContentStore
import Foundation
import MCMS
import MCMSFiles
import Testing

/// An HTTP API, played by a server that does what such servers do.
@Suite struct HTTPScannerTests {
    enum Outcome { case clean, infected, failed, unreachable }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: Int64
        let outcomes: [Outcome]
        /// Of the error, or of the verdict.
        let says: String
        let timeoutSeconds: Int64
        let serve: @Sendable (Peer) -> Void

        init(_ name: String, bytes: Int64 = 1_000, _ outcomes: Outcome..., says: String = "", timeoutSeconds: Int64 = 20,
            serve: @escaping @Sendable (Peer) -> Void
        ) {
            testDescription = name
            self.bytes = bytes
            self.outcomes = outcomes
            self.says = says
            self.timeoutSeconds = timeoutSeconds
            self.serve = serve
        }
    }

    private static func reply(_ body: String, _ status: String = "200 OK", further: String = "") -> String {
        "HTTP/1.1 \(status)\r\n\(further)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// Answers once it has everything.
    private static func answering(_ text: String) -> @Sendable (Peer) -> Void {
        { peer in
            guard peer.readRequest() != nil else { return }
            peer.write(text)
            peer.drain()
        }
    }

    static let rows = [
        Row("a clean file is clean", .clean, serve: answering(reply("clean"))),
        Row("an empty file is clean", bytes: 0, .clean, serve: answering(reply("clean"))),
        Row("a file of many pieces is clean", bytes: 5_000_000, .clean, serve: answering(reply("clean"))),
        Row("an infected file is infected", .infected, says: "Eicar", serve: answering(reply("infected: Eicar"))),
        Row("an answer with both words is infected", .infected, serve: answering(reply("not clean: infected"))),
        Row("status 500 is no verdict, whatever it says", .failed, says: "status 500", serve: answering(reply("clean", "500 Oops"))),
        Row("nonsense is no verdict", .failed, says: "neither", serve: answering(reply("lorem ipsum"))),
        Row("an empty answer is no verdict", .failed, serve: answering("HTTP/1.1 204 No Content\r\n\r\n")),
        Row("what is no HTTP is no verdict", .failed, serve: answering("clean clean clean\r\n\r\n")),
        Row("too long an answer is no verdict", .failed, serve: answering(reply(String(repeating: "clean ", count: 20_000)))),
        Row("an answer that breaks off is no verdict", .failed) { peer in
            _ = peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nclean")
        },
        Row("a redirect is no verdict, though its target says clean", .failed, says: "status 302") { peer in
            guard let (head, _) = peer.readRequest() else { return }
            peer.write(head.hasPrefix("GET /login") ? reply("clean") : reply("", "302 Found", further: "Location: /login\r\n"))
            peer.drain()
        },
        Row("a server that never answers times out", .failed, timeoutSeconds: 4) { peer in
            _ = peer.readRequest()
            peer.wait()
        },
        Row("a server that begins an answer and stops times out", .failed, timeoutSeconds: 4) { peer in
            _ = peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nclean")
            peer.wait()
        },
        Row("a server that takes no bytes times out", bytes: 64 << 20, .failed, timeoutSeconds: 4) { peer in
            _ = peer.readHead()
            peer.wait()
        },
        Row("a server that closes at once gives no verdict", bytes: 64 << 20, .failed) { peer in _ = peer.readHead() },
        Row("infected before it has everything is infected", bytes: 64 << 20, .infected) { peer in
            _ = peer.readHead()
            peer.write(reply("infected"))
            peer.wait()
        },
        Row("clean before it has everything is no verdict", bytes: 64 << 20, .failed, says: "of 67108864 bytes") { peer in
            _ = peer.readHead()
            peer.write(reply("clean"))
            peer.wait()
        },
        Row("a verdict, then a closed connection, is that verdict or none", bytes: 64 << 20, .infected, .failed) { peer in
            _ = peer.readHead()
            peer.write(reply("infected"))
        },
    ]

    @Test(arguments: rows) func answersAreReadWithCare(_ row: Row) async throws {
        let (test, listener) = (try TestFiles(), try Listener())
        defer { test.remove(); listener.stop() }
        listener.serve(row.serve)
        var configuration = HTTPScanner.Configuration(url: "http://127.0.0.1:\(listener.port)/scan")
        configuration.timeoutSeconds = row.timeoutSeconds
        let scanner = HTTPScanner(configuration)
        let answer = await ask(scanner, try test.sparse(row.bytes), row.bytes)
        let outcome: Outcome =
            switch answer {
            case .success(let finding) where finding.outcome == .clean: .clean
            case .success: .infected
            case .failure(let error): error.isUnreachable ? .unreachable : .failed
            }
        #expect(row.outcomes.contains(outcome), "\(answer)")
        if !row.says.isEmpty { #expect("\(answer)".contains(row.says), "\(answer)") }
        if outcome == .clean { #expect(answer.value?.scannedBytes == row.bytes) }
    }

    @Test func aRefusedConnectionIsWaitedForAndSaidAtOnce() async throws {
        let (test, closed) = (try TestFiles(), try Listener(listens: false))
        defer { test.remove() }
        let scanner = HTTPScanner(.init(url: "http://127.0.0.1:\(closed.port)/scan"))
        let began = ContinuousClock.now
        for bytes: Int64 in [0, 1, 2, 1_000, 2_000, 3_000] {
            #expect(try await ask(scanner, test.sparse(bytes), bytes).error?.isUnreachable == true)
        }
        #expect(await probe(scanner).error?.isUnreachable == true)
        // A client that tries again does so for ten seconds, each time.
        #expect(ContinuousClock.now - began < .seconds(60))
    }

    @Test func aNameThatDoesNotExistIsWaitedFor() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let scanner = HTTPScanner(.init(url: "http://scanner.invalid/scan"))
        #expect(try await ask(scanner, test.sparse(10), 10).error?.isUnreachable == true)
    }

    @Test func aFileThatIsTooLargeIsNotSent() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        var configuration = HTTPScanner.Configuration(url: "http://scanner.invalid/scan")
        configuration.bytesMax = 9
        #expect(try await ask(HTTPScanner(configuration), test.sparse(10), 10).value?.outcome == .notScannable)
    }

    @Test func theTokenGoesWithTheFile() async throws {
        let (test, listener) = (try TestFiles(), try Listener())
        defer { test.remove(); listener.stop() }
        listener.serve { peer in
            guard let (head, bytes) = peer.readRequest() else { return }
            peer.write(Self.reply(head.hasPrefix("POST /scan") && head.contains("X-Token: secret") && bytes == 10 ? "GOOD" : "infected"))
            peer.drain()
        }
        var configuration = HTTPScanner.Configuration(url: "http://127.0.0.1:\(listener.port)/scan")
        configuration.headers = [("X-Token", "secret")]
        configuration.clean = "GOOD"
        let scanner = HTTPScanner(configuration)
        #expect(try await ask(scanner, test.sparse(10), 10).value?.outcome == .clean)
        #expect(await probe(scanner) == .success(nil))
    }

    @Test func aFileWaitsForTheServerAndGoesOnByItself() async throws {
        let (test, listener) = (try TestFiles(), try Listener())
        defer { test.remove(); listener.stop() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let command = try await test.command(file.id)
        let away = HTTPScanner(.init(url: "http://127.0.0.1:1/scan"))
        guard case .postpone(let reason) = try await test.handler(.by(away)).handle(command, attempt: 9) else { return #expect(Bool(false)) }
        #expect(reason.contains("can't be reached"))
        #expect(try await test.store.file(file.id).status == .scanning)
        listener.serve(Self.answering(Self.reply("clean")))
        let there = HTTPScanner(.init(url: "http://127.0.0.1:\(listener.port)/scan"))
        #expect(try await test.handler(.by(there)).handle(command, attempt: 1) == .done("committed"))
    }
}
