import Foundation
import NIOPosix
import Testing

/// A person's way to the console over HTTPS: a browser that warns, the page in the clear, the authority installed, and no warning any more.
/// By name, in Debian's Chromium with an NSS database of its own.
@Suite struct TrustBrowserTests {
    private static let name = "spindle.example.internal"

    private static var missing: [String] {
        [WebDriver.driver, "/usr/bin/certutil", "/usr/bin/zbarimg"].filter { !FileManager.default.isExecutableFile(atPath: $0) }
    }

    @Test func aBrowserThatTrustsTheAuthorityOpensTheConsoleByNameWithoutAWarning() async throws {
        guard Self.missing.isEmpty else {
            print("skipped: \(Self.missing) missing; `apt-get install chromium chromium-driver libnss3-tools zbar-tools`")
            return
        }
        let cluster = try await SecureCluster(name: Self.name)
        let resolver = ["--host-resolver-rules=MAP \(Self.name) 127.0.0.1"]
        let (console, plain) = ("https://\(Self.name):\(cluster.base + 2)", "http://\(Self.name):\(cluster.base + 4)")

        // 1. A device that knows nothing: the console is not shown, the page in the clear is, also to who typed no path.
        let home = cluster.directory.path + "/home"
        try FileManager.default.createDirectory(atPath: home + "/.pki/nssdb", withIntermediateDirectories: true)
        let database = "sql:\(home)/.pki/nssdb"
        _ = try await Self.run("/usr/bin/certutil", ["-d", database, "-N", "--empty-password"])
        let stranger = try await WebDriver(home: home, arguments: resolver)
        // The driver answers with the browser's error; what is shown is its warning.
        try? await stranger.open(console + "/")
        #expect(try await stranger.evaluate("document.body.innerText").contains("ERR_CERT_AUTHORITY_INVALID"))
        try await stranger.open(plain + "/")
        #expect(try await stranger.evaluate("location.href") == plain + "/trust")
        let authority = try await cluster.spindle("cert", "trust", "--json").json()[0]
        let fingerprint = try #require(authority["sha256"] as? String)
        #expect(try await stranger.evaluate("document.body.innerText.replaceAll('\\n', '').includes('\(fingerprint)')") == "true")
        #expect(authority["pages"] as? [String] == [plain + "/trust"])

        // 2. Its QR code, as a telephone's camera sees it.
        _ = try await stranger.evaluate("document.querySelector('svg').scrollIntoView()")
        let picture = cluster.directory.path + "/trust.png"
        try await stranger.screenshot(to: picture)
        #expect(try await Self.run("/usr/bin/zbarimg", ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", picture]) == plain + "/trust\n")
        try await stranger.open(plain + "/trust?language=ko")
        #expect(try await stranger.evaluate("document.documentElement.lang + document.title") == "ko이 서버를 신뢰하기")
        try await stranger.close()

        // 3. The person installs what the page offers, as the page says for Chromium on Linux.
        let file = cluster.directory.path + "/spindle-ca.pem"
        let download = try await Curl.send("GET", "http://127.0.0.1:\(cluster.base + 4)/trust/spindle-ca.pem", ["-o", file])
        #expect(download.status == 0, "the answer went to the file")
        let certificate = try String(contentsOfFile: file, encoding: .utf8)
        let pem = try #require(certificate.range(of: "-----BEGIN CERTIFICATE-----"))
        try String(certificate[pem.lowerBound...]).write(toFile: file, atomically: true, encoding: .utf8)
        _ = try await Self.run("/usr/bin/certutil", ["-d", database, "-A", "-t", "C,,", "-n", "Spindle", "-i", file])

        // 4. No warning: by the old address, which leads to HTTPS, and by the new one.
        let trusting = try await WebDriver(home: home, arguments: resolver)
        try await trusting.open(plain + "/healthz?from=plain")
        #expect(try await trusting.evaluate("location.href") == console + "/healthz?from=plain")
        try await trusting.open(console + "/")
        #expect(try await trusting.evaluate("location.origin + isSecureContext") == console + "true")
        try await cluster.waitUntil("the console asks who one is") {
            try await trusting.evaluate("document.getElementById('sign-in') !== null && document.getElementById('sign-in').open") == "true"
        }
        try await trusting.close()
        try await cluster.stop()
    }

    private static func run(_ program: String, _ arguments: [String]) async throws -> String {
        try await NIOThreadPool.singleton.runIfActive {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = arguments
            process.standardInput = FileHandle.nullDevice
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = FileHandle.nullDevice
            try process.run()
            let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw WebDriver.Refused(description: "\(program) \(arguments): exit code \(process.terminationStatus)") }
            return String(decoding: data, as: UTF8.self)
        }
    }
}

/// A cluster on this machine whose broker and web server have certificates of its own authority, started as people start one.
final class SecureCluster: Sendable {
    let directory: TemporaryDirectory
    let base: Int
    let description: String
    private let up: SpindleProcess

    /// - Parameters:
    ///   - name: by which clients reach it.
    ///   - host: the one that runs; nil: all of the description.
    ///   - change: of the description, before it starts.
    init(name: String, host: String? = nil, change: (String) -> String = { $0 }) async throws {
        directory = try TemporaryDirectory()
        base = try FreePorts.base()
        description = directory.path + "/cluster.yaml"
        let shipped = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("cluster-config/poc.yaml")
        let text = try String(contentsOf: shipped, encoding: .utf8)
            .replacing("    portBase: 7400\n", with: "    portBase: 7400\n    tls: {certificate: tls/broker-1.pem, key: tls/broker-1.key, authority: tls/ca.pem}\n")
            .replacing("    signInVisitors: true\n", with: "    tls: {certificate: tls/web.pem, key: tls/web.key}\n    redirectPort: 7404\n")
            .replacing("    address: 127.0.0.1\n", with: "    address: \(name)\n").replacing("    listen: 127.0.0.1\n", with: "    listen: 0.0.0.0\n")
        try change(text).write(toFile: description, atomically: true, encoding: .utf8)
        let common = ["--config", description, "--data", directory.path + "/data"]
        let made = try await Spindle.run(["cert", "init"] + common)
        guard made.exitCode == 0 else { throw WebDriver.Refused(description: made.errors) }
        up = try SpindleProcess(["up", "--port-base", "\(base)"] + (host.map { ["--host", $0] } ?? []) + common)
        try await waitUntil("the cluster runs") { up.output.contains("The cluster runs.") }
    }

    var data: String { directory.path + "/data" }
    var screen: String { up.output }

    /// A command about this cluster, which must succeed.
    @discardableResult
    func spindle(_ arguments: String...) async throws -> Spindle.Result {
        let result = try await Spindle.run(arguments + ["--config", description, "--data", data])
        #expect(result.exitCode == 0, "\(arguments): \(result.errors)")
        return result
    }

    func waitUntil(_ what: String, _ isSo: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < end {
            if (try? await isSo()) == true { return }
            guard up.isRunning else { break }
            // Other processes can only be asked again, until the deadline.
            try await Task.sleep(for: .milliseconds(50))
        }
        throw WebDriver.Refused(description: "\(what): not within 90 s\n\(up.output)\n\(up.errors.suffix(2000))")
    }

    func stop() async throws {
        up.send(SIGTERM)
        #expect(try await up.exitCode(within: Spindle.deadline) == 0, "\(up.output)\n\(up.errors)")
    }
}
