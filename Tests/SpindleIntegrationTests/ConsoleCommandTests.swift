import Foundation
import Testing

/// The commands that the page shows beside its actions, as the program itself reads them.
@Suite struct ConsoleCommandTests {
    /// What the program's parser answers to words that it does not know.
    private static let usageExitCode: Int32 = 64

    /// The page's own module makes them in the browser, a shell takes them apart, and the program reads them. Only the parser refuses with 64;
    /// what it understood then fails, since no cluster is there.
    @Test func everyCommandOfThePageIsOneOfTheProgram() async throws {
        guard WebDriver.isInstalled else {
            print("skipped: there is no \(WebDriver.driver); `apt-get install chromium chromium-driver`")
            return
        }
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let browser = try await WebDriver()
        try await browser.open("http://127.0.0.1:\(roles.base + 2)/")
        _ = try await browser.evaluate("import('/page/commands.js').then((module) => { window.samples = JSON.stringify(module.samples()); })")
        try await roles.waitUntil("the module is loaded") { try await browser.evaluate("window.samples !== undefined") == "true" }
        let commands = try JSONDecoder().decode([String].self, from: Data(try await browser.evaluate("window.samples").utf8))
        try await browser.close()
        try await roles.stop()

        #expect(commands.count > 20)
        #expect(try await exitCode(of: "spindle queue paus x") == Self.usageExitCode, "a wrong one is refused")
        for command in commands {
            #expect(command.hasPrefix("spindle "))
            let code = try await exitCode(of: command)
            #expect(code != Self.usageExitCode && code != 127, "\(command)")
        }
    }

    private func exitCode(of command: String) async throws -> Int32 {
        let directory = try TemporaryDirectory()
        let script = "spindle() { exec \"$0\" \"$@\"; }; \(command) </dev/null"
        let ended = try await ForeignProcess.run(
            ["sh", "-c", script, Spindle.executable.path], environment: ["SPINDLE_DATA": directory.path + "/none"])
        return ended.exitCode
    }
}
