import Foundation
import SpindleCluster
import SpindleText
import Testing

/// One change to a good file, and the one error that it must give.
struct Fault: Sendable, CustomTestStringConvertible {
    let find: String
    let replace: String
    /// `line:column: path` of the error, the line counted from the first line of `find` in the file (0: that line).
    let lineOffset: Int
    let column: Int
    let path: String
    let problem: String
    var suggestion: String?

    var testDescription: String { "\(find) → \(replace)" }
}

@Suite struct ConfigurationErrorTests {
    /// A part of the built-in description, from its key to the empty line after it.
    static func part(_ key: String) -> String {
        let text = ClusterConfiguration.pocText
        guard let start = text.range(of: "\n\(key):\n"), let end = text[start.upperBound...].range(of: "\n\n") else { return "" }
        return String(text[text.index(after: start.lowerBound)..<text.index(after: end.lowerBound)])
    }

    static let domainPart = part("domain")
    static let filesPart = part("files")

    static let faults: [Fault] = [
        Fault(find: "    address: 127.0.0.1", replace: "    adress: 127.0.0.1", lineOffset: 0, column: 5, path: "hosts[0].adress",
            problem: "found the unknown key \"adress\", expected one of: name, address", suggestion: "address"),
        Fault(find: "      outputBuffer: 8 MiB", replace: "      outputBuffer: 8 MiB\n    log: {segment: 5000 B}", lineOffset: 1, column: 20, path: "brokers[0].log.segment",
            problem: "found \"5000 B\", expected a multiple of 4 KiB such as 64 MiB, from 256 KiB to 1 GiB"),
        Fault(find: "    lease: 60s", replace: "    lease: 60", lineOffset: 0, column: 12, path: "defaults.queue.lease",
            problem: "found 60, expected a duration such as 250ms, 30s, 5m, 2h or 7d, from 1ms to 3650d"),
        Fault(find: "    lease: 60s", replace: "    lease: 13h", lineOffset: 0, column: 12, path: "defaults.queue.lease",
            problem: "found lease 13h, expected at most leaseMax, which is 12h"),
        Fault(find: "      lease: 5m", replace: "      lease: 13h", lineOffset: 0, column: 14, path: "queues[0].policy.lease",
            problem: "found lease 13h, expected at most leaseMax, which is 12h"),
        Fault(find: "    bytesMax: 16 GiB", replace: "    bytesMax: 16 GB", lineOffset: 0, column: 15, path: "defaults.queue.bytesMax",
            problem: "found \"16 GB\", expected a size such as 64 KiB, 16 MiB or 8 GiB, from 1 B to 9007199254740991 B, or none"),
        Fault(find: "    attemptsMax: 5", replace: "    attemptsMax: 0", lineOffset: 0, column: 18, path: "defaults.queue.attemptsMax",
            problem: "found 0, expected a whole number from 1 to 1000000, or none"),
        Fault(find: "    attemptsMax: 5", replace: "    attemptsMax: many", lineOffset: 0, column: 18, path: "defaults.queue.attemptsMax",
            problem: "found \"many\", expected a whole number from 1 to 1000000, or none"),
        Fault(find: "    orderedGroups: false", replace: "    orderedGroups: no", lineOffset: 0, column: 20, path: "defaults.queue.orderedGroups",
            problem: "found \"no\", expected true or false"),
        Fault(find: "      kind: exponential", replace: "      kind: exponental", lineOffset: 0, column: 13, path: "defaults.queue.backoff.kind",
            problem: "found \"exponental\", expected fixed or exponential", suggestion: "exponential"),
        Fault(find: "      jitter: 0.2", replace: "      jitter: 1.5", lineOffset: 0, column: 15, path: "defaults.queue.backoff.jitter",
            problem: "found 1.5, expected a number from 0 to 1"),
        Fault(find: "      cap: 5m", replace: "      cap: 1s", lineOffset: -1, column: 16, path: "defaults.queue.backoff.initial",
            problem: "found initial 2s, expected at most cap, which is 1s"),
        Fault(find: "  enabled: true\n", replace: "", lineOffset: 0, column: 3, path: "addin.enabled",
            problem: "the key \"enabled\" is missing, expected true or false"),
        Fault(find: "\"{queue}.dead\"", replace: "dead-letters", lineOffset: 0, column: 0, path: "", problem: ""),
        Fault(find: "  - name: file-ingest", replace: "  - name: addin-result\n  - name: file-ingest", lineOffset: 0, column: 11, path: "queues[2].name",
            problem: "found the queue \"addin-result\" a second time; it is already at line 74"),
        Fault(find: "      lease: [esprit-gen]", replace: "      lease: [esprit-gn]", lineOffset: 0, column: 15,
            path: "principals[2].permissions.lease[0]",
            problem: "found \"esprit-gn\", expected the name of a queue (declared: esprit-gen, addin-result, file-ingest, storage-retry, missingParts, cas-gc, esprit-gen.dead, addin-result.dead, file-ingest.dead, storage-retry.dead, missingParts.dead, cas-gc.dead)",
            suggestion: "esprit-gen"),
        Fault(find: "      topicPublish: [\"*\"]", replace: "      topicPublish: [\"**\"]", lineOffset: 0, column: 22,
            path: "principals[0].permissions.topicPublish[0]",
            problem: "found \"**\", expected a name or a pattern of letters, digits, \".\", \"-\", \"_\" and single \"*\""),
        Fault(find: "    host: local\n    principal: worker\n    queues: [addin-result]", replace: "    host: locl\n    principal: worker\n    queues: [addin-result]",
            lineOffset: 0, column: 11, path: "workers[0].host", problem: "found \"locl\", expected the name of a host (declared: local)", suggestion: "local"),
        Fault(find: "    queues: [addin-result]", replace: "    queues: [esprit-gen]", lineOffset: -1, column: 16, path: "workers[0].principal",
            problem: "found the principal \"worker\", which may not lease \"esprit-gen\"; add it to that principal's permissions.lease"),
        Fault(find: "    queues: [addin-result]", replace: "    queues: addin-result", lineOffset: 0, column: 13, path: "workers[0].queues",
            problem: "found \"addin-result\", expected a list of queue names"),
        Fault(find: "    listen: 127.0.0.1\n    # For", replace: "    listen: 127.0.0.1\n    redirectPort: 7404\n    # For", lineOffset: 1, column: 19, path: "webs[0].redirectPort",
            problem: "found \"redirectPort\" without \"tls\", expected it only where it leads to HTTPS"),
        Fault(find: "    listen: 127.0.0.1\n    # For", replace: "    listen: 127.0.0.1\n    tls: {certificate: a, key: b}\n    redirectPort: 7403\n    # For", lineOffset: 2, column: 19, path: "webs[0].redirectPort",
            problem: "found port 7403 for the web server \"web\" in the clear, but broker-1's operations has it on the same host"),
        Fault(find: "    port: 7402", replace: "    port: 7403", lineOffset: 0, column: 11, path: "webs[0].port",
            problem: "found port 7403 for the web server \"web\", but broker-1's operations has it on the same host"),
        Fault(find: "    portBase: 7400", replace: "    listen: {operations: 10.0.0.5}", lineOffset: 0, column: 13, path: "brokers[0].listen",
            problem: "found the operations address \"10.0.0.5\", which is plain HTTP; expected a loopback address (127.0.0.1), or allowPlaintext: true"),
        Fault(find: "    listen: 127.0.0.1", replace: "    listen: 127.evil.example.com\n    signInVisitors: false #", lineOffset: 0, column: 13, path: "webs[0].listen",
            problem: ""),
        Fault(find: "    signInVisitors: true", replace: "    signInVisitors: true\n    origins: [https://a.example]", lineOffset: 0, column: 21, path: "webs[0].signInVisitors",
            problem: "found signInVisitors: true for a server that others can reach, expected it only with a loopback address and without \"origins\""),
        Fault(find: "    signInVisitors: true", replace: "    origins: [https://a.example/]", lineOffset: 0, column: 15, path: "webs[0].origins[0]",
            problem: "found \"https://a.example/\", expected an origin such as https://mcms.example.lan, in small letters and without a slash at the end"),
        Fault(find: "  database: mcms/mcms.sqlite", replace: "  database: mcms/mcms.sqlite\n  approval: foureyes", lineOffset: 1, column: 13, path: "domain.approval",
            problem: "found \"foureyes\", expected anyone or fourEyes", suggestion: "fourEyes"),
        Fault(find: "    listen: 127.0.0.1\n    # For", replace: "    listen: 0.0.0.0\n    # For", lineOffset: 0, column: 13, path: "webs[0].listen",
            problem: "found the address \"0.0.0.0\" without \"tls\", expected a loopback address (127.0.0.1), a \"tls\" section, or allowPlaintext: true"),
        Fault(find: "    signInVisitors: true\n", replace: "    signInVisitors: true\n  - {name: web, host: local, principal: web, port: 7409}\n", lineOffset: 1, column: 12, path: "webs[1].name",
            problem: "found the web server \"web\" a second time; it is already at line 196"),
        Fault(find: "    signInVisitors: true\n", replace: "    signInVisitors: true\n  - {name: second, host: local, principal: web, port: 7402}\n", lineOffset: 1, column: 55, path: "webs[1].port",
            problem: "found port 7402 for the web server \"second\", but the web server \"web\" has it on the same host"),
        Fault(find: "  - name: web\n    host", replace: "  - name: results-1\n    host", lineOffset: -40, column: 11, path: "workers[0].name",
            problem: "found a second process called \"results-1\", expected another name"),
        Fault(find: "    role: viewer", replace: "    role: viewr", lineOffset: 0, column: 11, path: "principals[1].role",
            problem: "found \"viewr\", expected viewer, approver, operator, admin, addin, bff or none", suggestion: "viewer"),
        Fault(find: "    role: viewer", replace: "    role: viewer\n    quotas: {waits: 0}", lineOffset: 1, column: 21, path: "principals[1].quotas.waits",
            problem: "found 0, expected a whole number from 1 to 1000000"),
        Fault(find: "  hosts: [local]", replace: "  hosts: [locl]", lineOffset: 0, column: 11, path: "files.hosts[0]",
            problem: "found \"locl\", expected the name of a host (declared: local)", suggestion: "local"),
        Fault(find: "  scanner: none", replace: "  scanner: nine", lineOffset: 0, column: 12, path: "files.scanner",
            problem: "found \"nine\", expected a mapping, or none", suggestion: "none"),
        Fault(find: "  scanner: none", replace: "  scanner: {attemptsMax: 3}", lineOffset: 0, column: 12, path: "files.scanner",
            problem: "found neither clamd nor http, expected one of them"),
        Fault(find: "  scanner: none", replace: "  scanner: {clamd: {address: localhost}}", lineOffset: 0, column: 30, path: "files.scanner.clamd.address",
            problem: "found \"localhost\", expected host:port, or the path of a socket such as /run/clamav/clamd.ctl"),
        Fault(find: "  scanner: none", replace: "  scanner: {clamd: {address: /a, window: 1 MiB, overlap: 1 MiB}}", lineOffset: 0, column: 58,
            path: "files.scanner.clamd.overlap", problem: "found an overlap of 1048576 B, expected less than window, which is 1048576 B"),
        Fault(find: "  scanner: none", replace: "  s3: {bucket: mcms, accessKeyFile: k}", lineOffset: 0, column: 7, path: "files.s3.endpoint",
            problem: "the key \"endpoint\" is missing, expected https:// or http:// with a host and no path, such as https://s3.example.internal:9000"),
        Fault(find: "  scanner: none", replace: "  s3: {endpoint: 'https://a/b', bucket: mcms, accessKeyFile: k}", lineOffset: 0, column: 18, path: "files.s3.endpoint",
            problem: "found \"https://a/b\", expected https:// or http:// with a host and no path, such as https://s3.example.internal:9000"),
        Fault(find: "  scanner: none", replace: "  s3: {endpoint: 'https://a', bucket: MCMS, accessKeyFile: k}", lineOffset: 0, column: 39, path: "files.s3.bucket",
            problem: "found \"MCMS\", expected a bucket of 3 to 63 small letters, digits, \".\" and \"-\""),
        Fault(find: "  scanner: none", replace: "  s3: {endpoint: 'https://a', bucket: mcms, accessKeyFile: k, addressing: host}", lineOffset: 0, column: 75, path: "files.s3.addressing",
            problem: "found \"host\", expected path or virtualHost"),
        Fault(find: domainPart, replace: "", lineOffset: 19, column: 3, path: "webs",
            problem: "found \"webs\" without the top-level \"domain\", expected it with the database that they open"),
        Fault(find: filesPart, replace: "", lineOffset: 2, column: 3, path: "webs",
            problem: "found \"webs\" without the top-level \"files\", expected it with the share that they open"),
        Fault(find: "cluster: poc", replace: "cluster: 12", lineOffset: 0, column: 10, path: "cluster",
            problem: "found 12, expected a name of letters, digits, \".\", \"-\" and \"_\", at most 200 long"),
        Fault(find: "cluster: poc", replace: "cluster: poc\ncluster: poc", lineOffset: 0, column: 1, path: "",
            problem: "found the key \"cluster\" more than once in one mapping, expected it once"),
        Fault(find: "cluster: poc", replace: "cluster: poc\n? [a]\n: b", lineOffset: 1, column: 1, path: "",
            problem: "found \"?\" before a key, expected a plain word as the key"),
        Fault(find: "cluster: poc", replace: "cluster: [poc", lineOffset: 1, column: 14, path: "", problem: ""),
        Fault(find: "    portBase: 7400", replace: "    ports: {tls: 7401}", lineOffset: 0, column: 18, path: "brokers[0].ports.tls",
            problem: "found a TLS port, expected a \"tls\" section with the certificate beside it"),
        Fault(find: "    portBase: 7400", replace: "    listen: {plain: 0.0.0.0}", lineOffset: 0, column: 13, path: "brokers[0].listen",
            problem: "found the plaintext address \"0.0.0.0\", expected a loopback address (127.0.0.1), or allowPlaintext: true"),
    ]

