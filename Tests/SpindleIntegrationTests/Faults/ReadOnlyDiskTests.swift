import Foundation
import Testing

/// A file system that takes no more writes in the middle of the work, as one does whose disk fails.
@Suite struct ReadOnlyDiskTests {
    @Test(.enabled(if: Machine.canMountImages, "mounting a disk image needs root, loop devices and mkfs.ext4"))
    func theBrokerStopsWritesNothingAndHasEverythingAgainLater() async throws {
        let disk = try DiskImage(megabytes: 64)
        let broker = try LoneBroker(data: disk.mountPoint + "/data")
        try await broker.start()
        let load = try broker.load(.init(bodyBytes: 0...2_000))
        let totals = try await load.run {
            for _ in 0..<3 {
                try await load.progress(by: 1_000)
                try disk.abort()
                let code = try await broker.end()
                #expect(code == 74, "\(broker.errors.suffix(1000))")
                // A start finds a log that it can't own: a sentence, and nothing else.
                try broker.launch()
                #expect(try await broker.end() == 1)
                let errors = broker.errors
                #expect(errors.contains("Read-only file system"), "\(errors.suffix(1000))")
                try disk.unmount()
                try disk.mount()
                try broker.launch()
            }
            try await load.progress(by: 1_000)
        }
        try await broker.stop()
        print(totals.line("read-only disk", cycles: 3))
        try disk.unmount()
    }

    /// A file system is gone only when every mount namespace has unmounted it. A test that mounts it again before that works on the old one.
    @Test(.enabled(if: Machine.canMountImages, "mounting a disk image needs root, loop devices and mkfs.ext4"))
    func aDiskThatAnotherMountNamespaceHoldsDoesNotCountAsUnmounted() async throws {
        let disk = try DiskImage(megabytes: 4)
        let holder = Process()
        let (input, output) = (Pipe(), Pipe())
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        holder.arguments = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo holding; read line"]
        holder.standardInput = input
        holder.standardOutput = output
        try holder.run()
        #expect(try output.fileHandleForReading.read(upToCount: 8) == Data("holding\n".utf8))
        let failure = #expect(throws: Machine.Failed.self) { try disk.unmount() }
        #expect(failure?.description.contains("mount namespace of \(holder.processIdentifier) (sh ") ?? false, "\(failure?.description ?? "")")
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        try disk.mount()
        try disk.unmount()
    }
}
