import Foundation
import Testing

/// The page and its server, which is not always there.
@Suite struct ConsoleConnectionTests {
    private static let isLive = "document.getElementById('link').dataset.state === 'connected'"

    private func skip() -> Bool {
        if WebDriver.isInstalled { return false }
        print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
        return true
    }

    @Test func theBannerComesWithALostServerAndGoesWithItsReturn() async throws {
        if skip() { return }
        let roles = try RunningRoles()
        try await roles.startAll()
        let browser = try await WebDriver()
        try await browser.openTrial(roles)
        try await roles.waitUntil("the page is live") { try await browser.evaluate(Self.isLive) == "true" }
        #expect(try await browser.evaluate("document.getElementById('banner').hidden") == "true")

        try await roles.kill("bridge")
        try await roles.waitUntil("the banner is there") { try await browser.evaluate("document.getElementById('banner').hidden") == "false" }
        try await roles.waitUntil("after five failures a toast says it, once") {
            try await browser.evaluate("document.getElementById('toasts').innerText").contains("The server does not answer")
        }
        #expect(try await browser.evaluate("document.getElementById('toasts').children.length") == "1")
        // Both: the broker's restart is the server's affair, and the page sees its events again.
        try await roles.killAndRestart("broker")
        try await roles.start("bridge")
        try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
        let returned = ContinuousClock.now
        try await roles.waitUntil("the page is live again") { try await browser.evaluate(Self.isLive) == "true" }
        #expect(ContinuousClock.now - returned < .seconds(15), "longest wait 4 s, on a machine that does other things too")
        try await roles.waitUntil("the banner is gone") { try await browser.evaluate("document.getElementById('banner').hidden") == "true" }
        // What happens from now on is seen, in the other language too.
        _ = try await browser.evaluate("document.getElementById('language').click()")
        _ = try await roles.http("POST", "/api/routings", body: #"{"name": "돌아온 뒤"}"#)
        try await roles.waitUntil("an event is shown") { try await browser.evaluate("document.getElementById('log').innerText").contains("라우팅 생성됨: 돌아온 뒤") }
        try await browser.close()
        try await roles.stop()
    }

    /// A browser makes six connections to a server over HTTP/1.1. Seven tabs are live because one of them holds the streams for all.
    @Test func sevenTabsShareOneStreamAndOutliveTheFirst() async throws {
        if skip() { return }
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let browser = try await WebDriver()
        try await browser.openTrial(roles)
        for _ in 2...7 { try await browser.openTab("http://127.0.0.1:\(roles.base + 2)/") }
        let tabs = try await browser.tabs()
        #expect(tabs.count == 7)
        func all(_ what: String, _ condition: String) async throws {
            for tab in try await browser.tabs() {
                try await browser.goTo(tab: tab)
                try await roles.waitUntil(what) { try await browser.evaluate(condition) == "true" }
            }
        }
        try await all("each tab is live", Self.isLive)
        _ = try await roles.http("POST", "/api/routings", body: #"{"name": "for seven"}"#)
        try await all("each tab hears of it", "document.getElementById('log').innerText.includes('for seven')")
        // The tab that held the streams is gone; another goes on from its place.
        try await browser.goTo(tab: tabs[0])
        try await browser.closeTab()
        _ = try await roles.http("POST", "/api/routings", body: #"{"name": "for six"}"#)
        try await all("each that is left hears of it", "document.getElementById('log').innerText.includes('for six')")
        try await browser.close()
        try await roles.stop()
    }
}
