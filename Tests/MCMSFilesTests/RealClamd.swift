import Digests
import Foundation
import Glibc
import MCMSFiles
import Testing

/// Debian's clamd in a folder of its own, with signatures of its own, for the time of this object.
final class RealClamd {
    static let program = "/usr/sbin/clamd"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }
    static let needed: Comment = "clamd is not installed: RUNLEVEL=1 apt-get install clamav-daemon"

    /// Of clamd.conf, in bytes.
    struct Limits {
        var stream: Int64 = 4_000 << 20
        var file: Int64 = 4_000 << 20
        var scan: Int64 = 4_000 << 20
        var alerts = true
    }

    /// What its only signature is.
    enum Signature {
        case eicarAnywhere, eicarAtTheStart, eicarAsAWholeFile, other

        /// The database's extension and its line.
        var file: (extension: String, line: String) {
            let text = Hexadecimal.text(Eicar.text)
            return switch self {
            // Name, target (any file), offset, bytes.
            case .eicarAnywhere: ("ndb", "Eicar-Test-Signature:0:*:\(text)")
            case .eicarAtTheStart: ("ndb", "Eicar-Test-Signature:0:0:\(text)")
            case .eicarAsAWholeFile: ("hdb", "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature")
            case .other: ("ndb", "Other-Signature:0:*:\(Hexadecimal.text(Array("something that no file of these tests has".utf8)))")
            }
        }
    }

    let folder: URL
    let port: Int
    private var process: Process?

    /// Not running yet.
    init(_ limits: Limits = .init(), signature: Signature = .eicarAnywhere) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("clamd-\(UUID().uuidString.prefix(8))")
        port = try Self.freePort()
        for name in ["db", "tmp"] {
            try FileManager.default.createDirectory(at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        let (suffix, line) = signature.file
        try (line + "\n").write(to: folder.appendingPathComponent("db/test.\(suffix)"), atomically: true, encoding: .utf8)
        try """
            Foreground yes
            DatabaseDirectory \(folder.path)/db
            TemporaryDirectory \(folder.path)/tmp
            LocalSocket \(folder.path)/socket
            FixStaleSocket yes
            TCPSocket \(port)
            TCPAddr 127.0.0.1
            StreamMaxLength \(limits.stream)
            MaxFileSize \(limits.file)
            MaxScanSize \(limits.scan)
            MaxScanTime 600000
            AlertExceedsMax \(limits.alerts ? "yes" : "no")

            """.write(to: folder.appendingPathComponent("clamd.conf"), atomically: true, encoding: .utf8)
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    static func running(_ limits: Limits = .init(), signature: Signature = .eicarAnywhere) async throws -> RealClamd {
        let clamd = try RealClamd(limits, signature: signature)
        try await clamd.start()
        return clamd
    }

    func start() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = ["-c", folder.appendingPathComponent("clamd.conf").path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        let (tcp, local) = (scanner(tcp, windowBytes: 1 << 20), scanner(local, windowBytes: 1 << 20))
        for scanner in [tcp, local] {
            try await eventually {
                try #require(process.isRunning, "clamd has ended")
                return await probe(scanner).error?.isUnreachable != true
            }
        }
    }

    func signal(_ number: Int32) {
        if let process, process.isRunning { Glibc.kill(process.processIdentifier, number) }
    }

    func kill() {
        signal(SIGKILL)
        process?.waitUntilExit()
        process = nil
    }

    var tcp: ScanAddress { .tcp(host: "127.0.0.1", port: port) }
    var local: ScanAddress { .unix(path: folder.path + "/socket") }

    func scanner(_ address: ScanAddress, windowBytes: Int64, overlapBytes: Int64 = 64 << 10, timeoutSeconds: Int = 20) -> ClamdScanner {
        var configuration = ClamdScanner.Configuration(address: address)
        configuration.windowBytes = windowBytes
        configuration.overlapBytes = overlapBytes
        configuration.timeoutSeconds = timeoutSeconds
        return ClamdScanner(configuration)
    }

    /// Kills it once a stream arrives. On a thread of its own: other tests may keep tasks waiting until the stream is over.
    func dieInTheMiddleOfAStream() {
        guard let number = process?.processIdentifier else { return }
        let path = folder.path + "/tmp"
        Thread.detachNewThread {
            let deadline = ContinuousClock.now + .seconds(60)
            while ContinuousClock.now < deadline {
                // What it keeps of the stream; other files of its own are small.
                let kept = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
                let sizes = kept.map { (try? FileManager.default.attributesOfItem(atPath: path + "/" + $0)[.size] as? Int) ?? 0 }
                if sizes.contains(where: { $0 > 1 << 20 }) {
                    Glibc.kill(number, SIGKILL)
                    return
                }
                // Until the deadline.
                usleep(500)
            }
        }
    }

    private static func freePort() throws -> Int {
        let listener = try Listener()
        return listener.port
    }
}
