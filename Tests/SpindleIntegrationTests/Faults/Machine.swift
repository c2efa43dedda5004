import Foundation

/// What a test may do to the machine it runs on.
enum Machine {
    struct Failed: Error, CustomStringConvertible { let description: String }

    /// Runs a command, found in PATH; throws with its words if it fails.
    @discardableResult
    static func run(_ command: String...) throws -> String { try run(command) }

    @discardableResult
    static func run(_ command: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(description: "\(command.joined(separator: " ")): \(output)") }
        return output
    }

    private static func can(_ attempt: (TemporaryDirectory) throws -> Void) -> Bool {
        do {
            try attempt(TemporaryDirectory())
            return true
        } catch {
            return false
        }
    }

    /// Mounting needs root. Without it such tests are skipped, and the runner says why.
    static let canMount = can { folder in
        try run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder.path)
        try run("umount", folder.path)
    }

    static let canMountImages = can { folder in try DiskImage(in: folder.path, megabytes: 4).unmount() }

    static let canMakeNetworks = can { _ in try NetworkPair().remove() }

    static let canInjectFaults = can { _ in try run("strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=1", "true") }

    static let canCompile = can { _ in try run("cc", "--version") }

    /// Seconds may be spared or spent by the environment.
    static func count(_ name: String, _ usual: Int) -> Int { ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual }
}

/// A tmpfs of so many megabytes, gone with this object.
final class SmallDisk {
    let path: String

    init(at path: String, megabytes: Int) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Machine.run("mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", path)
    }

    func grow(toMegabytes megabytes: Int) throws { try Machine.run("mount", "-o", "remount,size=\(megabytes)m", path) }

    deinit { _ = try? Machine.run("umount", "--lazy", path) }
}

/// An ext4 file system in a file, mounted through a loop device. In memory where there is room: it is copied often.
final class DiskImage {
    let folder: String
    private var image: String { folder + "/disk.image" }
    var mountPoint: String { folder + "/disk" }
    private var isMounted = false

    static var fastFolder: String {
        let shared = try? FileManager.default.attributesOfFileSystem(forPath: "/dev/shm")[.systemFreeSize] as? Int
        return (shared ?? 0) > 512 << 20 ? "/dev/shm" : FileManager.default.temporaryDirectory.path
    }

    init(in folder: String = DiskImage.fastFolder, megabytes: Int) throws {
        self.folder = folder + "/spindle-disk-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: self.folder + "/disk", withIntermediateDirectories: true)
        try Machine.run("truncate", "-s", "\(megabytes)M", image)
        try Machine.run("mkfs.ext4", "-q", "-F", image)
        try mount()
    }

    /// `commit`: no write-down of the file system's own every five seconds, so that only what was synced is there.
    func mount() throws {
        try Machine.run("mount", "-o", "loop,commit=300", image, mountPoint)
        isMounted = true
    }

    /// Unmounts the file system for good.
    ///
    /// A process that was started with a mount namespace of its own keeps a mount that it has copied, and with it this file system as it
    /// is: the next ``mount()`` would get that one again, aborted too, and no broker would ever start on it.
    func unmount() throws {
        try Machine.run("umount", mountPoint)
        isMounted = false
        // A namespace that is just being made lets go of it by itself.
        let end = ContinuousClock.now + .seconds(5)
        var holders = MountHolders.of(mountPoint)
        while !holders.isEmpty, ContinuousClock.now < end { holders = MountHolders.of(mountPoint) }
        guard holders.isEmpty else {
            throw Machine.Failed(description: "\(mountPoint) is still mounted in the mount namespace of \(holders.joined(separator: ", "))")
        }
    }

    /// The error path of a disk that fails: the file system takes no more writes, whoever has files open.
    func abort() throws { try Machine.run("mount", "-o", "remount,abort", mountPoint) }

