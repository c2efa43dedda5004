import Foundation
import Testing

/// The page as a person uses it: a real browser on a real cluster.
@Suite struct BrowserTests {
    @Test func aRoutingIsCreatedApprovedAndSeenToBeGenerated() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let roles = try RunningRoles(addin: ["--slow", "500ms"])
        try await roles.startAll()
        let browser = try await WebDriver()
        try await browser.openTrial(roles)
        try await roles.waitUntil("the page is live") { try await browser.evaluate("document.getElementById('link').dataset.state") == "connected" }

        let name = "플랜지 <b>1</b>"
        _ = try await browser.evaluate("(document.getElementById('create-name').value = '\(name)', document.getElementById('create').requestSubmit())")
        for action in ["submit", "approve"] {
            let button = "document.querySelector('#routing-rows [data-action=\(action)]')"
            try await roles.waitUntil("the page offers to \(action)") { try await browser.evaluate("\(button) !== null && !\(button).disabled") == "true" }
            _ = try await browser.evaluate("\(button).click()")
        }
        try await roles.waitUntil("the page shows the result without being loaded again") {
            try await browser.evaluate("document.getElementById('routing-rows').innerText").contains("Done")
        }
        #expect(try await browser.evaluate("document.getElementById('routing-rows').innerText").contains(name), "a name is text, not markup")
        try await roles.waitUntil("the job is listed") { try await browser.evaluate("document.getElementById('jobs').innerText").contains("generated") }
        #expect(try await browser.evaluate("document.getElementById('log').childElementCount > 2") == "true", "events were shown as they came")
        try await browser.close()
        try await roles.stop()
    }

    @Test func aFileIsUploadedInTheBrowserAndGoesOnAfterAReload() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge", "files"])
        let routing = try await FileTools.routing(roles)
        let path = roles.directory.path + "/부품.bin"
        try Data(repeating: 7, count: 25 << 20).write(to: URL(fileURLWithPath: path))
        let browser = try await WebDriver()
        let list = "document.getElementById('files-list').innerText"
        func openAndChoose() async throws {
            try await browser.openTrial(roles, at: "#/routings/\(routing)")
            try await roles.waitUntil("files can be chosen") { try await browser.evaluate("!document.getElementById('files-drop').hidden") == "true" }
            try await browser.choose(path, in: "#files-input")
        }
        try await openAndChoose()
        try await roles.waitUntil("the page shows it stored") { try await browser.evaluate(list).contains("Stored") }
        #expect(try await browser.evaluate(list).contains("부품.bin"))

        // An upload of which one part is here already, as a reload leaves it: only the rest is sent, and it is the same upload.
        try Data(repeating: 8, count: 25 << 20).write(to: URL(fileURLWithPath: path))
        struct Upload: Decodable { let id: String }
        struct File: Decodable {
            let status: String
            let sha256: String?
        }
        let base = "http://127.0.0.1:\(roles.base + 2)"
        // The page's own principal.
        let login = ["-H", "Authorization: Bearer \(try roles.token("web"))"]
        let created = try await Curl.send(
            "POST", base + "/api/upload/parts", login, body: #"{"routingId": "\#(routing)", "filename": "부품.bin", "size": \#(25 << 20)}"#)
        let begun = try JSONDecoder().decode(Upload.self, from: Data(created.body.utf8))
        let part = roles.directory.path + "/part"
        try Data(repeating: 8, count: 10 << 20).write(to: URL(fileURLWithPath: part))
        let sent = try await Curl.send("PUT", base + "/api/upload/\(begun.id)/parts/1", login + ["-H", "Expect:", "--data-binary", "@\(part)"])
        #expect(sent.status == 200, "\(sent)")
        try await openAndChoose()
        try await roles.waitUntil("it is the same upload, and stored") {
            try await roles.http("GET", "/api/files/\(begun.id)").decode(File.self).status == "committed"
        }
        try await browser.close()
        try await roles.stop()
    }

    /// What goes wrong on the way is said where the file is, and goes on: by itself where that may help, else by a button.
    @Test func anUploadThatFailsSaysWhyAndGoesOn() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge", "files"])
        let routing = try await FileTools.routing(roles)
        let (port, fault) = (try FreePorts.base(), roles.directory.path + "/fault")
        let relay = try ForeignProcess.python(FileRelay.python, ["\(port)", "\(roles.base + 2)", try roles.token("web"), fault])
        defer { relay.kill() }
        try await roles.waitUntil("the relay answers") { try await Curl.send("GET", "http://127.0.0.1:\(port)/healthz").status == 200 }
        let browser = try await WebDriver()
        try await browser.open("http://127.0.0.1:\(port)/#/routings/\(routing)")
        try await roles.waitUntil("files can be chosen") { try await browser.evaluate("!document.getElementById('files-drop').hidden") == "true" }
        func item(_ name: String) -> String { "[...document.querySelectorAll('#files-list > li')].find((one) => one.innerText.includes('\(name)'))" }
        @Sendable func text(_ name: String) async throws -> String {
            try await browser.evaluate("[...document.querySelectorAll('#files-list > li')].find((one) => one.innerText.includes('\(name)'))?.innerText ?? ''")
        }
        func choose(_ name: String) async throws {
            try FileTools.write(10 << 20 | 5, to: "\(roles.directory.path)/\(name)")
            try await browser.choose("\(roles.directory.path)/\(name)", in: "#files-input")
        }
        // Passing: the page tries again by itself.
        for status in ["503", "460"] {
            try status.write(toFile: fault, atomically: true, encoding: .utf8)
            try await choose("by-itself-\(status)")
            try await roles.waitUntil("\(status): it is under way") { try await text("by-itself-\(status)").contains("Pause") }
            try FileManager.default.removeItem(atPath: fault)
            try await roles.waitUntil("\(status): it is stored") { try await text("by-itself-\(status)").contains("Stored") }
        }
        // Lasting: it says which part, which status, which correlation id, and a button goes on.
        try "413".write(toFile: fault, atomically: true, encoding: .utf8)
        try await choose("by-hand")
        try await roles.waitUntil("there is a button") { try await text("by-hand").contains("Retry") }
        #expect(try await browser.evaluate("document.body.innerText").contains("Uploading by-hand failed"), "a toast says it")
        _ = try await browser.evaluate("\(item("by-hand")).querySelector('[data-action=details]').click()")
        let details = try await text("by-hand")
        #expect(details.contains("HTTP 413") && details.contains("fault-1") && details.contains("part 1") || details.contains("part 2"), "\(details)")
        try FileManager.default.removeItem(atPath: fault)
        _ = try await browser.evaluate("\(item("by-hand")).querySelector('[data-action=retry]').click()")
        try await roles.waitUntil("it goes on") { try await text("by-hand").contains("Stored") }
        // Away: it fails when the page has tried often enough, and goes on when the network is there again.
        try "503".write(toFile: fault, atomically: true, encoding: .utf8)
        try await choose("offline")
        try await roles.waitUntil("it is under way") { try await text("offline").contains("Pause") }
        try await browser.setOffline(true)
        try FileManager.default.removeItem(atPath: fault)
        try await roles.waitUntil("it has failed") { try await text("offline").contains("Retry") }
        try await browser.setOffline(false)
        try await roles.waitUntil("it goes on by itself") { try await text("offline").contains("Stored") }
        try await browser.close()
        try await roles.stop()
    }
}
