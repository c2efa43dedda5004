import Foundation
import NIOPosix
import Synchronization

/// `curl`, which shares no code with the server.
enum Curl {
    struct Answer: Sendable {
        let status: Int
        /// In small letters, one field a line.
        let head: String
        let body: String

        func field(_ name: String) -> String? {
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name + ":") }
                .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
        }

        /// The session that the answer begins, as a browser sends it back.
        var cookie: String? { field("set-cookie")?.split(separator: ";").first.map(String.init) }
    }

    /// One request. Status 0: there was no answer.
    static func send(_ method: String, _ url: String, _ options: [String] = [], body: String? = nil) async throws -> Answer {
        let content = body.map { ["-H", "Content-Type: application/json", "--data-raw", $0] } ?? []
        let output = try await NIOThreadPool.singleton.runIfActive {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["curl", "-sS", "-i", "--max-time", "20", "-X", method] + options + content + [url]
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = FileHandle.nullDevice
            try process.run()
            let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return String(decoding: data, as: UTF8.self)
        }
        guard let end = output.range(of: "\r\n\r\n") else { return Answer(status: 0, head: "", body: output) }
        let head = String(output[..<end.lowerBound])
        let status = head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return Answer(status: status, head: head, body: String(output[end.upperBound...]))
    }

    /// A stream that stays open; what came is in ``output``. It ends with this object.
    final class Stream: Sendable {
        private let process = Process()
        private let received = Mutex(Data())

        init(_ url: String, _ options: [String]) throws {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["curl", "-sSN"] + options + [url]
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = FileHandle.nullDevice
            pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
                let data = handle.availableData
                if data.isEmpty { handle.readabilityHandler = nil } else { self?.received.withLock { $0.append(data) } }
            }
            try process.run()
        }

        deinit { if process.isRunning { process.terminate() } }

        var output: String { received.withLock { String(decoding: $0, as: UTF8.self) } }

        func count(of event: String) -> Int { output.components(separatedBy: "event: \(event)\n").count - 1 }

        var isOpen: Bool { process.isRunning }

        /// What came whole: the events' names and ids, in order.
        var events: [(name: String, id: String)] {
            output.components(separatedBy: "\n\n").dropLast().compactMap { frame in
                func field(_ name: String) -> String? {
                    frame.split(separator: "\n").first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
                }
                return field("event").flatMap { name in field("id").map { (name, $0) } }
            }
        }
    }
}
