package import Foundation

/// A data directory that an earlier version wrote, unpacked into a folder of its own.
package final class Fixture: Sendable {
    package struct Unreadable: Error, CustomStringConvertible { package let description: String }

    /// The versions of which there are fixtures, each with the same archives.
    package static let versions = ["0.1.0"]
    /// Brokers alone, with everything a log can hold: stopped in order, and killed.
    package static let queues = versions.flatMap { version in ["\(version)/queues-stopped", "\(version)/queues-killed"] }
    /// Broker and domain.
    package static let domain = versions.flatMap { version in ["\(version)/domain-stopped", "\(version)/domain-killed"] }

    package let path: String
    private let toldBytes: Data

    /// `name`: `VERSION/ARCHIVE`.
    package init(_ name: String) throws {
        let archive = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("data-\(name)")
        toldBytes = try Data(contentsOf: archive.appendingPathExtension("json"))
        path = FileManager.default.temporaryDirectory.appendingPathComponent("fixture-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let tar = Process()
        tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tar.arguments = ["tar", "-xzf", archive.appendingPathExtension("tar.gz").path, "-C", path, "--no-same-owner"]
        try tar.run()
        tar.waitUntilExit()
        guard tar.terminationStatus == 0 else { throw Unreadable(description: "tar -xzf \(archive.path).tar.gz exits with \(tar.terminationStatus)") }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// What the executable that wrote it told about it, by `queues`, `messages`, `topics`, …
    package func told() throws -> [String: Any] {
        guard let told = try JSONSerialization.jsonObject(with: toldBytes) as? [String: Any] else {
            throw Unreadable(description: "\(path): what was told is no object")
        }
        return told
    }

    /// What was told of one thing, as a list of objects.
    package func list(_ key: String) throws -> [[String: Any]] {
        guard let list = try told()[key] as? [[String: Any]] else { throw Unreadable(description: "\(path): no list of \(key) was told") }
        return list
    }

    /// What was told of queues or messages, by the queue's name.
    package func byQueue<Value>(_ key: String, as type: Value.Type) throws -> [String: Value] {
        guard let values = try told()[key] as? [String: Value] else { throw Unreadable(description: "\(path): no \(key) by queue were told") }
        return values
    }

    /// The log's files with their bytes.
    package func logFiles() throws -> [(name: String, bytes: Data)] {
        let folder = path + "/broker/log"
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
            (name, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
        }
    }

    /// What differs between `told` and `tells` at the same places; a member that only `tells` has is no difference.
    package static func differences(_ told: Any, _ tells: Any?, except: Set<String> = [], at place: String = "") -> [String] {
        switch (told, tells) {
        case (let told as [String: Any], let tells as [String: Any]):
            return told.keys.sorted().filter { !except.contains($0) }.flatMap { key in
                differences(told[key] as Any, tells[key], except: except, at: "\(place).\(key)")
            }
        case (let told as [Any], let tells as [Any]):
            guard told.count == tells.count else { return ["\(place): \(tells.count) instead of \(told.count)"] }
            return zip(told, tells).enumerated().flatMap { index, pair in
                differences(pair.0, pair.1, except: except, at: "\(place)[\(index)]")
            }
        case (let told as NSObject, let tells as NSObject):
            return told == tells ? [] : ["\(place): \(tells) instead of \(told)"]
        default: return ["\(place): \(tells.map { "\($0)" } ?? "nothing") instead of \(told)"]
        }
    }
}
