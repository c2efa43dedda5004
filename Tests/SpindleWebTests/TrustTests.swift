import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOPosix
import SpindleCluster
import SpindleWeb
import Synchronization
import Testing

/// How people come to trust the authority: `/trust` over HTTPS, and the port in the clear.
@Suite struct TrustTests {
    private let folder: Folder
    private let files: CertificateFiles
    private let certificate: AuthorityCertificate
    private let authority: TrustedAuthority

    init() throws {
        folder = try Folder()
        files = CertificateFiles(directory: folder.path + "/tls")
        _ = try files.initialize(cluster: "Werk <b>1</b>", servers: [], clients: [])
        certificate = try AuthorityCertificate(file: files.authorityPath)
        authority = TrustedAuthority(
            name: certificate.name, der: certificate.der, pem: certificate.pem, sha256: certificate.sha256, sha1: certificate.sha1, end: "2036-01-01")
    }

    private func routes(_ authority: TrustedAuthority?, plainPort: Int? = 7404) -> TrustRoutes {
        TrustRoutes(authority: { authority }, securePort: 7402, plainPort: plainPort)
    }

    /// The answer of the port in the clear, or of HTTPS.
    private func ask(
        _ method: HTTPRequest.Method = .get, _ path: String, host: String = "spindle.example.internal:7404", headers: [String: String] = [:],
        isPlain: Bool = true, of routes: TrustRoutes? = nil
    ) async throws -> TrustAnswer {
        let router = Router()
        if isPlain { (routes ?? self.routes(authority)).addPlain(to: router) } else { (routes ?? self.routes(authority)).add(to: router) }
        var fields = HTTPFields()
        for (name, value) in headers { fields[try #require(HTTPField.Name(name))] = value }
        let request = Request(
            head: HTTPRequest(method: method, scheme: "http", authority: host, path: path, headerFields: fields), body: RequestBody(buffer: ByteBuffer()))
        let context = BasicRequestContext(source: ApplicationRequestContextSource(channel: NIOAsyncTestingChannel(), logger: Logger(label: "test")))
        return try await TrustAnswer(try await router.buildResponder().respond(to: request, context: context))
    }

    // MARK: The port in the clear

    struct Case: Sendable, CustomTestStringConvertible {
        let method: HTTPRequest.Method
        let path: String
        let status: Int
        let location: String?
        var testDescription: String { "\(method) \(path)" }
    }

    /// It explains, leads to HTTPS, and takes nothing.
    @Test(arguments: [
        Case(method: .get, path: "/trust", status: 200, location: nil),
        Case(method: .get, path: "/", status: 307, location: "/trust"),
        Case(method: .get, path: "/routings?status=draft", status: 308, location: "https://spindle.example.internal:7402/routings?status=draft"),
        Case(method: .head, path: "/api/routings", status: 308, location: "https://spindle.example.internal:7402/api/routings"),
        Case(method: .get, path: "//evil.example/", status: 308, location: "https://spindle.example.internal:7402//evil.example/"),
        Case(method: .post, path: "/api/session", status: 403, location: nil), Case(method: .put, path: "/api/x", status: 403, location: nil),
        Case(method: .patch, path: "/api/x", status: 403, location: nil), Case(method: .delete, path: "/api/session", status: 403, location: nil),
        Case(method: .options, path: "/api/upload", status: 403, location: nil),
    ])
    func thePortInTheClearExplainsAndLeadsToHTTPS(row: Case) async throws {
        let answer = try await ask(row.method, row.path)
        #expect(answer.status.code == row.status)
        #expect(answer.headers[.location] == row.location)
        #expect(answer.headers[.setCookie] == nil)
    }

    @Test(arguments: [
        ("a.example", "a.example", "a.example"), ("a.example:7404", "a.example", "a.example:7404"), ("10.1.2.3:80", "10.1.2.3", "10.1.2.3:80"),
        ("[fd00::7]:7404", "[fd00::7]", "[fd00::7]:7404"), ("[::1]", "[::1]", "[::1]"),
    ])
    func anAddressIsTaken(text: String, host: String, authority: String) {
        let address = TrustAddress(authority: text)
        #expect(address?.host == host && address?.authority == authority)
    }

    @Test(arguments: [
        "", "a b", "a\"b", "<b>", "a/evil", "a@evil.example", "a\\b", "a:80:90", "a:", "a:123456", "a:8x", ":80", "[::1", "[]", "[::1]x", "[::1]:", "[g]",
        "a%00", "[::1]evil.example", "한국.example", String(repeating: "a", count: 256),
    ])
    func anotherTextIsNoAddress(text: String) { #expect(TrustAddress(authority: text) == nil) }

    @Test func whoNamesNoHostIsSentNowhere() async throws {
        let answer = try await ask(.get, "/x", host: "a\"b")
        #expect(answer.status == .badRequest && answer.headers[.location] == nil)
        let page = String(buffer: try await ask(.get, "/trust", host: "\"><script>alert(1)</script>").body)
        #expect(!page.contains("<script") && !page.contains("<svg") && page.contains(authority.sha256.split(separator: ":").joined(separator: ":<wbr>")))
    }

    // MARK: The page

    /// Paths, their types, and what a browser is told of each. Nobody needs rights for them.
    @Test(arguments: [
        ("/trust", "text/html; charset=utf-8"), ("/trust/trust.css", "text/css; charset=utf-8"), ("/trust/spindle-ca.crt", "application/x-x509-ca-cert"),
        ("/trust/spindle-ca.pem", "application/x-pem-file"), ("/trust/spindle-ca.mobileconfig", "application/x-apple-aspen-config"),
    ])
    func everybodyGetsTheAuthority(path: String, type: String) async throws {
        for isPlain in [true, false] {
            let answer = try await ask(.get, path, isPlain: isPlain)
            #expect(answer.status == .ok)
            #expect(answer.headers[.contentType] == type)
            #expect(answer.headers[.cacheControl] == "no-store" && answer.headers[.xContentTypeOptions] == "nosniff")
        }
        let missing = try await ask(.get, path, of: routes(nil))
        #expect(missing.status == (path.hasSuffix(".css") ? .ok : .notFound))
        #expect(!String(buffer: missing.body).contains("BEGIN CERTIFICATE"))
    }

    @Test func thePageRunsNoScriptAndLoadsNothingFromElsewhere() async throws {
        for language in TrustLanguage.allCases {
            let answer = try await ask(.get, "/trust?language=\(language.rawValue)")
            let page = String(buffer: answer.body)
            #expect(
                answer.headers[.contentSecurityPolicy]
                    == "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
            #expect(page.contains("<html lang=\"\(language.rawValue)\">"))
            #expect(page.firstMatch(of: /<script|<iframe|<img|<form|javascript:|\son[a-z]+=|\sstyle=/) == nil)
            let links = page.matches(of: /(?:href|src)="([^"]*)"/).map { String($0.1) }
            #expect(links.allSatisfy { !$0.contains("//") || $0 == "https://spindle.example.internal:7402/" }, "\(links)")
            #expect(page.contains("Werk &lt;b&gt;1&lt;/b&gt;"), "a name is text, not markup")
        }
    }

    /// Both languages have the same parts, and say each of them in their own words.
    @Test func bothLanguagesAreComplete() {
        let (english, korean) = (TrustText.of(.english), TrustText.of(.korean))
        for text in [english, korean] { #expect(text.guides.map(\.system).sorted { $0.rawValue < $1.rawValue } == TrustSystem.allCases.sorted { $0.rawValue < $1.rawValue }) }
        #expect(english.guides.map(\.steps.count) == korean.guides.map(\.steps.count) && english.check.count == korean.check.count)
        let hangul = /[가-힣]/
        for text in [korean.title, korean.introduction, korean.certificate, korean.console, korean.noAuthority] + korean.check + korean.guides.flatMap(\.steps) {
            #expect(text.contains(hangul), "\(text)")
        }
        for text in [english.title, english.introduction] + english.check + english.guides.flatMap(\.steps) { #expect(!text.contains(hangul), "\(text)") }
        for text in korean.check + korean.guides.flatMap(\.steps) + english.check + english.guides.flatMap(\.steps) {
            #expect(text.count { $0 == "`" }.isMultiple(of: 2), "\(text)")
        }
    }

    @Test(arguments: [
        (nil, nil, "en"), (nil, "ko-KR,ko;q=0.9,en;q=0.8", "ko"), (nil, "en-US,en;q=0.9,ko;q=0.8", "en"), (nil, "de, ko;q=0.5, en;q=0.4", "ko"),
        (nil, "ko;q=0.1, en", "en"), (nil, "de", "en"), ("ko", "en", "ko"), ("en", "ko", "en"), ("xx", "ko", "ko"), (nil, "ko;q=x", "ko"), (nil, ";;,,q=1", "en"),
        (nil, "ko;q=0", "en"),
    ] as [(String?, String?, String)])
    func theLanguageIsTheReaders(asked: String?, accepted: String?, language: String) {
        #expect(TrustLanguage(asked: asked, accepted: accepted).rawValue == language)
    }

    @Test(arguments: [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36", [.windows]),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", [.linux, .firefox]),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", [.android]),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", [.iOS]),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15", [.macOS]), ("curl/8", []),
    ] as [(String, Set<TrustSystem>)])
    func theGuideOfTheDeviceIsOpen(agent: String, systems: Set<TrustSystem>) async throws {
        let page = String(buffer: try await ask(.get, "/trust", headers: ["User-Agent": agent]).body)
        let open = TrustText.english.guides.filter { page.contains("<details open><summary>\($0.title)</summary>") }.map(\.system)
        #expect(Set(open) == systems)
        #expect(page.components(separatedBy: "<details").count - 1 == TrustText.english.guides.count)
    }

    /// A telephone that scans the code does not trust the authority either: it goes to the port in the clear, where there is one.
    @Test func thePageShowsItsOwnAddressForOtherDevices() async throws {
        let plain = String(buffer: try await ask(.get, "/trust", host: "10.1.2.3:7402", isPlain: false).body)
        #expect(plain.contains("aria-label=\"http://10.1.2.3:7404/trust\"") && plain.contains("<svg"))
        let secure = String(buffer: try await ask(.get, "/trust", host: "10.1.2.3:7402", isPlain: false, of: routes(authority, plainPort: nil)).body)
        #expect(secure.contains("aria-label=\"https://10.1.2.3:7402/trust\""))
    }

    // MARK: Its files

    @Test func theFilesAreTheAuthoritysCertificate() async throws {
        let der = try await ask(.get, "/trust/spindle-ca.crt").body
        #expect(Array(der.readableBytesView) == certificate.der)
        #expect(String(buffer: try await ask(.get, "/trust/spindle-ca.pem").body) == certificate.pem)
        let profile = folder.path + "/profile"
        try String(buffer: try await ask(.get, "/trust/spindle-ca.mobileconfig").body).write(toFile: profile, atomically: true, encoding: .utf8)
        let script = """
            import plistlib, sys, uuid
            profile = plistlib.load(open(sys.argv[1], 'rb'))
            content = profile['PayloadContent'][0]
            assert uuid.UUID(profile['PayloadUUID']) != uuid.UUID(content['PayloadUUID'])
            print(content['PayloadType'], content['PayloadDisplayName'], content['PayloadContent'].hex())
            """
        let told = try await NIOThreadPool.singleton.runIfActive {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["python3", "-c", script, profile]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return String(decoding: data, as: UTF8.self)
        }
        let hexadecimal = certificate.der.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(told == "com.apple.security.root \(certificate.name) \(hexadecimal)\n")
    }
}

/// What a route answered.
struct TrustAnswer: Sendable {
    let status: HTTPResponse.Status
    let headers: HTTPFields
    let body: ByteBuffer

    init(_ response: Response) async throws {
        let collected = Collected()
        try await response.body.write(Writer(collected: collected))
        (status, headers, body) = (response.status, response.headers, collected.bytes.withLock { $0 })
    }

    private final class Collected: Sendable { let bytes = Mutex(ByteBuffer()) }

    private struct Writer: ResponseBodyWriter {
        let collected: Collected
        mutating func write(_ buffer: ByteBuffer) async throws { collected.bytes.withLock { _ = $0.writeImmutableBuffer(buffer) } }
        consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }
}

/// A folder that is gone with this object.
private final class Folder: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("trust-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
