import Foundation
import Glibc
import Testing

/// An upload's offset is a promise: the bytes before it are on the disk. The store is on a disk image; the web server is stopped in a PATCH,
/// the image is copied as it is, and the server goes on with the copy. What the database says is kept: it knows the highest offset promised.
@Suite(.serialized) struct FilePowerLossTests {
    private static let size = 64 << 20 | 3

    private struct Rig {
        let disk: DiskImage
        let roles: RunningRoles
        let source: String
        let place: String
        let payload: String
    }

    private static func rig(prefix: [String] = []) async throws -> Rig {
        let disk = try DiskImage(megabytes: 160)
        let store = disk.mountPoint + "/files"
        let roles = try RunningRoles { $0.replacing("  store: files\n", with: "  store: \(store)\n").replacing("keepFree: 1 GiB", with: "keepFree: 1 MiB") }
        try await roles.startAll(["broker"])
        try await roles.start("bridge", prefix: prefix)
        try await ready(roles)
        let source = roles.directory.path + "/source"
        try FileTools.write(size, to: source)
        let routing = try await FileTools.routing(roles)
        let created = try await Curl.send(
            "POST", FileTools.url(roles) + "/api/upload",
            try login(roles) + ["-H", "Upload-Length: \(size)", "-H", "Upload-Metadata: routingId \(FileTools.base64(routing)),filename \(FileTools.base64("p.bin"))"])
        let place = try #require(created.field("location"), "\(created)")
        let id = try #require(place.split(separator: "/").last)
        return Rig(disk: disk, roles: roles, source: source, place: FileTools.url(roles) + place, payload: "\(store)/staging/\(id)/payload")
    }

    private static func ready(_ roles: RunningRoles) async throws {
        try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
    }

    private static func login(_ roles: RunningRoles) throws -> [String] { try FileTools.login(roles) + ["-H", "Tus-Resumable: 1.0.0"] }

    private static func offset(_ rig: Rig) async throws -> Int {
        let head = try await Curl.send("HEAD", rig.place, try login(rig.roles) + ["--head"])
        return try #require(head.field("upload-offset").flatMap { Int($0) }, "\(head)")
    }

    private static func patch(_ rig: Rig, from offset: Int, _ more: [String] = []) throws -> ForeignProcess {
        let rest = rig.roles.directory.path + "/rest"
        try Data(contentsOf: URL(fileURLWithPath: rig.source))[offset...].write(to: URL(fileURLWithPath: rest))
        return try ForeignProcess(
            ["curl", "-sS", "-X", "PATCH"] + (try login(rig.roles))
                + ["-H", "Upload-Offset: \(offset)", "-H", "Content-Type: application/offset+octet-stream", "-H", "Expect:", "--data-binary", "@\(rest)"]
                + more + [rig.place])
    }

    private enum Moment {
        case any
        /// As soon as the server has promised more than before.
        case afterAPromise
    }

    /// Stops the server in the middle of a PATCH, cuts the power, starts it again. The offset that it says then.
    private static func cut(_ rig: Rig, from offset: Int, at moment: Moment = .any) async throws -> Int {
        let curl = try patch(rig, from: offset, ["--limit-rate", "40M"])
        switch moment {
        case .any:
            // The deadline of this process's life, at any moment of the PATCH; more than a chunk has come mostly.
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...700)))
        case .afterAPromise:
            let (roles, id) = (rig.roles, try #require(rig.place.split(separator: "/").last.map(String.init)))
            try await roles.waitUntil("the server promises a chunk") {
                try await FileTools.file(roles, id).receivedBytes > offset
            }
        }
        let server = try await rig.roles.identifier(of: "bridge")
        for child in [server] + children(of: server) { kill(child, SIGSTOP) }
        try rig.disk.copyAsAfterPowerLoss()
        for child in [server] + children(of: server) { kill(child, SIGKILL) }
        _ = try await rig.roles.end(of: "bridge")
        curl.kill()
        _ = try await curl.end()
        try rig.disk.continueOnCopy()
        try await rig.roles.start("bridge")
        try await ready(rig.roles)
        return try await Self.offset(rig)
    }

    /// Under `strace` the server is a child.
    private static func children(of process: Int32) -> [Int32] {
        let text = (try? String(contentsOfFile: "/proc/\(process)/task/\(process)/children", encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { Int32($0) }
    }

    private static func isOnDisk(_ rig: Rig, _ bytes: Int) async throws -> Bool {
        bytes == 0 ? true : try await ForeignProcess.run(["cmp", "-n", "\(bytes)", rig.source, rig.payload]).exitCode == 0
    }

    /// `SPINDLE_UPLOAD_POWER_CUTS`: how often in all; three for each file.
    @Test(.enabled(if: Machine.canMountImages, "mounting a disk image needs root, loop devices and mkfs.ext4"))
    func whatAnOffsetSaysIsOnTheDiskAfterAPowerCut() async throws {
        let wanted = Machine.count("SPINDLE_UPLOAD_POWER_CUTS", 3)
        var (cuts, farthest) = (0, 0)
        while cuts < wanted {
            let rig = try await Self.rig()
            var offset = 0
            for number in 0..<min(3, wanted - cuts) where offset < Self.size {
                // The first after a promise, since a busy machine may have taken no chunk at the other moments.
                let now = try await Self.cut(rig, from: offset, at: number == 0 ? .afterAPromise : .any)
                #expect(now >= offset && now <= Self.size)
                #expect(try await Self.isOnDisk(rig, now), "offset \(now)")
                (offset, cuts, farthest) = (now, cuts + 1, max(farthest, now))
            }
            let last = try await Self.patch(rig, from: offset).end()
            #expect(last.exitCode == 0, "\(last)")
            #expect(try await Self.offset(rig) == Self.size)
            #expect(try await Self.isOnDisk(rig, Self.size))
            try await rig.roles.stop()
            try rig.disk.unmount()
        }
        #expect(farthest > 0, "no chunk ever came before a cut: the test shows nothing")
        print("power cut in uploads: \(cuts) cycles, 0 confirmed publishes, 0 confirmed acks")
    }

    /// The test above can fail: a disk that says that it synced, and did not, is found out.
    @Test(.enabled(if: Machine.canMountImages && Machine.canInjectFaults, "mounting a disk image needs root, loop devices and mkfs.ext4, and strace"))
    func aDiskThatOnlySaysThatItSyncedIsFoundOut() async throws {
        let lying = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:retval=0"]
        let rig = try await Self.rig(prefix: lying)
        var (isFoundOut, tries, offset) = (false, 0, 0)
        while !isFoundOut, tries < 5 {
            offset = try await Self.cut(rig, from: offset, at: .afterAPromise)
            isFoundOut = try await !Self.isOnDisk(rig, offset)
            tries += 1
            guard !isFoundOut else { break }
            // The kernel wrote in time what nobody synced: again, with a server that lies.
            try await rig.roles.send(SIGKILL, to: "bridge")
            _ = try await rig.roles.end(of: "bridge")
            try await rig.roles.start("bridge", prefix: lying)
            try await Self.ready(rig.roles)
        }
        #expect(isFoundOut)
        try await rig.roles.stop()
    }
}
