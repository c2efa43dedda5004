import Foundation
import Testing

/// Two people, each in a real browser, on a real cluster.
@Suite struct PeopleBrowserTests {
    private static let password = "correct horse battery"

    private func signIn(_ browser: WebDriver, _ roles: RunningRoles, as name: String) async throws {
        try await browser.open("http://127.0.0.1:\(roles.base + 2)/")
        try await roles.waitUntil("the page asks who \(name) is") {
            try await browser.evaluate(
                "document.getElementById('sign-in').open && document.getElementById('sign-in').dataset.way === 'password'"
            ) == "true"
        }
        try await browser.type(name, in: "#sign-in-name")
        try await browser.type(Self.password, in: "#sign-in-password")
        _ = try await browser.evaluate("document.getElementById('sign-in-submit').click()")
        try await roles.waitUntil("the page knows \(name)") {
            try await browser.evaluate("!document.getElementById('me').hidden") == "true"
        }
        try await roles.waitUntil("the page is live") {
            try await browser.evaluate("document.getElementById('link').dataset.state") == "connected"
        }
    }

    /// Presses a routing's button as soon as the page offers it.
    private func press(_ action: String, _ browser: WebDriver, _ roles: RunningRoles) async throws {
        let button = "document.querySelector('#routing-rows [data-action=\(action)]')"
        try await roles.waitUntil("the page offers to \(action)") {
            try await browser.evaluate("\(button) !== null && !\(button).disabled") == "true"
        }
        _ = try await browser.evaluate("\(button).click()")
    }

    @Test func onePersonSubmitsAndAnotherApproves() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let roles = try RunningRoles()
        try await roles.startAll()
        for (name, display) in [("kim", "김철수"), ("lee", "이영희")] {
            let added = try await Spindle.run(
                [
                    "user", "add", name, "--role", "approver", "--display-name", display, "--password-file", "-",
                    "--data", roles.data,
                ], input: Self.password)
            #expect(added.exitCode == 0, "\(added.errors)")
        }
        let (first, second) = (try await WebDriver(), try await WebDriver())
        try await signIn(first, roles, as: "kim")
        try await signIn(second, roles, as: "lee")

        _ = try await first.evaluate(
            "(document.getElementById('create-name').value = '브래킷', document.getElementById('create').requestSubmit())")
        try await press("submit", first, roles)
        // The second browser was not loaded again: it heard of the new routing.
        try await press("approve", second, roles)
        for browser in [first, second] {
            try await roles.waitUntil("both see the result, and who approved") {
                let rows = try await browser.evaluate("document.getElementById('routing-rows').innerText")
                return rows.contains("브래킷") && rows.contains("Done") && rows.contains("이영희")
            }
        }

        struct Routings: Decodable {
            struct Routing: Decodable {
                let approver: String?
            }
            let items: [Routing]
        }
        let routings = try await roles.http("GET", "/api/routings").decode(Routings.self).items
        #expect(routings.map(\.approver) == ["lee"], "the account approved, not a text that a page sends")

        // A sign-out in one browser does not touch the other.
        _ = try await second.evaluate(
            "(document.getElementById('me').click(), document.getElementById('me-out').click())")
        try await roles.waitUntil("the page asks again") {
            try await second.evaluate("document.getElementById('sign-in').open") == "true"
        }
        _ = try await first.evaluate(
            "(document.getElementById('create-name').value = '다음', document.getElementById('create').requestSubmit())")
        try await roles.waitUntil("kim goes on") {
            try await first.evaluate("document.getElementById('routing-rows').innerText").contains("다음")
        }
        for browser in [first, second] { try await browser.close() }
        try await roles.stop()
    }
}
