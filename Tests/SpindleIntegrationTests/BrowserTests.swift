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
}