    @Test(arguments: faults) func oneFault(_ fault: Fault) throws {
        let good = ClusterConfiguration.pocText
        let range = try #require(good.range(of: fault.find))
        let bad = good.replacingCharacters(in: range, with: fault.replace)
        let line = good[..<range.lowerBound].split(separator: "\n", omittingEmptySubsequences: false).count + fault.lineOffset
        let errors = Self.errors(in: bad)
        if fault.problem.isEmpty {
            // Where the wording is the YAML library's, or several queues give the same error: that there is one.
            #expect(!errors.isEmpty)
            return
        }
        // A misspelt key is unknown, and the one that it should be is missing.
        #expect(errors.count == (fault.problem.contains("unknown key") ? 2 : 1), "\(errors)")
        let error = try #require(errors.first { $0.problem == fault.problem }, "\(errors)")
        #expect(error.line == line && error.column == fault.column && error.path == fault.path && error.suggestion == fault.suggestion, "\(error), \(line)")
    }

    /// A second host, and one process moved there.
    @Test(arguments: [
        ("    host: local\n    principal: worker\n    queues: [addin-result", "workers[0].host", "files.hosts: local"),
        ("    host: local\n    principal: worker\n    queues: [addin-result", "workers[0].host", "which one host can open"),
        ("    host: local\n    principal: web\n    port", "webs[0].host", "files.hosts: local"),
        ("  host: local\n  principal: addin", "addin.host", "found the host \"other\", which does not see the files"),
    ] as [(String, String, String)])
    func processesRunWhereTheirFoldersAre(process: String, path: String, part: String) throws {
        let two = ClusterConfiguration.pocText
            .replacing("    address: 127.0.0.1\n", with: "    address: 127.0.0.1\n  - name: other\n    address: 127.0.0.2\n")
        #expect(Self.errors(in: two).isEmpty)
        let moved = two.replacing(process, with: process.replacing("host: local", with: "host: other"))
        #expect(Self.errors(in: moved).contains { $0.path == path && $0.problem.contains(part) }, "\(Self.errors(in: moved))")
    }

