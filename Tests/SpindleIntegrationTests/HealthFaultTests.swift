import Foundation
import SpindleClient
import SpindleCluster
import Testing

/// Faults of real processes, disks, files and certificates: each is named rightly within ten seconds. What can't be made in a minute is in the table
/// of `HealthTests`.
@Suite struct HealthFaultTests {
    private static let needsRoot: Comment = "mounting needs root"

    // MARK: Around the broker

    @Test(.enabled(if: Machine.canMount, needsRoot)) func faultsAroundTheBrokerAreNamed() async throws {
        let rig = try await HealthRig()
        let disks = try Disks(data: rig.roles.data)
        let scanner = Held(try rig.startScanner())
        try await rig.roles.startAll(["broker", "bridge", "worker", "files", "addin"])
        let client = try await rig.client()
        // The first two rounds last longer than the time in which workers that start are awaited.
        try await rig.waitUntilAllIsWell()
        try await rig.check([shareIsReadOnly(disks), storeIsReadOnly(disks), databaseIsLocked(rig), everyAttemptFails(client)] + [certificate(rig, ends: 20)])
        try await rig.check([
            outboxIsStuck(rig, client), queueIsPaused(client, "esprit-gen"), shareHangs(disks), diskIsFull(rig, disks, leaving: 6, "error"),
            workersAreQuiet(rig), certificateIsUnreadable(rig),
        ])
        try await rig.check([
            addinIsAway(rig), workerIsAway(rig), scannerIsAway(rig, scanner), shareIsGone(disks), poisonTaskDies(client), queueIsFull(client),
            diskIsFull(rig, disks, leaving: 10, "warning"), diskTakesNoMoreFiles(disks), queueIsPaused(client, "missingParts"),
            certificate(rig, ends: -1),
        ])
        await client.close()
        try await rig.roles.stop()
        scanner.value.kill()
        withExtendedLifetime(disks) {}
    }

    private func shareIsReadOnly(_ disks: Disks) -> HealthFault {
        HealthFault(#"share.readOnly W:\"#, "error") {
            try Machine.run("mount", "-o", "remount,bind,ro", disks.share)
        } mend: {
            try Machine.run("mount", "-o", "remount,bind,rw", disks.share)
        }
    }

    private func storeIsReadOnly(_ disks: Disks) -> HealthFault {
        HealthFault("store.unwritable", "error") {
            // Not while a file there is open for writing, which one is for a moment every other second.
            try await eventually("it is read-only") {
                try Machine.run("mount", "-o", "remount,ro", disks.store)
                return true
            }
        } mend: {
            try Machine.run("mount", "-o", "remount,rw", disks.store)
        }
    }

    /// Somebody has opened the database with another program, and left a transaction open.
    private func databaseIsLocked(_ rig: HealthRig) -> HealthFault {
        let path = rig.roles.data + "/mcms/mcms.sqlite"
        let holder = Held<ForeignProcess?>(nil)
        return HealthFault("database.unavailable", "error") {
            let script = """
                import sqlite3, sys, time
                db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
                db.execute("BEGIN IMMEDIATE")
                open(sys.argv[1] + ".held", "w").close()
                time.sleep(600)
                """
            holder.value = try ForeignProcess(["python3", "-c", script, path])
            try await eventually("the lock is held") { FileManager.default.fileExists(atPath: path + ".held") }
        } mend: {
            holder.value?.kill()
            try FileManager.default.removeItem(atPath: path + ".held")
        }
    }

    private func everyAttemptFails(_ client: SpindleClient) -> HealthFault {
        HealthFault("queue.fails attempts", "warning") {
            var policy = QueuePolicy()
            policy.attemptsMax = 100
            _ = try await client.declare(queue: "attempts", policy: policy)
            _ = try await client.publish(Message(body: Array("x".utf8)), to: "attempts")
            for _ in 0..<6 {
                let delivery = try #require(try await client.lease(from: "attempts", max: 1, wait: .seconds(10)).first)
                _ = try await client.negativeAcknowledge([NegativeAcknowledgement(token: delivery.token, delay: .zero, reason: "no license")])
            }
        } mend: {
            _ = try await client.delete(queue: "attempts", withMessages: true)
        }
    }

