import Foundation
import Testing

/// nginx with the configuration that docs/operations.md shows, in a folder of its own, for the time of this object.
final class Nginx {
    static let program = "/usr/sbin/nginx"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }
    static let isNeeded: Comment = "nginx is not installed: apt-get install nginx-light"

    let directory: TemporaryDirectory
    let port: Int
    let authority: String
    private let process = Process()

    /// The blocks that the document shows: a server's, the lines that put it under a path, and several web servers behind one name.
    static func documented() throws -> (server: String, underPath: String, several: String) {
        let root = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
        let blocks = page.components(separatedBy: "```nginx\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
        try #require(blocks.count == 3, "the document shows \(blocks.count)")
        return (blocks[0], blocks[1], blocks[2])
    }

    /// The server's block with the lines that put it under `/mcms/`.
    static func underPath(_ server: String) throws -> String {
        let atRoot = "    location / {\n        proxy_pass http://127.0.0.1:7402;\n"
        try #require(server.contains(atRoot))
        return server.replacing(atRoot, with: try documented().underPath)
    }

    /// - Parameter change: of the server's block that the document shows.
    init(at port: Int, before webPort: Int, change: (String) throws -> String = { $0 }) throws {
        directory = try TemporaryDirectory()
        self.port = port
        authority = directory.path + "/mcms.pem"
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", directory.path + "/mcms.key", "-out",
            authority, "-days", "2", "-subj", "/CN=mcms.example.lan", "-addext", "subjectAltName=DNS:mcms.example.lan",
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let server = try change(Self.documented().server).replacing("listen 443 ssl", with: "listen 127.0.0.1:\(port) ssl").replacing("127.0.0.1:7402", with: "127.0.0.1:\(webPort)")
            .replacing("/etc/ssl/mcms.pem", with: authority).replacing("/etc/ssl/mcms.key", with: directory.path + "/mcms.key")
        let user = getuid() == 0 ? "user nobody nogroup;\n" : ""
        let configuration = """
            \(user)pid \(directory.path)/pid;
            error_log \(directory.path)/error.log;
            events {}
            http {
                access_log off;
                client_body_temp_path \(directory.path)/body; proxy_temp_path \(directory.path)/proxy; fastcgi_temp_path \(directory.path)/fastcgi;
                uwsgi_temp_path \(directory.path)/uwsgi; scgi_temp_path \(directory.path)/scgi;
            \(server)
            }
            """
        try configuration.write(toFile: directory.path + "/nginx.conf", atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = ["-p", directory.path, "-c", directory.path + "/nginx.conf", "-g", "daemon off;"]
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    deinit { stop() }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    var url: String { "https://mcms.example.lan:\(port)" }
    /// A browser that knows the company's name for the server, and its certificate.
    var options: [String] { ["--resolve", "mcms.example.lan:\(port):127.0.0.1", "--cacert", authority] }

    func send(_ method: String, _ path: String, _ further: [String] = [], body: String? = nil) async throws -> Curl.Answer {
        try await Curl.send(method, url + path, options + further, body: body)
    }
}
