import Foundation
import Testing

/// `spindle demo --with-file` with a file that is infected, damaged, or in part lost.
@Suite struct DemoFaultTests {
    private static let clamd = "/usr/sbin/clamd"

    /// Debian's clamd with one signature, in the roles' folder.
    private static func startClamd(in folder: String, port: Int) throws -> ForeignProcess {
        for name in ["db", "tmp"] { try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true) }
        // In two parts, so that no scanner takes the tests for the test file.
        let text = Array((#"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD"# + "-ANTIVIRUS-TEST-FILE!$H+H*").utf8)
        let digits = text.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        try "Eicar-Test-Signature:0:*:\(digits)\n".write(toFile: folder + "/db/test.ndb", atomically: true, encoding: .utf8)
        try """
            Foreground yes
            DatabaseDirectory \(folder)/db
            TemporaryDirectory \(folder)/tmp
            TCPSocket \(port)
            TCPAddr 127.0.0.1
            StreamMaxLength 4000M
            MaxFileSize 4000M
            MaxScanSize 4000M
            AlertExceedsMax yes

            """.write(toFile: folder + "/clamd.conf", atomically: true, encoding: .utf8)
        return try ForeignProcess([clamd, "-c", folder + "/clamd.conf"])
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: clamd), "clamd is not installed: RUNLEVEL=1 apt-get install clamav-daemon"))
    func eachFaultEndsAsItMust() async throws {
        let port = try FreePorts.base()
        let folder = try TemporaryDirectory()
        let clamd = try Self.startClamd(in: folder.path, port: port)
        defer { clamd.kill() }
        let roles = try RunningRoles(addin: ["--slow", "50ms"]) {
            $0.replacing("  scanner: none", with: "  scanner: {clamd: {address: \"127.0.0.1:\(port)\"}}").replacing("delay: 30s", with: "delay: 1s")
        }
        try await roles.startAll(["broker", "bridge", "worker", "files", "addin"])
        let ends = [("infected", "download refused"), ("missing-chunk", "sent again"), ("flipped-byte", "disk mended")]
        for (fault, step) in ends {
            let demo = try await Spindle.run(["demo", "--with-file", "--fault", fault, "--json"] + FileTools.options(roles))
            #expect(demo.exitCode == 0, "\(fault): \(demo)")
            let steps = try #require(try demo.json().first?["timeline"] as? [[String: Any]]).compactMap { $0["what"] as? String }
            #expect(steps.contains(step), "\(fault): \(steps)")
            #expect(steps.contains("downloaded") == (fault != "infected"), "\(fault): \(steps)")
        }
        try await roles.stop()
    }

    /// It does not say that all is well where nobody scans.
    @Test func anInfectedFileThatIsStoredIsAFailure() async throws {
        let roles = try RunningRoles(addin: ["--slow", "50ms"])
        try await roles.startAll(["broker", "bridge", "worker", "files", "addin"])
        let demo = try await Spindle.run(["demo", "--with-file", "--fault", "infected"] + FileTools.options(roles))
        #expect(demo.exitCode == 1 && demo.output.contains("no scanner looks at files here"), "\(demo)")
        try await roles.stop()
    }
}
