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
        try await browser.open("http://127.0.0.1:\(roles.base + 2)/")
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
        _ = try await roles.http("POST", "/api/routings", body: #"{"name": "files"}"#)
        let path = roles.directory.path + "/부품.bin"
        try Data(repeating: 7, count: 25 << 20).write(to: URL(fileURLWithPath: path))
        let browser = try await WebDriver()
        let list = "document.getElementById('files-list').innerText"
        func openAndChoose() async throws {
            try await browser.open("http://127.0.0.1:\(roles.base + 2)/")
            try await roles.waitUntil("files can be chosen") { try await browser.evaluate("!document.getElementById('files-drop').hidden") == "true" }
            try await browser.choose(path, in: "#files-input")
        }
        try await openAndChoose()
        try await roles.waitUntil("the page shows it stored") { try await browser.evaluate(list).contains("Stored") }
        #expect(try await browser.evaluate(list).contains("부품.bin"))

        // An upload of which one part is here already, as a reload leaves it: only the rest is sent, and it is the same upload.
        try Data(repeating: 8, count: 25 << 20).write(to: URL(fileURLWithPath: path))
        struct Routings: Decodable {
            struct Routing: Decodable { let id: String }
            let items: [Routing]
        }
        struct Upload: Decodable { let id: String }
        struct File: Decodable {
            let status: String
            let sha256: String?
        }
        let routing = try #require(try await roles.http("GET", "/api/routings").decode(Routings.self).items.first).id
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
}
