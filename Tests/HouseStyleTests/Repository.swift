import Foundation

/// The files of this repository, found from this file's own place.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The paths of all files with this ending below `folder`, from the root, sorted. Hidden folders are left out.
    static func files(in folder: String, ending: String) -> [String] {
        let start = folder.isEmpty ? root : root.appendingPathComponent(folder)
        guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil, options: [.skipsHiddenFiles]) else { return [] }
        let rootPath = root.standardizedFileURL.path + "/"
        return walk.compactMap { ($0 as? URL)?.standardizedFileURL.path }.filter { $0.hasSuffix(ending) && $0.hasPrefix(rootPath) }
            .map { String($0.dropFirst(rootPath.count)) }.sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func sources(in folder: String) throws -> [SourceText] {
        try files(in: folder, ending: ".swift").map { SourceText(path: $0, text: try text($0)) }
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    /// Runs a command in the root folder. Returns its exit code, and what it wrote to both outputs.
    static func run(_ command: [String]) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = root
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    /// The target that a path under `Sources` belongs to: the folder in a layer's folder, or in `Sources` itself.
    static func target(of path: String) -> String {
        let folders = path.split(separator: "/").dropFirst().map(String.init)
        guard let first = folders.first else { return "" }
        return ImportRules.layers.contains(first) && folders.count > 1 ? folders[1] : first
    }
}