    /// Copies the image as it is now: what a power cut at this moment would leave. Nobody may be writing; what the system itself
    /// writes meanwhile is noticed, and the copy is made again.
    func copyAsAfterPowerLoss() throws {
        for _ in 0..<100 {
            let before = try writeFigures()
            try Machine.run("cp", "--sparse=always", image, image + ".copy")
            if try before == writeFigures() { return }
        }
        throw Machine.Failed(description: "\(image) is written to all the time")
    }

    /// The copy takes the image's place; whoever had files open must have ended.
    func continueOnCopy() throws {
        try unmount()
        guard rename(image + ".copy", image) == 0 else { throw Machine.Failed(description: "the copy of \(image) is gone") }
        try mount()
    }

    /// Sectors written, and requests under way.
    private func writeFigures() throws -> [Substring] {
        let device = try Machine.run("findmnt", "-n", "-o", "SOURCE", mountPoint).trimmingCharacters(in: .whitespacesAndNewlines)
        let name = URL(fileURLWithPath: device).lastPathComponent
        let fields = try String(contentsOfFile: "/sys/block/\(name)/stat", encoding: .utf8).split(separator: " ")
        return [fields[6], fields[8]]
    }

    deinit {
        if isMounted { _ = try? Machine.run("umount", "--lazy", mountPoint) }
        try? FileManager.default.removeItem(atPath: folder)
    }
}

/// Who still has a file system mounted after it was unmounted here.
private enum MountHolders {
    /// Processes in whose mount namespace the path is mounted, each with its command line.
    static func of(_ mountPoint: String) -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.filter { Int($0) != nil } ?? []
        return processes.sorted().compactMap { process in
            let mounts = (try? String(contentsOfFile: "/proc/\(process)/mountinfo", encoding: .utf8)) ?? ""
            guard mounts.split(separator: "\n").contains(where: { $0.split(separator: " ").dropFirst(4).first == mountPoint[...] }) else { return nil }
            let command = (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
            return "\(process) (\(command.split(separator: "\0").joined(separator: " ")))"
        }
    }
}

/// A network namespace that is reached by a pair of virtual links.
final class NetworkPair {
    let name: String
    /// Of the broker's end, in the namespace.
    let address: String
    private var outer: String { "v\(name)a" }

    init() throws {
        // Interface names have at most 15 bytes.
        let number = Int.random(in: 1...250)
        name = "sp\(number)x\(UInt16.random(in: 0...999))"
        address = "10.213.\(number).2"
        try Machine.run("ip", "netns", "add", name)
        let inner = "v\(name)b"
        try Machine.run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        try Machine.run("ip", "link", "set", inner, "netns", name)
        try Machine.run("ip", "addr", "add", "10.213.\(number).1/24", "dev", outer)
        try Machine.run("ip", "link", "set", outer, "up")
        let inside = ["ip", "-n", name]
        try Machine.run(inside + ["addr", "add", "\(address)/24", "dev", inner])
        try Machine.run(inside + ["link", "set", inner, "up"])
        try Machine.run(inside + ["link", "set", "lo", "up"])
    }

    /// Not `ip netns exec`: that takes a mount namespace too, and with it a copy of every file system that another test has mounted.
    var prefix: [String] { ["nsenter", "--net=/var/run/netns/\(name)"] }

    /// Takes the link away, or brings it back.
    func link(isUp: Bool) throws { try Machine.run("ip", "link", "set", outer, isUp ? "up" : "down") }

    func remove() throws {
        // The other end goes with it.
        try Machine.run("ip", "link", "del", outer)
        try Machine.run("ip", "netns", "del", name)
    }

    deinit { _ = try? remove() }
}

/// Waits for what other processes do.
func eventually(_ what: String, within deadline: Duration = .seconds(60), _ isSo: @Sendable () async throws -> Bool) async throws {
    let end = ContinuousClock.now + deadline
    while ContinuousClock.now < end {
        if (try? await isSo()) == true { return }
        // Other processes can only be asked again, until the deadline.
        try await Task.sleep(for: .milliseconds(10))
    }
    throw Machine.Failed(description: "\(what): not within \(deadline)")
}
