import Foundation
import NIOCore
import NIOPosix

/// Why nobody was reached, in words that one finds in manuals.
enum ConnectionProblem {
    static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as NIOConnectionError: error.connectionErrors.first.map { sentence($0.error) } ?? "the name is not known"
        default: "\(error)"
        }
    }
}
