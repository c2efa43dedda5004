import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// A real browser, driven by the W3C WebDriver protocol through Debian's `chromedriver`. One per test.
final class WebDriver: Sendable {
    struct Refused: Error, CustomStringConvertible { let description: String }

    static let driver = "/usr/bin/chromedriver"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: driver) }
    private static let timeout = TimeAmount.seconds(60)

    private let process = Process()
    private let base: String
    private let session: String

    /// Starts the driver on a free port and opens a window.
    /// - Parameters:
    ///   - home: the folder with the person's own settings, such as the authorities that they trust. Nil: the tests'.
    ///   - arguments: further ones of the browser.
    init(home: String? = nil, arguments: [String] = []) async throws {
        let port = try FreePorts.base()
        base = "http://127.0.0.1:\(port)"
        process.executableURL = URL(fileURLWithPath: Self.driver)
        process.arguments = ["--port=\(port)", "--silent"]
        if let home { process.environment = ProcessInfo.processInfo.environment.merging(["HOME": home]) { $1 } }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let options: [String: Any] = ["args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900", "--lang=en"] + arguments]
        let capabilities: [String: Any] = ["capabilities": ["alwaysMatch": ["browserName": "chrome", "goog:chromeOptions": options]]]
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                let answer = try await Self.post(base + "/session", capabilities)
                guard let session = (answer as? [String: Any])?["sessionId"] as? String else { throw Refused(description: "\(answer ?? "no session")") }
                self.session = session
                return
            } catch where !(error is Refused) && ContinuousClock.now < deadline {
                // The driver does not listen yet: again, until the deadline.
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    deinit { kill(process.processIdentifier, SIGKILL) }

    func open(_ url: String) async throws { _ = try await Self.post("\(base)/session/\(session)/url", ["url": url]) }

    /// Opens the page of a cluster in which nobody has an account, and lets itself in by the one click.
    /// - Parameter place: an address of the page, such as `#/routings`.
    func openTrial(_ roles: RunningRoles, at place: String = "") async throws {
        // Otherwise the same address with another place would not load the page again.
        try await open("about:blank")
        try await open("http://127.0.0.1:\(roles.base + 2)/\(place)")
        let me = "!document.getElementById('me').hidden"
        let trial = "document.getElementById('sign-in-trial')"
        try await roles.waitUntil("the page offers the trial, or is in it") {
            try await evaluate("\(me) || document.getElementById('sign-in').open && !\(trial).hidden") == "true"
        }
        if try await evaluate(me) == "true" { return }
        _ = try await evaluate("\(trial).click()")
        try await roles.waitUntil("the page knows who one is") { try await evaluate(me) == "true" }
    }

    /// Makes an administrator's account, the first time, and opens the page as that person.
    func openAsAdministrator(_ roles: RunningRoles, at place: String = "") async throws {
        let password = "correct horse battery"
        // Once there is an account, a second one of the name is refused; the first stays.
        _ = try await Spindle.run(
            ["user", "add", "kim", "--role", "admin", "--display-name", "김철수", "--password-file", "-", "--data", roles.data], input: password)
        try await open("http://127.0.0.1:\(roles.base + 2)/")
        let body = #"{"name": "kim", "password": "\#(password)"}"#
        let script = """
            const done = arguments[arguments.length - 1];
            fetch("/api/session", {method: "POST", headers: {"Content-Type": "application/json"}, body: arguments[0]})
                .then((answer) => done(String(answer.status)), (error) => done(String(error)));
            """
        let status = try await call(script, [body])
        guard status == "201" || status == "200" else { throw Refused(description: "signing in: \(status)") }
        try await open("about:blank")
        try await open("http://127.0.0.1:\(roles.base + 2)/\(place)")
        try await roles.waitUntil("the page knows who one is") { try await evaluate("!document.getElementById('me').hidden") == "true" }
    }

    /// Types into the page's field as the keyboard does, key by key.
    func type(_ text: String, in selector: String) async throws {
        let element = try await Self.post("\(base)/session/\(session)/element", ["using": "css selector", "value": selector])
        guard let id = (element as? [String: Any])?.values.first as? String else { throw Refused(description: "the page has no \(selector)") }
        _ = try await Self.post("\(base)/session/\(session)/element/\(id)/value", ["text": text])
    }

    /// Writes what the window shows, as PNG.
    func screenshot(to path: String) async throws {
        var request = HTTPClientRequest(url: "\(base)/session/\(session)/screenshot")
        request.method = .GET
        let response = try await HTTPClient.shared.execute(request, timeout: Self.timeout)
        let data = Data(try await response.body.collect(upTo: 32 << 20).readableBytesView)
        guard let text = (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["value"] as? String, let image = Data(base64Encoded: text) else {
            throw Refused(description: "there is no picture")
        }
        try image.write(to: URL(fileURLWithPath: path))
    }

    /// What the expression is in the page.
    func evaluate(_ expression: String) async throws -> String {
        let value = try await Self.post("\(base)/session/\(session)/execute/sync", ["script": "return String(\(expression))", "args": [String]()])
        return value as? String ?? ""
    }

    /// Runs statements whose last argument is a function that takes the answer.
    func call(_ script: String, _ arguments: [String] = []) async throws -> String {
        let body: [String: Any] = ["script": script, "args": arguments]
        return try await Self.post("\(base)/session/\(session)/execute/async", body) as? String ?? ""
    }

    /// The window's size, for a page that is zoomed: at 200 % half as many of the page's pixels fit.
    func setSize(width: Int, height: Int) async throws {
        let metrics: [String: Any] = ["width": width, "height": height, "deviceScaleFactor": 1, "mobile": false]
        let command: [String: Any] = ["cmd": "Emulation.setDeviceMetricsOverride", "params": metrics]
        _ = try await Self.post("\(base)/session/\(session)/goog/cdp/execute", command)
    }

    /// Opens a further tab, and goes on in it.
    func openTab(_ url: String) async throws {
        let answer = try await Self.post("\(base)/session/\(session)/window/new", ["type": "tab"])
        guard let handle = (answer as? [String: Any])?["handle"] as? String else { throw Refused(description: "there is no further tab") }
        try await goTo(tab: handle)
        try await open(url)
    }

    /// The open tabs, in any order.
    func tabs() async throws -> [String] {
        var request = HTTPClientRequest(url: "\(base)/session/\(session)/window/handles")
        request.method = .GET
        let response = try await HTTPClient.shared.execute(request, timeout: Self.timeout)
        let data = Data(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        return (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["value"] as? [String] ?? []
    }

    func goTo(tab handle: String) async throws { _ = try await Self.post("\(base)/session/\(session)/window", ["handle": handle]) }

    /// Closes this tab, and no other.
    func closeTab() async throws {
        var request = HTTPClientRequest(url: "\(base)/session/\(session)/window")
        request.method = .DELETE
        _ = try await HTTPClient.shared.execute(request, timeout: Self.timeout).body.collect(upTo: 1 << 20)
    }

    /// The switch of the developer tools.
    func setOffline(_ isOffline: Bool) async throws {
        let conditions: [String: Any] = ["offline": isOffline, "latency": 0, "download_throughput": -1, "upload_throughput": -1]
        _ = try await Self.post("\(base)/session/\(session)/chromium/network_conditions", ["network_conditions": conditions])
    }

    /// Chooses a file of this machine in the page's field, as a person does in the dialog.
    func choose(_ path: String, in selector: String) async throws {
        let element = try await Self.post("\(base)/session/\(session)/element", ["using": "css selector", "value": selector])
        guard let id = (element as? [String: Any])?.values.first as? String else { throw Refused(description: "the page has no \(selector)") }
        _ = try await Self.post("\(base)/session/\(session)/element/\(id)/value", ["text": path])
    }

    /// Closes the window; the driver ends with this object.
    func close() async throws {
        var request = HTTPClientRequest(url: "\(base)/session/\(session)")
        request.method = .DELETE
        _ = try await HTTPClient.shared.execute(request, timeout: Self.timeout).body.collect(upTo: 1 << 20)
    }

    private static func post(_ url: String, _ body: [String: Any]) async throws -> sending Any? {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: body)))
        let response = try await HTTPClient.shared.execute(request, timeout: timeout)
        let data = Data(try await response.body.collect(upTo: 8 << 20).readableBytesView)
        guard response.status == .ok else { throw Refused(description: String(decoding: data, as: UTF8.self)) }
        return (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["value"]
    }
}
