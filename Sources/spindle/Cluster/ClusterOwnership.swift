import Foundation
import SpindleCluster

/// Whose a data directory is: one cluster has it for good, and one supervisor at a time.
struct ClusterOwnership {
    private static let fileName = "cluster"

    private let directory: DataDirectory

    init(_ directory: DataDirectory) { self.directory = directory }

    private var file: String { "\(directory.path)/\(Self.fileName)" }

    /// Refuses a folder that another cluster has, that has other people's files, or that a running supervisor has.
    func check(clusterName: String) throws {
        // A power cut may have left it empty: then it names nobody.
        if let owner = try? String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines), !owner.isEmpty {
            guard owner == clusterName else {
                throw CommandFailure(
                    "\(directory.path) belongs to the cluster “\(owner)”, and this description is of “\(clusterName)”.",
                    advice: "Choose another data directory with --data.")
            }
        } else if let found = try? FileManager.default.contentsOfDirectory(atPath: directory.path), let strange = found.first(where: { !Self.own.contains($0) }) {
            throw CommandFailure(
                "\(directory.path) has other files in it, such as “\(strange)”.",
                advice: "Choose a data directory of its own with --data; it need not be there yet.")
        }
        if let status = Self.running(directory) {
            let web = directory.endpoints()?.webURL.map { " Its page is \($0)/." } ?? ""
            throw CommandFailure(
                "the cluster in \(directory.path) is running already (process \(status.supervisorPid)).\(web)",
                advice: "Stop it with `spindle down --data \(directory.path)`, or choose another data directory with --data.")
        }
    }

    func claim(clusterName: String) throws {
        let size = (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? NSNumber)?.intValue ?? 0
        guard size == 0 else { return }
        do {
            try SyncedFile.write("\(clusterName)\n", to: file, mode: 0o644)
        } catch {
            throw CommandFailure("\(error.path) cannot be written: \(error.reason).", advice: "Choose another data directory with --data.")
        }
    }

    /// What single roles make, who don't claim the folder.
    private static let own: Set<String> = ["broker", "tokens", "tls", "run", "logs", "mcms", "share", "share.id", fileName]

    /// The status of the supervisor that runs in `directory`; nil when none does.
    static func running(_ directory: DataDirectory) -> ClusterStatus? {
        ClusterStatus.running(in: directory.runDirectory)
    }
}
