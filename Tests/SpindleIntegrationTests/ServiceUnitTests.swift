import Foundation
import Testing

/// The systemd units start what they say.
@Suite struct ServiceUnitTests {
    static let folder = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("deploy/systemd")
    static let units = ["spindle@.service", "spindle-broker@.service", "spindle-web@.service", "spindle-worker@.service", "spindle-addin@.service"]

    @Test func thereAreNoOthers() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".service") }
        #expect(found.sorted() == Self.units.sorted())
    }

    /// A command line that is wrong ends with 64 before anything is read; this one ends because there is no such file.
    @Test(arguments: units) func itsCommandLineIsUnderstood(unit: String) async throws {
        let text = try String(contentsOf: Self.folder.appendingPathComponent(unit), encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("ExecStart=/usr/bin/spindle ") })
        let arguments = line.dropFirst("ExecStart=/usr/bin/spindle ".count).split(separator: " ").map { String($0).replacing("%i", with: "x") }
        #expect(arguments.contains("/etc/spindle/cluster.yaml"))
        let result = try await Spindle.run(arguments.map { $0 == "/etc/spindle/cluster.yaml" ? "/nonexistent/cluster.yaml" : $0 })
        #expect(result.exitCode == 1 && result.errors.contains("/nonexistent/cluster.yaml"), "\(result.exitCode) \(result.errors)")
    }
}
