import Foundation
import NIOPosix
import Testing

/// `cluster-config/intranet.yaml` on three hosts, which are network namespaces here, by the commands of "Several hosts" in
/// `docs/operations.md` and no others.
@Suite struct SeveralHostsTests {
    @Test(.enabled(if: ThreeHosts.canBeMade, "network namespaces need root, ip, unshare and a kernel with veth and bridges: not tried here"))
    func theShippedDescriptionRunsOnThreeHosts() async throws {
        let hosts = try await ThreeHosts()
        do {
            try await run(hosts)
        } catch {
            await hosts.remove()
            throw error
        }
        await hosts.remove()
    }

    private func run(_ hosts: ThreeHosts) async throws {
        // 1. The broker's host makes certificates, starts, and makes a file for each of the others, where it is copied and opened.
        try await hosts.spindle(on: "broker-host", "cert", "init", "--config", hosts.description)
        var broker = try hosts.start(on: "broker-host", "up", "--config", hosts.description, "--host", "broker-host")
        try await hosts.wait(broker, for: "The cluster runs.")
        for host in ["files-host", "cam-host"] { try await hosts.take(host) }
        #expect(hosts.files("cam-host") == ["tls/ca.pem", "tls/client-addin.key", "tls/client-addin.pem"])

        // 2. Nothing is called ready that is not: the workers wait for a broker that is away.
        broker.send(SIGTERM)
        _ = try await broker.exitCode(within: Spindle.deadline)
        let files = try hosts.start(on: "files-host", "up", "--config", hosts.ownDescription("files-host"), "--host", "files-host")
        try await hosts.wait(files, for: "results-1    is not ready yet")
        #expect(!files.output.contains("results-1    ready") && !files.output.contains("The cluster runs."), "\(files.output)")
        broker = try hosts.start(on: "broker-host", "up", "--config", hosts.description, "--host", "broker-host")
        try await hosts.wait(files, for: "The cluster runs.")

        // 3. The add-in on the third host, and a routing through all of it.
        let addin = try hosts.start(on: "cam-host", "addin", "--config", hosts.ownDescription("cam-host"), "--slow", "1s")
        let demo = try await hosts.spindle(on: "files-host", "demo", "--data", "/var/lib/spindle")
        #expect(demo.contains("completed"), "\(demo)")
        let queues = try await hosts.spindle(on: "files-host", "queue", "ls", "--data", "/var/lib/spindle")
        #expect(queues.contains("esprit-gen"), "\(queues)")

        // 4. From the workstation: how to trust the console, and the console over HTTPS by name, trusting what the file brought.
        let trust = try await hosts.curl(on: "cam-host", "http://files.example.internal:7404/trust")
        #expect(trust.contains("HTTP/1.1 200") && trust.contains("<svg"), "\(trust)")
        let authority = hosts.folder("cam-host") + "/lib/spindle/tls/ca.pem"
        let console = try await hosts.curl(on: "cam-host", "--cacert", authority, "https://files.example.internal:7402/")
        #expect(console.split(separator: "\r\n").first?.contains(" 200") == true, "\(console)")

        // 5. The workstation is lost: its certificate is refused. A second file with another one, and it works again, without a restart.
        try await hosts.spindle(on: "broker-host", "cert", "revoke", "addin", "--config", hosts.description)
        try await hosts.wait(addin, for: "revoked", inErrors: true)
        try await hosts.take("cam-host")
        let again = try await hosts.spindle(on: "files-host", "demo", "--data", "/var/lib/spindle")
        #expect(again.contains("completed"), "\(again)")
        for process in [addin, files, broker] {
            process.send(SIGTERM)
            #expect(try await process.exitCode(within: Spindle.deadline) == 0, "\(process.output)\n\(process.errors.suffix(2000))")
        }
    }
}

/// Three hosts on one network, each with a folder of its own as `/var/lib`, and one share.
private final class ThreeHosts: Sendable {
    /// Host, address, and the name that the description gives it.
    private static let hosts = [
        (name: "broker-host", address: "10.231.7.1", dns: "spindle.example.internal"), (name: "files-host", address: "10.231.7.2", dns: "files.example.internal"),
        (name: "cam-host", address: "10.231.7.3", dns: "cam-1.example.internal"),
    ]

    private let root: TemporaryDirectory
    private let prefix = "spn\(getpid())"
    let description: String

    static let canBeMade: Bool = {
        guard getuid() == 0 else { return false }
        let name = "spt\(getpid())"
        let script = """
            ip netns add \(name) && ip -n \(name) link add br0 type bridge && ip -n \(name) link add v0 type veth peer name v1 \
            && ip netns exec \(name) unshare -m true; code=$?; ip netns del \(name); exit $code
            """
        return (try? shell(script)) == 0
    }()

