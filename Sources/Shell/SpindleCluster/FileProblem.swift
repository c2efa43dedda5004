import Foundation

/// Why an operation on a file failed, in the system's words.
package enum FileProblem {
    /// The system's text where the error or its cause has a number of it: Foundation's own says little more than "could not be completed".
    package static func sentence(_ error: any Error) -> String {
        var next: NSError? = error as NSError
        while let found = next {
            if found.domain == NSPOSIXErrorDomain { return text(Int32(truncatingIfNeeded: found.code)) }
            next = found.userInfo[NSUnderlyingErrorKey] as? NSError
        }
        return switch (error as? CocoaError)?.code {
        case .fileNoSuchFile, .fileReadNoSuchFile: text(ENOENT)
        case .fileReadNoPermission, .fileWriteNoPermission: text(EACCES)
        case .fileWriteFileExists: text(EEXIST)
        case .fileWriteOutOfSpace: text(ENOSPC)
        case .fileWriteVolumeReadOnly: text(EROFS)
        default: error.localizedDescription
        }
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
