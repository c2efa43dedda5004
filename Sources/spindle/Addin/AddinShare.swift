import Digests
import Foundation
import MCMS

/// The share as the add-in sees it: it writes to `W:\…`, which is a folder here.
struct AddinShare: Sendable {
    /// What `W:\` stands for.
    let root: String
    /// Tells whether the share is mounted: what is written beside it would be found by nobody.
    let identity: ShareIdentity

    /// Writes the output of a command, whole or not at all.
    /// - Returns: its path as Windows writes it, with its size and SHA-256.
    func write(_ command: EspritGenerationCommand) throws -> ReportedOutput {
        if let problem = identity.problem() { throw OutputShareError.unavailable(reason: problem) }
        let directory = try LogicalPath(command.outputDirectory)
        let path = try LogicalPath("\(directory)/toolpath.esp")
        let content = Array(
            """
            % simulated ESPRIT output
            (ROUTING \(command.routingId) REV \(command.camRevision + 1))
            (JOB \(command.jobId))
            G21 G90
            G0 X0 Y0 Z10
            G1 Z-1 F100
            G1 X50 F300
            G0 Z10
            M30
            %

            """.utf8)
        let file = URL(fileURLWithPath: "\(root)/\(path)")
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content).write(to: file, options: .atomic)
        let digest = Hexadecimal.text(try DigestStream.digest(of: content))
        return ReportedOutput(path: #"W:\"# + path.parts.joined(separator: #"\"#), size: Int64(content.count), sha256: digest)
    }
}
