import Foundation
import SpindleDisk
import Testing

/// kill -9 keeps what the system has in memory; a power cut does not. The data is on a disk image; the broker is stopped at a random
/// moment, the image is copied as it is, and the broker goes on with the copy: only what was really written down is in it.
@Suite(.serialized) struct PowerLossTests {
    /// Room for most of what is logged: a broker that is cut off several times a second moves little out of old segments.
    private static let megabytes = Machine.count("SPINDLE_POWER_MEGABYTES", 256)

    /// Cuts the power of a broker that stands still, and starts it again on what is left.
    private static func cut(_ broker: LoneBroker, _ disk: DiskImage) async throws {
        try disk.copyAsAfterPowerLoss()
        try await broker.kill()
        try disk.continueOnCopy()
        try broker.launch()
    }

    @Test(.enabled(if: Machine.canMountImages, "mounting a disk image needs root, loop devices and mkfs.ext4"))
    func whatWasConfirmedSurvivesAPowerCut() async throws {
        let seconds = Machine.count("SPINDLE_POWER_SECONDS", 20)
        let disk = try DiskImage(megabytes: Self.megabytes)
        let broker = try LoneBroker(data: disk.mountPoint + "/data")
        try await broker.start()
        let load = try broker.load(.init(bodyBytes: 0...2_000, backlogMax: 3_000))
        var cycles = 0
        let began = ContinuousClock.now
        let totals = try await load.run {
            while ContinuousClock.now < began + .seconds(seconds) {
                try await load.progress()
                // A random moment; the deadline is the waiting above.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<60)))
                try await broker.pause()
                try await Self.cut(broker, disk)
                cycles += 1
            }
            // And at each point between two changes of the files.
            for point in Failpoint.allCases where !point.rawValue.hasPrefix("recovery") {
                try await load.progress()
                try await broker.kill()
                try broker.launch(failpoint: "\(point.rawValue):1:stop")
                try await broker.paused(within: .seconds(60))
                try await Self.cut(broker, disk)
                cycles += 1
            }
        }
        try await broker.stop()
        let minutes = (ContinuousClock.now - began) / .seconds(60)
        print(totals.line("power cut", cycles: cycles) + ", \(Int(Double(cycles) / minutes)) cycles a minute")
        try disk.unmount()
    }

    /// The test above can fail: a disk that says that it synced, and did not, is found out.
    @Test(.enabled(if: Machine.canMountImages && Machine.canInjectFaults, "mounting a disk image needs root, loop devices and mkfs.ext4, and strace"))
    func aDiskThatOnlySaysThatItSyncedIsFoundOut() async throws {
        let disk = try DiskImage(megabytes: Self.megabytes)
        let broker = try LoneBroker(data: disk.mountPoint + "/data")
        try await broker.start()
        try await broker.kill()
        let lying = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:retval=0"]
        try await broker.start(prefix: lying)
        let load = try broker.load(.init(requestTimeout: .seconds(10)))
        var found: [String] = []
        do {
            found = try await load.verdict {
                try await load.progress(by: 3_000)
                try await broker.pause()
                try await Self.cut(broker, disk)
                try await load.progress(within: .seconds(15))
            }
        } catch {
            // The start refuses the log, or messages and their sequences do not fit any more.
            found = ["\(error)"]
        }
        #expect(!found.isEmpty)
        print("a disk that only says that it synced: \(found.first ?? "")\n\(broker.errors.suffix(400))")
        try await broker.kill()
    }
}
