import Digests
import Foundation
import MCMS
import Testing

@Suite struct ShareTests {
    @Test(arguments: [
        ("a.nc", "a.nc"), ("a/b/c.nc", "a/b/c.nc"), (#"a\b\c.nc"#, "a/b/c.nc"), (#"W:\a\b.nc"#, "a/b.nc"), ("w:/a", "a"), (#"w:\a/b"#, "a/b"),
        ("가공/브래킷 3호.nc", "가공/브래킷 3호.nc"), ("\u{1100}\u{1161}.nc", "가.nc"), ("a..b/.hidden", "a..b/.hidden"), ("console.txt", "console.txt"),
        ("COM10", "COM10"), ("a b", "a b"), ("e\u{301}", "é"),
    ])
    func pathsBelowTheRoot(text: String, expected: String) throws {
        #expect(try LogicalPath(text).description == expected)
    }

    @Test(arguments: [
        "", "/", "/etc/passwd", #"\a"#, "..", "../a", "a/../b", #"a\..\b"#, "a/./b", ".", "a//b", "a/", #"a\\b"#, #"\\server\share\a"#,
        "//server/share", #"\\?\W:\a"#, #"\\.\PhysicalDrive0"#, #"W:\"#, "W:", "W:a", #"C:\a"#, "c:/a", #"W:\\a"#, #"W:\..\a"#, "W:/../a",
        "a.nc:stream", "a::$DATA", "a.", "a ", "a./b", "a /b", "a/b...", "NUL", "nul.txt", "a/CON", "con.tar.gz", "COM1", "com9.nc", "LPT¹",
        "aux .txt", "CONIN$", "a*b", "a?b", "a|b", "a<b", "a>b", "a\"b", "a\u{0}b", "a\nb", "a\u{7F}b", "a\u{202E}cn.b", "a\u{200B}b",
        "a\u{FEFF}", "a/\u{301}b", "a/\u{1F3FB}", "\u{301}", "../\u{301}", "a/../\u{301}b", "..\\\u{301}", "/\u{301}", "//\u{301}a", "C:/\u{301}", "NUL.\u{301}", String(repeating: "a", count: 256), String(repeating: "a/", count: 600) + "a", String(repeating: "a/", count: 32) + "a",
    ])
    func pathsThatAreRefused(text: String) {
        #expect(throws: LogicalPathError.self) { try LogicalPath(text) }
    }

    /// A share with a file outside it that nothing may reach.
    struct Share {
        let folder: URL
        let directory: ShareDirectory
        let content = "G0 X0 Y0\n"

        init() throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("share-\(UUID().uuidString)")
            let root = folder.appendingPathComponent("root")
            try FileManager.default.createDirectory(at: root.appendingPathComponent("가공/sub"), withIntermediateDirectories: true)
            try content.write(to: root.appendingPathComponent("가공/a.nc"), atomically: false, encoding: .utf8)
            try "secret".write(to: folder.appendingPathComponent("secret"), atomically: false, encoding: .utf8)
            let manager = FileManager.default
            try manager.createSymbolicLink(atPath: root.appendingPathComponent("link").path, withDestinationPath: "../secret")
            try manager.createSymbolicLink(atPath: root.appendingPathComponent("up").path, withDestinationPath: "..")
            try manager.createSymbolicLink(atPath: root.appendingPathComponent("inside").path, withDestinationPath: "가공")
            #expect(mkfifo(root.appendingPathComponent("pipe").path, 0o600) == 0)
            directory = ShareDirectory(root: root.path)
        }

        func remove() { try? FileManager.default.removeItem(at: folder) }
    }

