/// Why a broker did not start. Nothing was changed that a later start could not go on from.
package struct BrokerStartError: Error, CustomStringConvertible, Sendable {
    package enum Code: String, Sendable, CaseIterable {
        case configuration
        case tokens
        case tls
        case log
        case listen
    }

    package var code: Code
    /// A sentence that an operator can act on.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "the broker cannot start (\(code.rawValue)): \(message)" }
}

/// How the process ends when the broker cannot go on.
package enum BrokerExitCode {
    /// A write or sync of the log failed: nobody knows what is on the disk, a restart recovers it. `EX_IOERR`.
    package static let logFailed: Int32 = 74
}