    private func certificate(_ rig: HealthRig, ends days: Double) -> HealthFault {
        let certificates = CertificateFiles(directory: rig.roles.data + "/tls")
        let made = Date(timeIntervalSinceNow: (days - Double(CertificateFiles.leafDays)) * 86_400)
        return HealthFault("certificate.ends \(rig.roles.data)/tls/client-web.pem", days > 0 ? "warning" : "error") {
            _ = try certificates.issueClient("web", replacing: true, now: made)
        } mend: {
            _ = try certificates.issueClient("web", replacing: true)
        }
    }

    private func certificateIsUnreadable(_ rig: HealthRig) -> HealthFault {
        let file = rig.roles.data + "/tls/client-web.pem"
        let certificates = CertificateFiles(directory: rig.roles.data + "/tls")
        return HealthFault("certificate.unusable \(file)", "error") {
            try "no certificate\n".write(toFile: file, atomically: true, encoding: .utf8)
        } mend: {
            _ = try certificates.issueClient("web", replacing: true)
        }
    }

    /// The broker takes no commands, and a generation is approved.
    private func outboxIsStuck(_ rig: HealthRig, _ client: SpindleClient) -> HealthFault {
        HealthFault("outbox.stuck", "error") {
            try await client.pause(queue: "esprit-gen", deliveries: false, publishes: true, reason: "maintenance")
            try await rig.approve("stuck")
        } mend: {
            try await client.resume(queue: "esprit-gen")
        }
    }

    private func queueIsPaused(_ client: SpindleClient, _ queue: String) -> HealthFault {
        HealthFault("queue.paused \(queue)", "warning") {
            // esprit-gen is by then, for publishes.
            if queue != "esprit-gen" { try await client.pause(queue: queue, reason: "maintenance") }
        } mend: {
            try await client.resume(queue: queue)
        }
    }

    /// As a share does whose server is gone: whoever opens the marker waits.
    private func shareHangs(_ disks: Disks) -> HealthFault {
        let marker = disks.share + "/.spindle-share"
        return HealthFault(#"share.unreadable W:\"#, "error") {
            try FileManager.default.moveItem(atPath: marker, toPath: marker + ".kept")
            try Machine.run("mkfifo", marker)
        } mend: {
            // Those who wait are let go, one after another, until the marker is back.
            try FileManager.default.moveItem(atPath: marker, toPath: marker + ".pipe")
            try FileManager.default.moveItem(atPath: marker + ".kept", toPath: marker)
            try Machine.run("sh", "-c", "exec 3<>\"$0\"; sleep 0.5", marker + ".pipe")
            try FileManager.default.removeItem(atPath: marker + ".pipe")
        }
    }

    private func diskIsFull(_ rig: HealthRig, _ disks: Disks, leaving megabytes: Int, _ severity: String) -> HealthFault {
        let ballast = disks.store + "/ballast"
        return HealthFault("disk.full files", severity) {
            try Machine.run("dd", "if=/dev/zero", "of=\(ballast)", "bs=1M", "count=\(Disks.storeMegabytes - megabytes)")
        } mend: {
            try FileManager.default.removeItem(atPath: ballast)
        }
    }

    private func diskTakesNoMoreFiles(_ disks: Disks) -> HealthFault {
        let folder = disks.store + "/names"
        return HealthFault("disk.files files", "warning") {
            let count = Disks.storeFiles * 99 / 100
            try Machine.run("sh", "-c", "mkdir \"$0\" && cd \"$0\" && seq \(count) | xargs touch", folder)
        } mend: {
            try FileManager.default.removeItem(atPath: folder)
        }
    }

    private func workersAreQuiet(_ rig: HealthRig) -> HealthFault {
        let options = FileTools.options(rig.roles)
        return HealthFault("workers.quiet results", "warning") {
            let told = try await Spindle.run(["worker", "quiet", "--label", "group=results", "--reason", "service"] + options)
            #expect(told.exitCode == 0, "\(told)")
        } mend: {
            let told = try await Spindle.run(["worker", "resume", "--label", "group=results"] + options)
            #expect(told.exitCode == 0, "\(told)")
        }
    }

    private func addinIsAway(_ rig: HealthRig) -> HealthFault {
        HealthFault("addin.missing", "error") {
            try await rig.roles.send(SIGKILL, to: "addin")
            _ = try await rig.roles.end(of: "addin")
            try await rig.approve("waits")
        } mend: {
            try await rig.roles.start("addin")
        }
    }

    private func workerIsAway(_ rig: HealthRig) -> HealthFault {
        HealthFault("workers.missing files", "warning") {
            try await rig.roles.send(SIGKILL, to: "files")
            _ = try await rig.roles.end(of: "files")
        } mend: {
            try await rig.roles.start("files")
        }
    }