    @Test func aFileIsFoundAndCompared() async throws {
        let share = try Share()
        defer { share.remove() }
        let digest = Hexadecimal.text(try DigestStream.digest(of: Array(share.content.utf8)))
        let expected = OutputFile(path: "가공/a.nc", size: 9, sha256: digest)
        for output in [
            ReportedOutput(path: "가공/a.nc"), ReportedOutput(path: #"W:\가공\a.nc"#, size: 9, sha256: digest.uppercased()),
        ] {
            #expect(try await share.directory.validate(output) == expected)
            #expect(try await share.directory.validate(output) == expected)
        }
    }

    @Test(arguments: [
        (ReportedOutput(path: "가공/b.nc"), OutputShareError.missing(path: "가공/b.nc")),
        (ReportedOutput(path: "가공/a.nc/b"), .missing(path: "가공/a.nc/b")),
        (ReportedOutput(path: "가공/a.nc", size: 10), .mismatch(path: "가공/a.nc", reason: "it has 9 bytes, reported were 10")),
        (ReportedOutput(path: "가공/sub"), .refused(path: "가공/sub", reason: "it is not a plain file")),
        (ReportedOutput(path: "pipe"), .refused(path: "pipe", reason: "it is not a plain file")),
        (ReportedOutput(path: "link"), .refused(path: "link", reason: "“link” is a symbolic link")),
        (ReportedOutput(path: "up/secret"), .refused(path: "up/secret", reason: "“up” is a symbolic link")),
        (ReportedOutput(path: "inside/a.nc"), .refused(path: "inside/a.nc", reason: "“inside” is a symbolic link")),
        (ReportedOutput(path: "../secret"), .refused(path: "../secret", reason: "it contains “..”")),
    ])
    func whatIsNotTheReportedFileIsSaid(output: ReportedOutput, error: OutputShareError) async throws {
        let share = try Share()
        defer { share.remove() }
        await #expect(throws: error) { try await share.directory.validate(output) }
    }

    @Test(arguments: [
        (#"W:\a\b.nc"#, "a/b.nc"), (#"\\FILES\cam\a.nc"#, "a.nc"), ("//files/CAM/a.nc", "a.nc"), (#"z:/cam/a.nc"#, "a.nc"), ("a.nc", "a.nc"),
        (#"\\files\camera\a.nc"#, nil), (#"\\files\cam"#, nil), (#"Z:\a.nc"#, nil), (#"X:\a.nc"#, nil), (#"\\files\cam\..\a"#, nil),
    ] as [(String, String?)])
    func theRootHasTheNamesThatTheDescriptionGives(text: String, expected: String?) {
        let path = try? LogicalPath(text, roots: [#"W:\"#, #"\\files\cam"#, #"Z:\cam\"#])
        #expect(path?.description == expected)
    }

    /// Windows keeps the case of names and does not tell them apart by it; Unicode has two forms of one name.
    @Test func namesAreComparedAsWindowsDoes() async throws {
        let share = try Share()
        defer { share.remove() }
        let root = share.folder.appendingPathComponent("root")
        try FileManager.default.createDirectory(at: root.appendingPathComponent("Rev"), withIntermediateDirectories: true)
        // Written byte by byte: Foundation would compose the name.
        let decomposed = root.path + "/Rev/" + "\u{1100}\u{1161}.NC"
        #expect(decomposed.withCString { creat($0, 0o600) } >= 0)
        for path in ["rev/가.nc", #"W:\REV\가.NC"#, "Rev/\u{1100}\u{1161}.nc"] {
            #expect(try await share.directory.validate(ReportedOutput(path: path)).path == "Rev/가.NC")
        }
        #expect((root.path + "/REV").withCString { mkdir($0, 0o700) } == 0)
        await #expect(throws: OutputShareError.refused(path: "rEV/a.nc", reason: "“REV” and “Rev” are the same name to Windows")) {
            do throws(OutputShareError) {
                _ = try await share.directory.validate(ReportedOutput(path: "rEV/a.nc"))
            } catch {
                // Which of them comes first is the file system's choice.
                guard case .refused(let path, let reason) = error, reason.hasSuffix("are the same name to Windows") else { throw error }
                throw OutputShareError.refused(path: path, reason: "“REV” and “Rev” are the same name to Windows")
            }
        }
    }

    /// A folder that nothing is mounted on has no files, and that is no reason to say that they are missing.
    @Test func aShareThatIsNotMountedIsUnavailable() async throws {
        let share = try Share()
        defer { share.remove() }
        let root = share.folder.appendingPathComponent("root").path
        let record = share.folder.appendingPathComponent("share.id").path
        func directory() -> ShareDirectory { ShareDirectory(root: root, identity: ShareIdentity(root: root, record: record)) }
        let mounted = directory()
        #expect(try await mounted.validate(ReportedOutput(path: "가공/a.nc")).size == 9)
        await #expect(throws: OutputShareError.missing(path: "x")) { try await mounted.validate(ReportedOutput(path: "x")) }

        try FileManager.default.moveItem(atPath: root, toPath: root + ".away")
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        for share in [mounted, directory()] {
            do throws(OutputShareError) {
                _ = try await share.validate(ReportedOutput(path: "가공/a.nc"))
                Issue.record("an empty folder was taken for the share")
            } catch {
                guard case .unavailable(let reason) = error else { throw error }
                #expect(reason.contains("not mounted") && reason.contains(record), "\(reason)")
            }
        }
        try "other\n".write(toFile: root + "/" + ShareIdentity.markerName, atomically: true, encoding: .utf8)
        #expect(ShareIdentity(root: root, record: record).problem()?.contains("another share") == true)
        try FileManager.default.removeItem(atPath: root)
        #expect(ShareIdentity(root: root, record: record).problem() != nil)
        try FileManager.default.moveItem(atPath: root + ".away", toPath: root)
        #expect(try await mounted.validate(ReportedOutput(path: "가공/a.nc")).size == 9)
    }

    @Test func anotherContentIsAMismatchAndAMissingRootIsUnavailable() async throws {
        let share = try Share()
        defer { share.remove() }
        do throws(OutputShareError) {
            _ = try await share.directory.validate(ReportedOutput(path: "가공/a.nc", sha256: String(repeating: "0", count: 64)))
            Issue.record("another digest was accepted")
        } catch {
            guard case .mismatch = error else { throw error }
        }
        do throws(OutputShareError) {
            _ = try await ShareDirectory(root: share.folder.appendingPathComponent("nothing").path).validate(ReportedOutput(path: "a"))
            Issue.record("a share that isn't there was read")
        } catch {
            guard case .unavailable = error else { throw error }
        }
    }
}
