import Foundation
import Testing

/// What the tests themselves must not do: keep open the files of programs that have ended. See ``SpindleProcess``.
@Suite struct OpenProcessFilesTests {
    @Test func aProgramLeavesNoFileOpen() async throws {
        let process = try SpindleProcess(["--version"])
        _ = try await process.exitCode(within: Spindle.deadline)
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { file in
            // Files that other tests close meanwhile have no name any more.
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(file)")
        }
        #expect(open.filter { $0.hasPrefix(process.directory.path) } == [])
    }
}
