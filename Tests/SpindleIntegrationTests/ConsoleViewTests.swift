import Foundation
import PythonTools
import Testing

/// Every view of the page, in both themes and languages: what axe-core finds in it, what a picture shows of it, and that it fits when it is zoomed.
@Suite struct ConsoleViewTests {
    /// A view, and when it shows what it has been loaded for.
    private struct View {
        let name: String
        let address: String
        let isShown: String
    }

    /// Pictures to look at; each run writes them again.
    private static let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent(".build/screenshots", isDirectory: true)

    /// A cluster with something in every view: a generated routing, waiting ones, and dead letters.
    private func fill(_ roles: RunningRoles) async throws -> [View] {
        struct Routing: Decodable { let id: String }
        var routings: [String] = []
        for (name, actions) in [("플랜지 A-12", ["submit", "approve"]), ("Housing 7075-T6, rev. B", ["submit"]), ("브래킷 좌측", [])] {
            let id = try await roles.http("POST", "/api/routings", body: #"{"name": "\#(name)"}"#).decode(Routing.self).id
            for action in actions { _ = try await roles.http("POST", "/api/routings/\(id)/\(action)", body: "{}") }
            routings.append(id)
        }
        let message = try await DeadLetters(roles, count: 2).ids[0]
        let generated = routings[0]
        try await roles.waitUntil("the first is generated") {
            String(decoding: try await roles.http("GET", "/api/routings/\(generated)").body, as: UTF8.self).contains(#""completed""#)
        }
        func count(_ selector: String) -> String { "document.querySelectorAll('\(selector)').length > 0" }
        return [
            View(name: "overview", address: "#/", isShown: "document.getElementById('health-sentence').innerText !== ''"),
            View(name: "routings", address: "#/routings", isShown: count("#routing-rows tr")),
            View(name: "routing", address: "#/routings/\(generated)", isShown: count("#history li")),
            View(name: "jobs", address: "#/jobs", isShown: count("#jobs li")),
            View(name: "alerts", address: "#/alerts", isShown: count("#alert-list li")),
            View(name: "queues", address: "#/queues", isShown: count("#queue-rows tr")),
            View(name: "queue", address: "#/queues/cas-gc.dead", isShown: count("#message-rows tr")),
            View(name: "message", address: "#/queues/cas-gc.dead/messages/\(message)", isShown: count("#message-attempts li")),
            View(name: "workers", address: "#/workers", isShown: count("#worker-rows tr")),
            View(name: "outbox", address: "#/outbox", isShown: count("#outbox-figures div")),
            View(name: "system", address: "#/system", isShown: "document.getElementById('system-command').innerText !== ''"),
            View(name: "timeline", address: "#/timeline/unknown", isShown: "document.getElementById('timeline-command').innerText !== ''"),
            View(name: "people", address: "#/people", isShown: count("#people-rows tr")),
        ]
    }

    private func open(_ view: View, _ browser: WebDriver, _ roles: RunningRoles) async throws {
        _ = try await browser.evaluate("location.hash = '\(view.address)'")
        try await roles.waitUntil("\(view.name) is shown") { try await browser.evaluate(view.isShown) == "true" }
    }

    private struct Finding: Decodable, CustomStringConvertible {
        let id: String
        let impact: String?
        let nodes: [String]
        var description: String { "\(id) (\(impact ?? "?")): \(nodes.joined(separator: " | "))" }
        var isSerious: Bool { impact == "serious" || impact == "critical" }
    }

    /// What axe-core finds in the page as it stands.
    private func findings(_ axe: String, _ browser: WebDriver) async throws -> [Finding] {
        let script = """
            if (!window.axe) { (0, eval)(arguments[0]); }
            const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ["violations"]}).then((result) => done(JSON.stringify(result.violations.map(
                (one) => ({id: one.id, impact: one.impact, nodes: one.nodes.map((node) => node.html.slice(0, 200))})))), (error) => done(String(error)));
            """
        let answer = try await browser.call(script, [axe])
        return try JSONDecoder().decode([Finding].self, from: Data(answer.utf8))
    }

    @Test func everyViewIsForEverybodyInBothThemesAndLanguages() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let axe = try String(contentsOf: PythonTools.file("axe_playwright_python/axe.min.js"), encoding: .utf8)
        try FileManager.default.createDirectory(at: Self.pictures, withIntermediateDirectories: true)
        let roles = try RunningRoles()
        try await roles.startAll()
        let views = try await fill(roles)
        let browser = try await WebDriver()
        try await browser.openAsAdministrator(roles)
        for (theme, language) in [("light", "en"), ("dark", "ko"), ("dark", "en"), ("light", "ko")] {
            let settings = "localStorage.setItem('mcms.theme', '\(theme)'), localStorage.setItem('mcms.language', '\(language)')"
            _ = try await browser.evaluate("(\(settings))")
            try await browser.open("about:blank")
            try await browser.open("http://127.0.0.1:\(roles.base + 2)/")
            try await roles.waitUntil("the page is there") { try await browser.evaluate("!document.getElementById('me').hidden") == "true" }
            #expect(try await browser.evaluate("document.documentElement.lang") == language)
            #expect(try await browser.evaluate("document.documentElement.dataset.theme") == theme)
            for view in views {
                try await open(view, browser, roles)
                try await browser.screenshot(to: Self.pictures.appendingPathComponent("\(view.name)-\(language)-\(theme).png").path)
                let serious = try await findings(axe, browser).filter(\.isSerious)
                #expect(serious.isEmpty, "\(view.name), \(language), \(theme): \(serious)")
            }
            // Of a window of 1280 pixels, 640 are left of a page that is zoomed to 200 %.
            try await browser.setSize(width: 640, height: 450)
            for view in views where theme == "light" {
                try await open(view, browser, roles)
                let excess = try await browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                #expect(excess == "0", "\(view.name), \(language): nothing sticks out")
            }
            try await browser.setSize(width: 1280, height: 900)
        }
        // The check itself: a picture without words is found.
        _ = try await browser.evaluate("document.getElementById('content').appendChild(Object.assign(document.createElement('img'), {src: 'data:,'}))")
        #expect(try await findings(axe, browser).contains { $0.id == "image-alt" && $0.isSerious })
        try await browser.close()
        try await roles.stop()
    }

    /// From a count on the page to the messages, through the preview, to the receipt; by buttons, as an operator does it.
    @Test func anOperatorRedrivesDeadLettersAndPausesAQueue() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        _ = try await DeadLetters(roles, count: 3)
        let browser = try await WebDriver()
        try await browser.openAsAdministrator(roles, at: "#/queues")
        func press(_ selector: String) async throws {
            try await roles.waitUntil("there is \(selector)") { try await browser.evaluate("document.querySelector('\(selector)') !== null") == "true" }
            _ = try await browser.evaluate("document.querySelector('\(selector)').click()")
        }
        func confirm(_ command: String) async throws {
            try await roles.waitUntil("the page asks") { try await browser.evaluate("document.getElementById('ask').open") == "true" }
            #expect(try await browser.evaluate("document.getElementById('ask-command').innerText").contains(command))
            _ = try await browser.evaluate("document.getElementById('ask-do').click()")
        }
        // The number of dead letters leads to them.
        try await press("[data-key=\"cas-gc\"] a[data-tone=bad]")
        try await roles.waitUntil("three are listed") { try await browser.evaluate("document.querySelectorAll('#message-rows tr').length") == "3" }
        #expect(try await browser.evaluate("document.getElementById('message-rows').innerText").contains("tool 7 is missing"))
        // What is in the address is what is shown.
        _ = try await browser.evaluate("location.hash = '#/queues/cas-gc.dead?header=n:2'")
        try await roles.waitUntil("one matches") { try await browser.evaluate("document.querySelectorAll('#message-rows tr').length") == "1" }
        try await press("#queue-actions [data-action=redrive]")
        try await confirm("spindle queue redrive --header=n=2 cas-gc.dead")
        try await roles.waitUntil("there is a receipt") { try await browser.evaluate("document.getElementById('toasts').innerText").contains("1 moved") }
        _ = try await browser.evaluate("location.hash = '#/queues/cas-gc?state=ready'")
        try await roles.waitUntil("it waits in its queue") { try await browser.evaluate("document.querySelectorAll('#message-rows tr').length") == "1" }
        // One message, with what became of each attempt.
        try await press("#message-rows a")
        try await roles.waitUntil("its body is shown") { try await browser.evaluate("document.getElementById('message-text').innerText").contains("\"n\": 2") }
        // A pause, with its reason.
        _ = try await browser.evaluate("location.hash = '#/queues/cas-gc'")
        try await press("#queue-actions [data-action=pauseQueue]")
        _ = try await browser.evaluate("(document.getElementById('ask-reason').value = 'tool change', document.getElementById('ask-reason').oninput())")
        try await confirm("spindle queue pause --reason='tool change' cas-gc")
        try await roles.waitUntil("it is paused") { try await browser.evaluate("document.getElementById('queue-pause').innerText").contains("tool change") }
        try await press("#queue-actions [data-action=resume]")
        try await confirm("spindle queue resume cas-gc")
        try await roles.waitUntil("it goes on") { try await browser.evaluate("document.getElementById('queue-pause').hidden") == "true" }
        try await browser.close()
        try await roles.stop()
    }
}