    init() async throws {
        root = try TemporaryDirectory()
        description = root.path + "/cluster.yaml"
        let shipped = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("cluster-config/intranet.yaml")
        try FileManager.default.copyItem(atPath: shipped.path, toPath: description)
        var names = "127.0.0.1 localhost\n"
        for host in Self.hosts {
            names += "\(host.address) \(host.dns)\n"
            try FileManager.default.createDirectory(atPath: folder(host.name) + "/lib/spindle", withIntermediateDirectories: true)
        }
        try FileManager.default.createDirectory(atPath: root.path + "/srv/share", withIntermediateDirectories: true)
        try names.write(toFile: root.path + "/hosts", atomically: true, encoding: .utf8)
        var script = "set -e; ip netns add \(prefix)sw; ip -n \(prefix)sw link add br0 type bridge; ip -n \(prefix)sw link set br0 up\n"
        for (index, host) in Self.hosts.enumerated() {
            let space = namespace(host.name)
            script += """
                ip netns add \(space); ip -n \(space) link set lo up
                ip link add v0 netns \(space) type veth peer name p\(index) netns \(prefix)sw
                ip -n \(prefix)sw link set p\(index) master br0 up
                ip -n \(space) addr add \(host.address)/24 dev v0; ip -n \(space) link set v0 up

                """
        }
        guard try Self.shell(script) == 0 else { throw Failed(description: "the network namespaces could not be made") }
    }

    struct Failed: Error, CustomStringConvertible { let description: String }

    func remove() async {
        let spaces = ["\(prefix)sw"] + Self.hosts.map { namespace($0.name) }
        _ = try? Self.shell(spaces.map { "ip netns del \($0)" }.joined(separator: "; "))
    }

    private func namespace(_ host: String) -> String { "\(prefix)\(host.prefix(3))" }
    func folder(_ host: String) -> String { "\(root.path)/\(host)" }

    private static func shell(_ script: String) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    // MARK: Commands

    /// `spindle` on a host: in its network, with its `/var/lib`, the share at `/srv`, and names for all three.
    func start(on host: String, _ arguments: String...) throws -> SpindleProcess { try start(on: host, arguments) }

    private func start(on host: String, _ arguments: [String]) throws -> SpindleProcess {
        // The namespace begins with a copy of every mount: without this it would keep the disks of tests beside this one.
        let leave = #"for disk in $(awk '$5 ~ /spindle-disk-/ { print $5 }' /proc/self/mountinfo); do umount "$disk"; done; "#
        let mounts = leave + "mount --bind \(folder(host))/lib /var/lib && mount --bind \(root.path)/srv /srv && mount --bind \(root.path)/hosts /etc/hosts"
        return try SpindleProcess(
            arguments, prefix: ["ip", "netns", "exec", namespace(host), "unshare", "-m", "sh", "-c", "\(mounts) && exec \"$@\"", "sh"])
    }

    @discardableResult
    func spindle(on host: String, _ arguments: String...) async throws -> String {
        let process = try start(on: host, arguments)
        let code = try await process.exitCode(within: Spindle.deadline)
        #expect(code == 0, "\(arguments): \(process.output)\n\(process.errors)")
        return process.output
    }

    /// The description as `spindle host join` wrote it on a host.
    func ownDescription(_ host: String) -> String { folder(host) + "/cluster.yaml" }

    /// Makes a host's file on the broker's host, copies it, as `scp -p` does, and opens it.
    func take(_ host: String) async throws {
        let (made, copied) = ("\(folder("broker-host"))/\(host).spindle", "\(folder(host))/\(host).spindle")
        let answer = try await spindle(on: "broker-host", "host", "add", host, "--config", description, "--to", made)
        #expect(!answer.contains("ca.key"), "\(answer)")
        guard try Self.shell("cp -p \(made) \(copied)") == 0 else { throw Failed(description: "\(made) could not be copied") }
        try await spindle(on: host, "host", "join", copied, "--config", ownDescription(host))
        guard try Self.shell("rm \(made) \(copied)") == 0 else { throw Failed(description: "\(made) could not be deleted") }
    }

    /// What `curl -i` says on a host.
    func curl(on host: String, _ arguments: String...) async throws -> String {
        let output = folder(host) + "/curl"
        let command = (["curl", "-sS", "-i", "--max-time", "20", "-o", output] + arguments).joined(separator: " ")
        let script = "unshare -m sh -c 'mount --bind \(root.path)/hosts /etc/hosts && exec \(command)'"
        let code = try await NIOThreadPool.singleton.runIfActive { [namespace = namespace(host)] in try Self.shell("ip netns exec \(namespace) \(script)") }
        guard code == 0 else { throw Failed(description: "\(command): exit code \(code)") }
        return try String(contentsOfFile: output, encoding: .utf8)
    }

    /// Below a host's data directory, sorted.
    func files(_ host: String) -> [String] {
        let root = folder(host) + "/lib/spindle"
        return (FileManager.default.subpaths(atPath: root) ?? []).filter { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
    }

    func wait(_ process: SpindleProcess, for text: String, inErrors: Bool = false) async throws {
        let end = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < end {
            if (inErrors ? process.errors : process.output).contains(text) { return }
            if !process.isRunning { break }
            // Another process can only be asked again, until the deadline.
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Failed(description: "“\(text)” did not come:\n\(process.output)\n\(process.errors.suffix(4000))")
    }
}