    @Test func twoBrokersOfOneHostAreRefused() {
        let second = "  - {name: broker-2, host: local, portBase: 7500, limits: {connections: 1, frameBytes: 1 MiB, inFlight: 1, outputBuffer: 1 MiB}}\n"
        let errors = Self.errors(in: ClusterConfiguration.pocText.replacing("\ndefaults:\n", with: "\(second)\ndefaults:\n"))
        #expect(
            errors.map(\.problem) == [
                "found the host \"local\", expected another one: its data directory holds one broker's log, that of \"broker-1\""
            ], "\(errors)")
    }

    @Test func allErrorsAtOnceInTheOrderOfTheFile() {
        let bad = ClusterConfiguration.pocText
            .replacing("cluster: poc", with: "clutser: poc").replacing("      cap: 5m", with: "      cap: 5 minutes")
            .replacing("failureRatio: 0.0", with: "failureRatio: often")
        let lines = Self.errors(in: bad).map(\.description)
        #expect(
            lines == [
                "x.yaml:10:1: cluster: the key \"cluster\" is missing, expected a name of letters, digits, \".\", \"-\" and \"_\", at most 200 long",
                "x.yaml:10:1: clutser: found the unknown key \"clutser\", expected one of: cluster, dataDirectory, hosts, brokers, defaults, queues, topics, principals, workers, domain, files, webs, addin (did you mean cluster?)",
                "x.yaml:37:12: defaults.queue.backoff.cap: found \"5 minutes\", expected a duration such as 250ms, 30s, 5m, 2h or 7d, from 0s to 3650d",
                "x.yaml:212:17: addin.failureRatio: found \"often\", expected a number from 0 to 1",
            ], "\(lines)")
    }

    @Test(arguments: ["", "[]", "7", "hosts: {}", "cluster: &a [*a]", "- - - -", "\u{0}", "a: b: c", "? [a]\n: b"])
    func hostileTextsAreErrorsNotTraps(text: String) {
        #expect(!Self.errors(in: text).isEmpty)
    }

    /// Every prefix of a good file is an error or a configuration, never a trap.
    @Test func truncatedFiles() {
        let text = ClusterConfiguration.pocText
        for length in stride(from: 0, to: text.utf8.count, by: 97) { _ = Self.errors(in: String(text.prefix(length))) }
        #expect(Self.errors(in: text).isEmpty)
    }

    /// A good file with random damage is an error or a configuration, never a trap and never a hang.
    @Test(arguments: UInt64(1)...8) func damagedFiles(seed: UInt64) {
        var random = SplitMix64(state: seed)
        let good = Array(ClusterConfiguration.pocText.unicodeScalars)
        let pieces = ["&a ", "*a", "!!int ", "|", ">", "{", "}", "[", "]", ": ", "- ", "#", "\"", "'", "\n", "\t", "%", "@", "\u{0}", "<<: ", "99999999999999999999s", "é", "--- "]
        var refused = 0
        for _ in 0..<150 {
            var text = good
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let start = Int.random(in: 0..<text.count, using: &random)
                let end = min(text.count, start + Int.random(in: 0...6, using: &random))
                text.replaceSubrange(start..<end, with: Array(pieces.randomElement(using: &random, or: "").unicodeScalars))
            }
            if !Self.errors(in: String(String.UnicodeScalarView(text))).isEmpty { refused += 1 }
        }
        // Most damage outside comments must be seen.
        #expect(refused > 50)
    }

    @Test func unreadableFilesAreErrors() throws {
        let folder = try TemporaryFolder()
        let binary = folder.path + "/binary.yaml"
        try Data([0xff, 0xfe, 0x00]).write(to: URL(fileURLWithPath: binary))
        let large = folder.path + "/large.yaml"
        try Data(repeating: UInt8(ascii: "#"), count: ClusterConfiguration.fileBytesMax + 1).write(to: URL(fileURLWithPath: large))
        for (file, part) in [(folder.path + "/absent.yaml", "could not be read"), (binary, "is not UTF-8"), (large, "is over 1048576 bytes"), (folder.path, "could not be read")] {
            let error = #expect(throws: ConfigurationErrors.self) { try ClusterConfiguration.load(file: file) }
            #expect(error?.description.contains(part) == true, "\(String(describing: error))")
        }
    }

    static func errors(in text: String) -> [ConfigurationError] {
        do {
            _ = try ClusterConfiguration.parse(yaml: text, fileName: "x.yaml")
            return []
        } catch {
            return error.errors
        }
    }
}

/// Small and repeatable; not for secrets. (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.)
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

extension Array {
    func randomElement(using generator: inout some RandomNumberGenerator, or fallback: Element) -> Element {
        randomElement(using: &generator) ?? fallback
    }
}

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("*", "anything", true), ("*", "", true), ("a.b", "a.b", true), ("a.b", "a.bc", false), ("a.*", "a.", true), ("a.*", "ab", false),
        ("*.dead", "esprit-gen.dead", true), ("*.dead", "dead", false), ("a*b*c", "axxbyyc", true), ("a*b*c", "acb", false),
        ("*a*a*a*a*b", String(repeating: "a", count: 200), false),
    ])
    func matches(pattern: String, name: String, expected: Bool) throws {
        #expect(NamePattern(pattern).matches(name) == expected)
    }

    @Test(arguments: ["", "**", "a b", "a/b", "ü", String(repeating: "a", count: 201)])
    func refused(text: String) {
        #expect(NamePattern(checked: text) == nil)
    }
}