/// Messages of the queue `cas-gc`, which nobody serves here, that failed. The web server may put them back: it may publish there.
private struct DeadLetters {
    let ids: [String]

    init(_ roles: RunningRoles, count: Int) async throws {
        let broker = ["--data", roles.data]
        func spindle(_ arguments: String...) async throws -> String {
            let result = try await Spindle.run(arguments + broker)
            #expect(result.exitCode == 0, "\(arguments): \(result.errors)")
            return result.output
        }
        struct Leased: Decodable { let token: String }
        struct Messages: Decodable {
            struct Message: Decodable { let id: String }
            let items: [Message]
        }
        for number in 1...count {
            let body = #"{"n":\#(number),"routing":"브래킷 좌측"}"#
            _ = try await spindle("message", "publish", "cas-gc", "--task-type", "post", "--header", "n=\(number)", "--content-type", "application/json", "-t", body)
            let leased = try JSONDecoder().decode(Leased.self, from: Data(try await spindle("message", "lease", "cas-gc", "--json", "--wait", "10s").utf8))
            _ = try await spindle("message", "nack", leased.token, "--dead", "--reason", "tool 7 is missing")
        }
        ids = try await roles.http("GET", "/api/queues/cas-gc.dead/messages").decode(Messages.self).items.map(\.id)
        #expect(ids.count == count)
    }
}
