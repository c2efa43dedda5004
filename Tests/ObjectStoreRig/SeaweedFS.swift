package import Foundation
internal import Glibc
internal import PythonTools
internal import Synchronization

/// An object store that is not ours, on loopback, in a folder of its own, for the time of this object.
package final class SeaweedFS: Sendable {
    package struct Failure: Error, CustomStringConvertible { package let description: String }

    package static let accessKey = "spindleaccess"
    package static let secretKey = "spindle/secret+key"

    package let folder: URL
    package let bucket: String
    private let ports: [Int]
    private let process = Mutex<Process?>(nil)

    package var port: Int { ports[6] }
    /// Where it was given a certificate.
    package var secureEndpoint: String { "https://127.0.0.1:\(ports[8])" }
    package var endpoint: String { "http://127.0.0.1:\(port)" }
    /// As the description's `accessKeyFile:` names it.
    package var accessKeyFile: String { folder.appendingPathComponent("access-key").path }

    /// Starts it and makes a bucket.
    /// - Parameters:
    ///   - certificate: PEM files.
    ///   - options: more of `weed server`, such as `-s3.domainName=s3.test`.
    package init(bucket: String = "mcms-files", certificate: (chain: String, key: String)? = nil, options: [String] = []) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("weed-\(UUID().uuidString.prefix(8))")
        self.bucket = bucket
        ports = try LoopbackSocket.freePorts(9)
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("data"), withIntermediateDirectories: true)
        try """
            {"identities": [{"name": "spindle", "credentials": [{"accessKey": "\(Self.accessKey)", "secretKey": "\(Self.secretKey)"}],
            "actions": ["Admin", "Read", "Write", "List"]}]}
            """.write(to: folder.appendingPathComponent("s3.json"), atomically: true, encoding: .utf8)
        try "[default]\naws_access_key_id = \(Self.accessKey)\naws_secret_access_key = \(Self.secretKey)\n"
            .write(toFile: accessKeyFile, atomically: true, encoding: .utf8)
        chmod(accessKeyFile, 0o600)
        let secure = certificate.map { ["-s3.port.https=\(ports[8])", "-s3.cert.file=\($0.chain)", "-s3.key.file=\($0.key)"] } ?? []
        try start(options + secure)
        try await boto("client.create_bucket(Bucket=bucket)")
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Starts it again, with what it had.
    package func start(_ options: [String] = []) throws {
        let weed = Process()
        weed.executableURL = try PythonTools.program("weed")
        weed.arguments =
            [
                "-logtostderr", "server", "-dir", folder.path + "/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.port=\(ports[0])",
                "-master.port.grpc=\(ports[1])", "-master.volumeSizeLimitMB=256", "-master.peers=none", "-volume.port=\(ports[2])",
                "-volume.port.grpc=\(ports[3])", "-volume.max=20", "-filer", "-filer.port=\(ports[4])", "-filer.port.grpc=\(ports[5])",
                "-filer.localSocket=\(folder.path)/filer.sock", "-s3", "-s3.port=\(ports[6])", "-s3.port.grpc=\(ports[7])",
                "-s3.localSocket=\(folder.path)/s3.sock", "-s3.config=\(folder.path)/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
            ] + options
        weed.currentDirectoryURL = folder
        let log = folder.appendingPathComponent("log")
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let handle = try FileHandle(forWritingTo: log)
        try handle.seekToEnd()
        (weed.standardOutput, weed.standardError) = (handle, handle)
        try weed.run()
        process.withLock { $0 = weed }
    }

    /// As a loss of power would.
    package func kill() {
        guard let weed = process.withLock({ $0.take() }), weed.isRunning else { return }
        Glibc.kill(weed.processIdentifier, SIGKILL)
        weed.waitUntilExit()
    }

    /// Waits until it answers again.
    package func ready() async throws { try await boto("client.head_bucket(Bucket=bucket)") }

    /// Runs a script with boto3's `client` and the `bucket`, and returns what it prints. Until the store answers, boto3 asks again.
    @discardableResult
    package func boto(_ script: String, _ arguments: String...) async throws -> String {
        let text = """
            import boto3, hashlib, json, sys
            from botocore.config import Config
            client = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3],
                region_name='us-east-1', config=Config(s3={'addressing_style': 'path'}, retries={'max_attempts': 12, 'mode': 'standard'}))
            bucket, arguments = sys.argv[4], sys.argv[5:]
            \(script)
            """
        return try await Python.run(text, [endpoint, Self.accessKey, Self.secretKey, bucket] + arguments)
    }
}

/// The interpreter that has the tests' modules.
package enum Python {
    /// Returns what the script prints.
    package static func run(_ script: String, _ arguments: [String] = []) async throws -> String {
        let python = try PythonTools.python
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try wait(python, ["-c", script] + arguments) }) }
        }
    }

    private static func wait(_ python: URL, _ arguments: [String]) throws -> String {
        let (process, output, errors) = (Process(), Pipe(), Pipe())
        process.executableURL = python
        process.arguments = arguments
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let said = Mutex(Data())
        let reader = Thread { said.withLock { $0 = errors.fileHandleForReading.readDataToEndOfFile() } }
        reader.start()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw SeaweedFS.Failure(description: "python: \(String(decoding: said.withLock { $0 }, as: UTF8.self).suffix(800))")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
