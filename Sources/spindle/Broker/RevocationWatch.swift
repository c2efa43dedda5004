import Foundation
import Logging
import ServiceLifecycle

/// Notices that a file came, changed or went, and has it read again. Asking a file's state costs microseconds.
struct RevocationWatch: Service {
    private static let interval = Duration.seconds(2)

    private let file: String
    private let onChange: @Sendable () async -> Void

    init(_ file: String, onChange: @escaping @Sendable () async -> Void) {
        self.file = file
        self.onChange = onChange
    }

    /// What tells one content from another: each is written to a file of its own, which is then renamed.
    private struct Mark: Equatable {
        let number: UInt64?
        let modified: Date?
    }

    /// nil: the file is not there.
    private var mark: Mark? {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: file) else { return nil }
        return Mark(number: attributes[.systemFileNumber] as? UInt64, modified: attributes[.modificationDate] as? Date)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var known = mark
            // What changed between the start's reading and now is read once more.
            if known != nil { await onChange() }
            while !Task.isCancelled {
                // Ends early only when it is cancelled, which the loop sees.
                try? await Task.sleep(for: Self.interval)
                let now = mark
                guard now != known else { continue }
                known = now
                await onChange()
            }
        }
    }
}
