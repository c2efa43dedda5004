import Foundation
import SpindleClient
import SpindleCluster
import Testing

/// What the web server says of the whole, as any program reads it.
struct HealthAnswer: Decodable, Sendable {
    struct Number: Decodable, Sendable {
        let name: String
        let value: Double?
        let spark: [Double]
    }

    struct Problem: Decodable, Sendable {
        struct Action: Decodable, Sendable {
            let label: String
            let command: String?
            let href: String?
        }

        let kind: String
        let subject: String?
        let severity: String
        let count: Int?
        let what: String
        let why: String
        let action: Action?

        var name: String { kind + (subject.map { " " + $0 } ?? "") }
    }

    let severity: String
    let sentence: String
    let numbers: [Number]
    let problems: [Problem]

    var names: Set<String> { Set(problems.map(\.name)) }

    static func read(_ roles: RunningRoles) async throws -> HealthAnswer {
        try await roles.http("GET", "/api/health/summary").decode(HealthAnswer.self)
    }
}

/// A fault of a real process, disk or file, what it is called, and how it is mended.
struct HealthFault: Sendable {
    /// The kind, and where there are several, which one.
    let name: String
    let severity: String
    let inject: @Sendable () async throws -> Void
    let mend: @Sendable () async throws -> Void

    init(
        _ name: String, _ severity: String, inject: @escaping @Sendable () async throws -> Void, mend: @escaping @Sendable () async throws -> Void
    ) {
        self.name = name
        self.severity = severity
        self.inject = inject
        self.mend = mend
    }
}

/// A cluster with disks of its own, in which faults are made.
final class HealthRig: Sendable {
    /// What the console promises.
    static let namedWithin = Duration.seconds(10)
    private static let mendedWithin = Duration.seconds(40)

    let roles: RunningRoles
    let scannerPort: Int

    init() async throws {
        scannerPort = try FreePorts.base()
        let port = scannerPort
        roles = try RunningRoles { text in
            text.replacing("  scanner: none", with: "  scanner: {clamd: {address: \"127.0.0.1:\(port)\"}}")
                .replacing("keepFree: 1 GiB", with: "keepFree: 8 MiB")
                .replacing("    portBase: 7400\n", with: "    portBase: 7400\n    tls: {certificate: tls/broker-1.pem, key: tls/broker-1.key, authority: tls/ca.pem}\n")
        }
        let certificates = CertificateFiles(directory: roles.data + "/tls")
        _ = try certificates.initialize(cluster: "poc", servers: [.init(name: "broker-1", hosts: [])], clients: ["web"])
    }

    // MARK: Looking

    /// Makes all faults at once. Each must be named in time and rightly, and nothing else; and all of them must end when they are mended.
    func check(_ faults: [HealthFault]) async throws {
        var injectedAt: [String: ContinuousClock.Instant] = [:]
        for fault in faults {
            try await fault.inject()
            injectedAt[fault.name] = .now
        }
        let wanted = Set(faults.map(\.name))
        var namedAt: [String: ContinuousClock.Instant] = [:]
        var answer = try await HealthAnswer.read(roles)
        let end = ContinuousClock.now + Self.namedWithin + .seconds(10)
        while !wanted.isSubset(of: namedAt.keys), ContinuousClock.now < end {
            answer = try await HealthAnswer.read(roles)
            for name in answer.names where namedAt[name] == nil { namedAt[name] = .now }
        }
        for fault in faults {
            guard let named = namedAt[fault.name], let injected = injectedAt[fault.name] else {
                Issue.record("\(fault.name) is not named, but \(answer.problems)\n\(await roles.lastLines())")
                continue
            }
            let took = named - injected
            print("health: \(fault.name) named after \(took.formatted(.units(allowed: [.milliseconds])))")
            #expect(took <= Self.namedWithin, "\(fault.name) took \(took)")
            let problem = try #require(answer.problems.first { $0.name == fault.name }, "\(fault.name) is told on")
            #expect(problem.severity == fault.severity, "\(problem)")
            #expect(!problem.what.isEmpty && !problem.why.isEmpty && problem.action != nil, "\(problem)")
        }
        #expect(answer.names == wanted, "nothing else is told: \(answer.problems)")
        // The command line says the same, by its exit code too.
        let command = try await Spindle.run(["health", "--json"] + FileTools.options(roles))
        #expect(command.exitCode == (faults.contains { $0.severity == "error" } ? 2 : 1), "\(command)")
        let told = try #require(try command.json().first?["problems"] as? [[String: Any]]).compactMap { $0["kind"] as? String }
        #expect(Set(told) == Set(wanted.map { String($0.prefix { $0 != " " }) }), "\(command)")
        try await checkCommands(answer)
        for fault in faults { try await fault.mend() }
        try await waitUntilAllIsWell(within: Self.mendedWithin)
    }

    /// What a reader is told to type is understood: in a folder with no cluster it fails, and not by how it is written.
    private func checkCommands(_ answer: HealthAnswer) async throws {
        let nowhere = try TemporaryDirectory()
        for command in Set(answer.problems.compactMap { $0.action?.command }) where command.hasPrefix("spindle ") {
            let result = try await Spindle.run(command.split(separator: " ").dropFirst().map(String.init) + ["--data", nowhere.path])
            #expect(result.exitCode != 64, "\(command): \(result)")
        }
    }

    func waitUntilAllIsWell(within deadline: Duration = .seconds(60)) async throws {
        let end = ContinuousClock.now + deadline
        var answer: HealthAnswer?
        while ContinuousClock.now < end {
            answer = try? await HealthAnswer.read(roles)
            if answer?.severity == "ok" { return }
        }
        Issue.record("not all is well within \(deadline): \(String(describing: answer))\n\(await roles.lastLines())")
        throw RunningRoles.TookTooLong()
    }

    // MARK: Helpers of faults

    func client() async throws -> SpindleClient {
        try await SpindleClient.connect(
            configuration: ClientConfiguration(endpoints: [.init(host: "127.0.0.1", port: roles.base)], credential: .token(try roles.token("admin"))))
    }

    func startScanner() throws -> ForeignProcess {
        let script = """
            import socketserver, sys
            class Answer(socketserver.BaseRequestHandler):
                def handle(self):
                    if b"VERSION" in self.request.recv(64): self.request.sendall(b"ClamAV 1.4.3/27600/now\\0")
            class Server(socketserver.ThreadingTCPServer): allow_reuse_address, daemon_threads = True, True
            Server(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
            """
        return try ForeignProcess(["python3", "-u", "-c", script, "\(scannerPort)"])
    }

    /// A generation that waits for the add-in.
    func approve(_ name: String) async throws {
        struct Routing: Decodable { let id: String }
        let routing = try await roles.http("POST", "/api/routings", body: #"{"name": "\#(name)"}"#).decode(Routing.self)
        for action in ["submit", "approve"] {
            #expect(try await roles.http("POST", "/api/routings/\(routing.id)/\(action)", body: "{}").status == 200)
        }
    }
}