    private func scannerIsAway(_ rig: HealthRig, _ scanner: Held<ForeignProcess>) -> HealthFault {
        HealthFault("scanner.unreachable clamd 127.0.0.1:\(rig.scannerPort)", "warning") {
            scanner.value.kill()
        } mend: {
            scanner.value = try rig.startScanner()
        }
    }

    private func shareIsGone(_ disks: Disks) -> HealthFault {
        HealthFault(#"share.unreadable W:\"#, "error") {
            try Machine.run("umount", "--lazy", disks.share)
        } mend: {
            try Machine.run("mount", "--bind", disks.shareServer, disks.share)
        }
    }

    /// A task that no worker knows.
    private func poisonTaskDies(_ client: SpindleClient) -> HealthFault {
        HealthFault("queue.deadLetters addin-result.dead", "warning") {
            var message = Message(body: Array("{}".utf8))
            message.taskType = "Nonsense"
            _ = try await client.publish(message, to: "addin-result")
        } mend: {
            _ = try await client.purge(queue: "addin-result.dead")
        }
    }

    private func queueIsFull(_ client: SpindleClient) -> HealthFault {
        HealthFault("queue.full small", "error") {
            var policy = QueuePolicy()
            policy.lengthMax = 5
            _ = try await client.declare(queue: "small", policy: policy)
            for _ in 0..<5 { _ = try await client.publish(Message(body: Array("x".utf8)), to: "small") }
        } mend: {
            _ = try await client.purge(queue: "small")
        }
    }

    // MARK: The broker itself

    @Test func faultsOfTheBrokerAreNamed() async throws {
        let rig = try await HealthRig()
        let scanner = try rig.startScanner()
        try await rig.roles.startAll(["broker", "bridge", "worker", "files", "addin"])
        try await rig.waitUntilAllIsWell()
        let roles = rig.roles
        try await rig.check([
            HealthFault("broker.unreachable", "error") {
                try await roles.send(SIGKILL, to: "broker")
                _ = try await roles.end(of: "broker")
            } mend: {
                try await roles.start("broker")
            }
        ])
        try await rig.check([
            HealthFault("broker.unreachable", "error") { try await roles.send(SIGSTOP, to: "broker") } mend: { try await roles.send(SIGCONT, to: "broker") }
        ])
        let file = roles.data + "/tokens/web"
        let token = try String(contentsOfFile: file, encoding: .utf8)
        try await rig.check([
            HealthFault("broker.refuses", "error") {
                // The broker makes another one, and ends the connections of this.
                try FileManager.default.removeItem(atPath: file)
                try await roles.send(SIGHUP, to: "broker")
            } mend: {
                try await roles.waitUntil("the broker made another") { FileManager.default.fileExists(atPath: file) }
                try token.write(toFile: file, atomically: true, encoding: .utf8)
                try await roles.send(SIGHUP, to: "broker")
            }
        ])
        let options = FileTools.options(roles)
        let well = try await Spindle.run(["health", "--language", "ko"] + options)
        #expect(well.exitCode == 0 && well.output.hasPrefix("모두 정상입니다: "), "\(well)")
        try await rig.roles.stop()
        let gone = try await Spindle.run(["health"] + options)
        #expect(gone.exitCode == 2 && gone.errors.contains("does not answer"), "\(gone)")
        scanner.kill()
    }

    /// A thing that one fault's steps hand to each other.
    private final class Held<Value: Sendable>: @unchecked Sendable {
        // Unchecked: the steps of a test come one after another.
        var value: Value
        init(_ value: Value) { self.value = value }
    }

    /// A share that is mounted, and a store on a small disk.
    private final class Disks: Sendable {
        static let storeMegabytes = 64
        static let storeFiles = 2_000
        let shareServer: String
        let share: String
        let store: String

        init(data: String) throws {
            (shareServer, share, store) = (data + "/share-server", data + "/mcms/share", data + "/files")
            for path in [shareServer, share, store] { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
            try Machine.run("mount", "--bind", shareServer, share)
            try Machine.run("mount", "-t", "tmpfs", "-o", "size=\(Self.storeMegabytes)m,nr_inodes=\(Self.storeFiles)", "tmpfs", store)
        }

        deinit { for path in [share, store] { _ = try? Machine.run("umount", "--lazy", path) } }
    }
}
