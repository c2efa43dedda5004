internal import Foundation
internal import Synchronization

/// Knows whether the share is the one that was here at the first start: a folder that nothing is mounted on looks like an empty share, and its
/// files would be missing.
///
/// The share is known by a marker in its root, which the first start writes. Where that can't be written, by its file system's number.
/// What is known is in a file of the installation; who means another share deletes that file.
package final class ShareIdentity: Sendable {
    package static let markerName = ".spindle-share"
    private static let markerBytesMax = 256

    private enum Known: Equatable {
        case marker(String)
        case device(UInt64)

        init?(_ text: String) {
            let parts = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: " ", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { return nil }
            switch parts[0] {
            case "marker": self = .marker(parts[1])
            case "device":
                guard let number = UInt64(parts[1]) else { return nil }
                self = .device(number)
            default: return nil
            }
        }

        var text: String {
            switch self {
            case .marker(let id): "marker \(id)\n"
            case .device(let number): "device \(number)\n"
            }
        }
    }

    private let root: String
    private let record: String
    private let known = Mutex<Known?>(nil)

    /// - Parameters:
    ///   - root: the share's folder.
    ///   - record: the file that says which share it is; its folder must exist.
    package init(root: String, record: String) {
        self.root = root
        self.record = record
    }

    private var marker: String { "\(root)/\(Self.markerName)" }

    /// Why this isn't the share, in words; nil: it is. The first time, what is here becomes the share.
    package func problem() -> String? {
        known.withLock { known in
            if known == nil { known = (try? String(contentsOfFile: record, encoding: .utf8)).flatMap(Known.init) }
            if let known { return problem(known) }
            guard let device else { return "\(root): \(String(cString: strerror(errno)))" }
            let learned = learn(device)
            do {
                try Data(learned.text.utf8).write(to: URL(fileURLWithPath: record), options: .atomic)
            } catch {
                return "\(record) cannot be written, which says which share is meant: \(error.localizedDescription)"
            }
            known = learned
            return nil
        }
    }

    private func problem(_ known: Known) -> String? {
        switch known {
        case .device(let number):
            guard let device else { return "\(root): \(String(cString: strerror(errno)))" }
            return device == number ? nil : "another file system than at the first start is at \(root): the share is not mounted. If it is meant, delete \(record)"
        case .marker(let id):
            guard let found = readMarker() else {
                return "the share is not mounted at \(root): its marker \(Self.markerName) is not there. If the share was exchanged, delete \(record)"
            }
            return found == id ? nil : "another share than at the first start is mounted at \(root). If it is meant, delete \(record)"
        }
    }

    private func learn(_ device: UInt64) -> Known {
        let id = UUID().uuidString.lowercased()
        // Another process may be writing it: what is there then counts.
        try? Data("\(id)\n".utf8).write(to: URL(fileURLWithPath: marker), options: .withoutOverwriting)
        return readMarker().map(Known.marker) ?? .device(device)
    }

    private func readMarker() -> String? {
        guard let handle = FileHandle(forReadingAtPath: marker), let data = try? handle.read(upToCount: Self.markerBytesMax) else { return nil }
        try? handle.close()
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? nil : text
    }

    /// Of the file system that the root is on; nil where it can't be looked at.
    private var device: UInt64? {
        var status = stat()
        return stat(root, &status) == 0 ? UInt64(status.st_dev) : nil
    }
}

extension String {
    /// In Unicode's composed form, as paths are kept.
    var composed: String { precomposedStringWithCanonicalMapping }
}
