package import Foundation

/// What tests call from the Python Package Index: pinned in `Tests/requirements.txt`, installed in `.build/python` by `./dev test`.
package enum PythonTools {
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent(".build/python", isDirectory: true)

    /// The interpreter that finds the installed modules, such as `boto3` and `tusclient`.
    package static var python: URL { get throws { try program("python3") } }

    /// A file of an installed package, such as `axe_playwright_python/axe.min.js`.
    package static func file(_ path: String) throws -> URL {
        let libraries = folder.appendingPathComponent("lib")
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: libraries.path)) ?? []
        let places = versions.map { libraries.appendingPathComponent("\($0)/site-packages/\(path)") }
        guard let file = places.first(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
            throw Missing(description: "\(path) is missing: run ./dev test once, which installs what Tests/requirements.txt names")
        }
        return file
    }

    /// An installed program, such as `weed`. Scripts in Python are called by `python -m`.
    package static func program(_ name: String) throws -> URL {
        let program = folder.appendingPathComponent("bin/\(name)")
        guard FileManager.default.isExecutableFile(atPath: program.path) else {
            throw Missing(description: "\(program.path) is missing: run ./dev test once, which installs what Tests/requirements.txt names")
        }
        return program
    }
}
