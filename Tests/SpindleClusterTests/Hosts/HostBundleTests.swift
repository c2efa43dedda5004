import Foundation
import SpindleCluster
import Testing

@Suite struct HostBundleTests {
    private let bundle = HostBundle(
        cluster: "intranet", host: "files-host", description: "cluster: intranet\n",
        files: [.init(path: "tls/ca.pem", content: Array("a".utf8)), .init(path: "tokens/web", content: [0, 255])])

    @Test func whatWasWrittenIsRead() throws {
        #expect(try HostBundle(reading: try bundle.encoded()) == bundle)
    }

    /// Version 1 as it is on disks.
    @Test func theFirstVersionIsRead() throws {
        let text = """
            {"format": "spindle-host-bundle", "version": 1, "cluster": "intranet", "host": "files-host", "description": "cluster: intranet\\n",
             "files": [{"path": "tls/ca.pem", "content": "YQ=="}, {"path": "tokens/web", "content": "AP8="}], "later": true}
            """
        #expect(try HostBundle(reading: Array(text.utf8)) == bundle)
    }

    @Test(arguments: [
        "../etc/passwd", "/etc/passwd", "tls/../../x", "tls/", "tls", "tls/a/b", "tokens/.hidden", "tls//a", "run/x", "tls/a b", "tls/a\u{0}", "TLS/a", "tls/..",
        "tls/" + String(repeating: "a", count: 201),
    ])
    func nothingLeadsOutOfTheTwoFolders(path: String) throws {
        #expect(!HostBundle.isInside(path))
        let evil = HostBundle(cluster: "a", host: "b", description: "", files: [.init(path: path, content: [])])
        #expect(throws: HostBundle.Failure.self) { try HostBundle(reading: try evil.encoded()) }
    }

    @Test(arguments: [
        ("", "no bundle"), ("{}", "no bundle"), ("PK\u{3}\u{4}", "no bundle"),
        (#"{"format":"x","version":1,"cluster":"a","host":"b","description":"","files":[]}"#, "no bundle"),
        (#"{"format":"spindle-host-bundle","version":2,"cluster":"a","host":"b","description":"","files":[]}"#, "version 2"),
        (
            #"{"format":"spindle-host-bundle","version":1,"cluster":"a","host":"b","description":"","files":[{"path":"tls/a","content":""},{"path":"tls/a","content":""}]}"#,
            "twice"
        ),
        (#"{"format":"spindle-host-bundle","version":1,"cluster":"a","host":"b","description":"","files":[{"path":"tls/a","content":"*"}]}"#, "no bundle"),
    ])
    func whatIsNoBundleIsRefused(text: String, reason: String) throws {
        let failure = #expect(throws: HostBundle.Failure.self) { try HostBundle(reading: Array(text.utf8)) }
        #expect(try #require(failure).description.contains(reason))
    }

    @Test func longFilesAreRefusedUnread() {
        #expect(throws: HostBundle.Failure.self) { try HostBundle(reading: Array(repeating: 0x20, count: HostBundle.bytesMax + 1)) }
    }
}
